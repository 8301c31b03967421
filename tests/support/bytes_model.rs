//! A checkpoint whose tokens are the 256 bytes and `<|endoftext|>`: the golden gpt2-cerebras with a vocabulary.

use std::path::Path;

/// Copies the golden checkpoint and writes vocab.json and merges.txt beside it: token `b` is byte `b`, 256 ends a text.
pub(crate) fn folder() -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gpt2-cerebras");
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let mut vocab: serde_json::Map<String, serde_json::Value> =
        (0..=255u8).map(|byte| (byte_level_char(byte).to_string(), byte.into())).collect();
    vocab.insert("<|endoftext|>".into(), 256.into());
    std::fs::write(copy.path().join("vocab.json"), serde_json::Value::Object(vocab).to_string()).unwrap();
    std::fs::write(copy.path().join("merges.txt"), "#version: 0.2\n").unwrap();
    copy
}

/// GPT-2's printable stand-in for a byte (openai/gpt-2, src/encoder.py, `bytes_to_unicode`).
fn byte_level_char(byte: u8) -> char {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        char::from(byte)
    } else {
        let before = (0..byte).filter(|b| !printable(*b)).count() as u32;
        char::from_u32(256 + before).unwrap()
    }
}
