//! P8: hostile model files. Mutations of small checkpoints, from a seed: each ends in an error or loads, within 2 s of
//! processor time and with no more memory than the files' sizes and 64 MB.
//!
//! `KSHOT_FUZZ_CASES` (100,000) and `KSHOT_FUZZ_SEED` (1) for more or others; a case that fails says its number, and
//! `KSHOT_FUZZ_CASE` runs it alone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its figures are of interest"
)]

#[path = "support/fuzz.rs"]
mod fuzz;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use fuzz::{mutate, number, watch};

use kshot::engine::{CancelToken, Device, LoadRequest, LocalModel};
use kshot::files::Files;
use kshot::model::{Checkpoint, Decoder, Dtype, DtypeChoice};
use kshot::text::{SpecialTokens, Tokenizer};
use rand_chacha::ChaCha8Rng;
use rand08::{Rng, SeedableRng};
use serde_json::{Value, json};

const MEMORY: usize = 64 << 20;

type Folder = BTreeMap<&'static str, Vec<u8>>;

/// A GPT-2 of one block over 256 bytes, a merge and `<|endoftext|>`.
fn config() -> Value {
    json!({
        "model_type": "gpt2", "vocab_size": 258, "n_positions": 8, "n_embd": 4, "n_head": 2, "n_layer": 1, "n_inner": 8,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true,
        "scale_attn_weights": true, "eos_token_id": [257], "bos_token_id": 257, "architectures": ["GPT2LMHeadModel"],
        "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}}
    })
}

