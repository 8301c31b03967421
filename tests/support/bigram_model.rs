//! A checkpoint that answers by rote: each byte is followed by the one that a list says. Its blocks add nothing, its
//! embeddings tell the last byte, its head names the next one.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

/// Width of the residual stream: a dimension for each token, and three that are never set.
const WIDTH: usize = 260;
const TOKENS: usize = 257;

/// Writes the checkpoint beside the vocabulary of `vocabulary`: after byte `a` comes `b` for each pair, anything after all
/// others.
pub(crate) fn folder(vocabulary: &Path, pairs: &[(u8, u8)], positions: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(vocabulary.join(name), folder.path().join(name)).unwrap();
    }
    let config = serde_json::json!({
        "model_type": "gpt2", "vocab_size": TOKENS, "n_positions": positions, "n_embd": WIDTH, "n_layer": 1, "n_head": 4,
        "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "bos_token_id": 256, "eos_token_id": 256,
        "tie_word_embeddings": false,
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();

    let one_hot = |at: &[(usize, usize)]| {
        let mut values = vec![0f32; TOKENS * WIDTH];
        at.iter().for_each(|(row, column)| values[row * WIDTH + column] = 1.0);
        Tensor::from_vec(values, (TOKENS, WIDTH), &Device::Cpu).unwrap()
    };
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let ones = || Tensor::ones(WIDTH, DType::F32, &Device::Cpu).unwrap();
    let own: Vec<_> = (0..TOKENS).map(|id| (id, id)).collect();
    let next: Vec<_> = pairs.iter().map(|&(a, b)| (usize::from(b), usize::from(a))).collect();
    let mut tensors = HashMap::from([
        ("transformer.wte.weight".to_owned(), one_hot(&own)),
        ("transformer.wpe.weight".to_owned(), zeros(&[positions, WIDTH])),
        ("lm_head.weight".to_owned(), one_hot(&next)),
    ]);
    for norm in ["ln_f", "h.0.ln_1", "h.0.ln_2"] {
        tensors.insert(format!("transformer.{norm}.weight"), ones());
        tensors.insert(format!("transformer.{norm}.bias"), zeros(&[WIDTH]));
    }
    let linear = [
        ("attn.c_attn", WIDTH, 3 * WIDTH),
        ("attn.c_proj", WIDTH, WIDTH),
        ("mlp.c_fc", WIDTH, 4 * WIDTH),
        ("mlp.c_proj", 4 * WIDTH, WIDTH),
    ];
    for (name, inputs, outputs) in linear {
        tensors.insert(format!("transformer.h.0.{name}.weight"), zeros(&[inputs, outputs]));
        tensors.insert(format!("transformer.h.0.{name}.bias"), zeros(&[outputs]));
    }
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    folder
}
