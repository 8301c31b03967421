//! Tokenizer loading, the exact id-to-bytes table, UTF-8 assembly of streamed bytes, and the one sanitiser between model text and a terminal.
