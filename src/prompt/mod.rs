//! Few-shot tasks: files, templates, the library and k-shot assembly.
