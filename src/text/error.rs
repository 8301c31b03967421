use std::path::PathBuf;

/// What can be wrong with a tokenizer, or with a text given to it.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The folder holds no tokenizer that we read.
    #[error(
        "no tokenizer in {}: expected tokenizer.json, or vocab.json with merges.txt (missing: {missing})",
        folder.display()
    )]
    Missing {
        /// The folder that was looked into.
        folder: PathBuf,
        /// The file names that would have to be there.
        missing: &'static str,
    },

    /// A file that cannot be read, is no regular file, or is too large.
    #[error(transparent)]
    Read(#[from] crate::disk::ReadError),

    /// A file's content is not what its name says.
    #[error("{} is malformed: {reason}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line or key.
        reason: String,
    },

    /// Merges that do not lead to the entries of the vocabulary.
    #[error(
        "{}: {lost} of the {entries} entries of the vocabulary cannot be reached by its {merges} merges, so text would become \
         single bytes; the merges are cut short or belong to another vocabulary. Fetch the tokenizer files again",
        file.display()
    )]
    Unreachable {
        /// The file with the vocabulary.
        file: PathBuf,
        /// Entries that no text becomes.
        lost: usize,
        /// Entries in all.
        entries: usize,
        /// Merges that there are.
        merges: usize,
    },

    /// The tokenizer is built from a part that is not byte-level BPE, or that would change the text.
    #[error("{}: {component} is not supported; kshot reads byte-level BPE tokenizers (GPT-2's kind)", file.display())]
    Unsupported {
        /// The file that declares the component.
        file: PathBuf,
        /// The component's kind and name as in the file.
        component: String,
    },

    /// The tokens do not spell the text, so the model would read something else than was typed.
    #[error(
        "the tokenizer cannot represent the text from byte {offset} on ({near:?}): \
         its vocabulary has no token for it, or a special token there swallows the white space beside it"
    )]
    NotCovered {
        /// First byte of the text that the tokens do not reproduce.
        offset: usize,
        /// The text there.
        near: String,
    },

    /// A run of white space beyond what the library cuts exactly.
    #[error(
        "the white space from byte {offset} on is longer than the {limit} characters that are cut into tokens exactly"
    )]
    TooMuchSpace {
        /// Its first byte.
        offset: usize,
        /// The most there may be.
        limit: usize,
    },

    /// It was cancelled.
    #[error("stopped")]
    Cancelled,

    /// The tokenizers library failed on a text.
    #[error("tokenizing failed: {0}")]
    Encode(String),
}