fn weights() -> Vec<u8> {
    let (v, p, c, f) = (258, 8, 4, 8);
    let block: [(&str, Vec<usize>); 12] = [
        ("ln_1.weight", vec![c]),
        ("ln_1.bias", vec![c]),
        ("attn.c_attn.weight", vec![c, 3 * c]),
        ("attn.c_attn.bias", vec![3 * c]),
        ("attn.c_proj.weight", vec![c, c]),
        ("attn.c_proj.bias", vec![c]),
        ("ln_2.weight", vec![c]),
        ("ln_2.bias", vec![c]),
        ("mlp.c_fc.weight", vec![c, f]),
        ("mlp.c_fc.bias", vec![f]),
        ("mlp.c_proj.weight", vec![f, c]),
        ("mlp.c_proj.bias", vec![c]),
    ];
    let outside =
        [("wte.weight", vec![v, c]), ("wpe.weight", vec![p, c]), ("ln_f.weight", vec![c]), ("ln_f.bias", vec![c])];
    let named = block.map(|(name, shape)| (format!("transformer.h.0.{name}"), shape)).into_iter();
    let tensors = named.chain(outside.map(|(name, shape)| (format!("transformer.{name}"), shape)));
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .map(|(name, shape)| {
            let count = shape.iter().product::<usize>();
            let bytes = (0..count).flat_map(|at| half::bf16::from_f32((at % 7) as f32 / 7.0).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::BF16, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// The checkpoint in both layouts: tokenizer.json and one file; vocab.json, merges.txt and an index.
fn seeds() -> [Folder; 2] {
    let mut vocab: serde_json::Map<String, Value> =
        (0..=255u8).map(|byte| (kshot::text::byte_symbol(byte).to_string(), json!(byte))).collect();
    vocab.insert("ab".to_owned(), json!(256));
    let end = json!({"id": 257, "content": "<|endoftext|>", "special": true, "lstrip": false, "normalized": false});
    let split = json!({"type": "Split", "pattern": {"Regex": "\\p{L}+| ?\\p{N}{1,3}|\\s+(?!\\S)|\\s+"},
        "behavior": "Isolated", "invert": false});
    let pre = json!({"type": "Sequence", "pretokenizers": [split,
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]});
    let tokenizer = json!({"version": "1.0", "added_tokens": [end], "normalizer": null, "pre_tokenizer": pre,
        "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": vocab.clone(), "merges": ["a b"]}});
    let config = config().to_string().into_bytes();
    let tokenizer_config = json!({"eos_token": {"content": "<|endoftext|>"}, "bos_token": "<|endoftext|>",
        "added_tokens_decoder": {"257": {"content": "<|endoftext|>", "special": true}}, "add_prefix_space": false});
    let single = Folder::from([
        ("config.json", config.clone()),
        ("generation_config.json", json!({"eos_token_id": [257, 10], "bos_token_id": 257}).to_string().into_bytes()),
        ("model.safetensors", weights()),
        ("tokenizer.json", tokenizer.to_string().into_bytes()),
        ("tokenizer_config.json", tokenizer_config.to_string().into_bytes()),
    ]);
    vocab.insert("<|endoftext|>".to_owned(), json!(257));
    let names = safetensors::SafeTensors::deserialize(&single["model.safetensors"]).unwrap();
    let weight_map: serde_json::Map<String, Value> =
        names.names().into_iter().map(|name| (name.to_owned(), json!("model-00001-of-00001.safetensors"))).collect();
    let pair = Folder::from([
        ("added_tokens.json", json!({"<|endoftext|>": 257}).to_string().into_bytes()),
        ("config.json", config),
        ("merges.txt", b"#version: 0.2\na b\n".to_vec()),
        ("model-00001-of-00001.safetensors", weights()),
        ("model.safetensors.index.json", json!({"metadata": {}, "weight_map": weight_map}).to_string().into_bytes()),
        ("special_tokens_map.json", json!({"eos_token": "<|endoftext|>"}).to_string().into_bytes()),
        ("vocab.json", Value::Object(vocab).to_string().into_bytes()),
    ]);
    [single, pair]
}

/// The file of a case, mutated; of a safetensors file mostly the header, with its length set right in two of three.
fn mutant(seed: &[u8], name: &str, other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let rounds = rng.gen_range(1..=4);
    if name.ends_with(".safetensors") && rng.gen_range(0..8) > 0 {
        let size = u64::from_le_bytes(seed[..8].try_into().unwrap()) as usize;
        let mut header = seed[8..8 + size].to_vec();
        (0..rounds).for_each(|_| mutate(&mut header, other, rng));
        let told = match rng.gen_range(0..3) {
            0 => rng.r#gen::<u64>() >> rng.gen_range(0..64),
            _ => header.len() as u64,
        };
        let mut file = told.to_le_bytes().to_vec();
        file.extend(header);
        file.extend_from_slice(&seed[8 + size..]);
        return file;
    }
    let mut bytes = seed.to_vec();
    (0..rounds).for_each(|_| mutate(&mut bytes, other, rng));
    bytes
}

/// Loads what depends on a file; whether all of it was good.
fn load(folder: &Path, name: &str, whole: bool) -> bool {
    let files = Files::from(folder);
    if whole {
        let dtype = DtypeChoice::Is(Dtype::Q8_0);
        let request = LoadRequest { name: "case".into(), files, dtype, device: Device::Cpu };
        return LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {}).is_ok();
    }
    let model = !name.ends_with("safetensors") && !name.starts_with("model") && name != "config.json"
        || Checkpoint::open(&files)
            .and_then(|checkpoint| {
                Decoder::check(&checkpoint)?;
                Decoder::load(&checkpoint, Dtype::F32, &mut |_, _| true)
            })
            .map_err(|error| error.to_string())
            .is_ok();
    let text = name.contains("safetensors")
        || Tokenizer::open(&files)
            .map_err(|error| error.to_string())
            .map(|tokenizer| tokenizer.encode("ab c<|endoftext|> 12\n", SpecialTokens::Parse).is_ok())
            .is_ok();
    model && text
}

#[test]
fn mutated_model_files_end_in_an_error_or_load_in_time_and_memory() {
    let (cases, seed) = (number("KSHOT_FUZZ_CASES", 100_000), number("KSHOT_FUZZ_SEED", 1));
    let only = std::env::var("KSHOT_FUZZ_CASE").ok().map(|case| case.parse::<u64>().unwrap());
    let folders = seeds().map(|files| {
        // In memory where that can be had: on a disk the writes take 20 times as long as the loads.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
        (folder, files)
    });
    for (folder, files) in &folders {
        assert!(files.keys().all(|name| load(folder.path(), name, false)) && load(folder.path(), "", true));
    }
    std::panic::set_hook(Box::new(|_| ()));
    let (mut slowest, mut largest, mut loaded) = (Duration::ZERO, 0, 0u64);
    let begun = Instant::now();
    for case in only.map_or(0..cases, |case| case..case + 1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed << 40 | case);
        let (folder, files) = &folders[rng.gen_range(0..2)];
        let names: Vec<_> = files.keys().collect();
        let name = *names[rng.gen_range(0..names.len())];
        let other = &files[*names[rng.gen_range(0..names.len())]];
        let bytes = mutant(&files[name], name, other, &mut rng);
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let size = files.values().map(Vec::len).sum::<usize>() + bytes.len();
        let whole = rng.gen_range(0..16) == 0;
        let wrong = match watch(size + MEMORY, || load(folder.path(), name, whole)) {
            Ok(cost) => {
                slowest = slowest.max(cost.time);
                largest = largest.max(cost.memory.saturating_sub(size));
                loaded += u64::from(cost.good);
                None
            }
            Err(wrong) => Some(wrong),
        };
        if let Some(wrong) = wrong {
            drop(std::panic::take_hook());
            let kept = std::env::temp_dir().join(format!("kshot-hostile-{case}-{name}"));
            std::fs::write(&kept, &bytes).unwrap();
            panic!("case {case} of seed {seed}, {name}: {wrong}; kept as {}", kept.display());
        }
        std::fs::write(&path, &files[name]).unwrap();
    }
    drop(std::panic::take_hook());
    println!(
        "{cases} cases of seed {seed} in {:.1?}: {loaded} loaded, slowest {slowest:.1?}, {largest} bytes more than the files",
        begun.elapsed()
    );
}

/// A pattern of a megabyte is compiled within the limits or refused.
#[test]
fn an_expression_of_a_megabyte_is_bounded() {
    let [files, _] = seeds();
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
    let nested = 1 << 19;
    for (name, pattern) in [
        ("choices", "ab|".repeat(350_000) + "a"),
        ("look-arounds", "a(?=b)".repeat(175_000)),
        ("groups", "(".repeat(nested) + &")".repeat(nested)),
        ("repeats", "(?:".repeat(100_000) + "a" + &"{9}){9}".repeat(100_000)),
        ("classes", "\\p{L}{1000}".repeat(80_000)),
    ] {
        let mut tokenizer: Value = serde_json::from_slice(&files["tokenizer.json"]).unwrap();
        *tokenizer.pointer_mut("/pre_tokenizer/pretokenizers/0/pattern/Regex").unwrap() = pattern.into();
        let text = tokenizer.to_string();
        std::fs::write(folder.path().join("tokenizer.json"), &text).unwrap();
        let cost = watch(MEMORY + text.len(), || load(folder.path(), "tokenizer.json", false));
        println!("{name}: {cost:?}");
        assert!(cost.is_ok(), "{name}: {cost:?}");
    }
}

/// A header of 200,000 tensors without a value.
#[test]
fn empty_tensors_are_bounded() {
    let [files, _] = seeds();
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
    let seed = &files["model.safetensors"];
    let size = u64::from_le_bytes(seed[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Map<String, Value> = serde_json::from_slice(&seed[8..8 + size]).unwrap();
    for number in 0..200_000 {
        header.insert(format!("e{number}"), json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}));
    }
    let header = Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&seed[8 + size..]);
    std::fs::write(folder.path().join("model.safetensors"), &bytes).unwrap();
    for whole in [false, true] {
        let cost = watch(MEMORY + 16 * bytes.len(), || load(folder.path(), "model.safetensors", whole));
        println!("{} bytes, whole: {whole}: {cost:?}", bytes.len());
        assert!(cost.is_ok(), "{cost:?}");
    }
}
