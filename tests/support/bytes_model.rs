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

/// The same with room for `positions` tokens (its position embeddings, repeated), as one f32 file. Neither a newline nor the
/// end of the text is ever likely: their logits are 0, in the middle of all others.
#[allow(dead_code, reason = "shared by several test programs")]
pub(crate) fn long_folder(positions: usize) -> tempfile::TempDir {
    let copy = folder();
    let path = |name: &str| copy.path().join(name);
    let mut tensors = std::collections::HashMap::new();
    for shard in 1..=3 {
        let shard = path(&format!("model-{shard:05}-of-00003.safetensors"));
        let bytes = std::fs::read(&shard).unwrap();
        let file = candle_core::safetensors::SliceSafetensors::new(&bytes).unwrap();
        // Old mask buffers are in the file as they are in real ones; candle cannot read all their types.
        for (name, _) in file.tensors().into_iter().filter(|(name, _)| !name.contains(".attn.") || name.contains(".c_"))
        {
            let tensor = file.load(&name, &candle_core::Device::Cpu).unwrap();
            tensors.insert(name, tensor.to_dtype(candle_core::DType::F32).unwrap());
        }
        std::fs::remove_file(shard).unwrap();
    }
    std::fs::remove_file(path("model.safetensors.index.json")).unwrap();
    let embeddings = tensors.get_mut("transformer.wpe.weight").unwrap();
    let rows: Vec<u32> = (0..positions).map(|row| (row % embeddings.dims()[0]) as u32).collect();
    let rows = candle_core::Tensor::new(rows, &candle_core::Device::Cpu).unwrap();
    *embeddings = embeddings.index_select(&rows, 0).unwrap();
    let head = tensors.get_mut("lm_head.weight").unwrap();
    let keep: Vec<f32> = (0..head.dims()[0]).map(|id| if id == 10 || id == 256 { 0.0 } else { 1.0 }).collect();
    let keep = candle_core::Tensor::new(keep, &candle_core::Device::Cpu).unwrap().unsqueeze(1).unwrap();
    *head = head.broadcast_mul(&keep).unwrap();
    candle_core::safetensors::save(&tensors, path("model.safetensors")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(path("config.json")).unwrap()).unwrap();
    config["n_positions"] = positions.into();
    std::fs::write(path("config.json"), config.to_string()).unwrap();
    copy
}
