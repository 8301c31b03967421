//! `kshot prompts`: the few-shot library.
