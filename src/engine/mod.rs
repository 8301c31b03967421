//! Typed jobs on a thread of their own: loading, generation as an iterator, scoring.
