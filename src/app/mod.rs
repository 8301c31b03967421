//! Program state and commands, without a terminal, a thread or a file.
