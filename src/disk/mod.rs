//! The user's disk: files read within a limit, files written whole or not at all, and folders that only their owner opens.
//!
//! Everything that kshot keeps for its user goes through here. Checkpoints are read by `files`, downloads written by `hub`.

mod read;
mod write;

pub use read::{ReadError, open, read, read_start, read_text};
pub use write::{Existing, WriteError, exchange_file, private_folder, sync_folder, write_file, write_private};
