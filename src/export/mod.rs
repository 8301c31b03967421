//! What is taken away from kshot: a trace that replays, the text as a table or a page, the shell command that makes it again.
//!
//! Each format is a row of [`formats`] and is made from plain data ([`Source`]): [`TokenRow`]s of a text, or the [`Record`]
//! of a generation. Writing the result to a file or a clipboard is the caller's work; so is running a trace again
//! ([`Trace::request`], then [`compare`]). Knows no screen, and of the command line only the flags that [`shell_command`]
//! writes.

mod build;
mod format;
mod lines;
mod page;
mod record;
mod replay;
mod shell;
mod tokens;
mod trace;

pub use build::{Build, cpu_name};
pub use format::{Format, FormatSpec, Source, Subject, formats};
pub use page::{Facts, html, markdown};
pub use record::Record;
pub use replay::{Difference, Exactness, TOLERANCE, compare};
pub use shell::shell_command;
pub use tokens::{COLUMNS, TokenRow, csv};
pub use trace::{
    EndOfText, FORMAT, Sample, TOP, Trace, TraceCandidate, TraceError, TraceModel, TracePrompt, TraceSettings,
    TraceToken,
};
