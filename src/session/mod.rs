//! The document: one buffer for typed and generated text, with its tokens.
