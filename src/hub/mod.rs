//! The Hugging Face hub: catalog, look-ups, verified and resumable downloads, and the cache shared with Python.
