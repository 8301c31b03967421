//! Checkpoints as other programs write them, and as broken disks and hostile people make them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its figures are of interest"
)]

#[path = "support/bytes_model.rs"]
mod bytes_model;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use kshot::files::Files;
use kshot::model::{Checkpoint, Decoder, Dtype, ModelError, Pass, Span};
use kshot::text::{TextError, Tokenizer};
use safetensors::tensor::TensorView;
use safetensors::{Dtype as Stored, SafeTensors};
use serde_json::{Value, json};

/// Name, dtype, shape and bytes of each tensor of a folder.
type Tensors = BTreeMap<String, (Stored, Vec<usize>, Vec<u8>)>;

fn tensors_of(folder: &Path) -> Tensors {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let bytes = std::fs::read(path).unwrap();
            for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
                all.insert(name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
            }
        }
    }
    all
}

fn write(path: &Path, tensors: &Tensors) {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The checkpoint in one file, changed.
fn changed(change: impl Fn(&mut Tensors)) -> tempfile::TempDir {
    let folder = bytes_model::folder();
    let mut tensors = tensors_of(folder.path());
    for shard in 1..=3 {
        std::fs::remove_file(folder.path().join(format!("model-{shard:05}-of-00003.safetensors"))).unwrap();
    }
    std::fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    change(&mut tensors);
    write(&folder.path().join("model.safetensors"), &tensors);
    folder
}

fn logits(folder: &Path) -> Result<Vec<f32>, ModelError> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    let checkpoint = Checkpoint::open(folder)?;
    Decoder::check(&checkpoint)?;
    let decoder = Decoder::load(&checkpoint, Dtype::F32, &mut |_, _| true)?;
    let mut cache = decoder.new_cache()?;
    let hidden = decoder.forward(&mut [Span { tokens: &[72, 105, 33], cache: &mut cache }], Pass::fused(&NEVER))?;
    Ok(decoder.logits(&hidden)?.flatten_all()?.to_vec1()?)
}

/// safetensors' `save_model` keeps one of two names of shared memory (transformers #38870).
#[test]
fn a_tied_table_is_found_under_either_name() {
    const WTE: &str = "transformer.wte.weight";
    let expected = logits(bytes_model::folder().path()).unwrap();
    let only_table = changed(|tensors| drop(tensors.remove("lm_head.weight")));
    let only_head = changed(|tensors| drop(tensors.remove(WTE)));
    let bare = changed(|tensors| {
        tensors.remove(WTE);
        let names: Vec<String> = tensors.keys().filter(|name| name.starts_with("transformer.")).cloned().collect();
        for name in names {
            let tensor = tensors.remove(&name).unwrap();
            tensors.insert(name["transformer.".len()..].to_owned(), tensor);
        }
    });
    for folder in [&only_table, &only_head, &bare] {
        assert_eq!(logits(folder.path()).unwrap(), expected);
    }
    // Without tying, a head says nothing about the table.
    let config = only_head.path().join("config.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    json["tie_word_embeddings"] = json!(false);
    std::fs::write(&config, json.to_string()).unwrap();
    assert!(
        matches!(logits(only_head.path()), Err(ModelError::MissingTensor { name, .. }) if name.ends_with("wte.weight"))
    );
}

#[test]
fn the_index_says_which_of_two_shards_counts() {
    const NAME: &str = "transformer.h.0.attn.c_attn.bias";
    let folder = bytes_model::folder();
    let expected = logits(folder.path()).unwrap();
    let index_path = folder.path().join("model.safetensors.index.json");
    let mut index: Value = serde_json::from_slice(&std::fs::read(&index_path).unwrap()).unwrap();
    let home = index["weight_map"][NAME].as_str().unwrap().to_owned();
    // Another shard carries the tensor too, with other values; and one that the index does not name.
    for shard in 1..=3 {
        let name = format!("model-{shard:05}-of-00003.safetensors");
        let path = folder.path().join(&name);
        let bytes = std::fs::read(&path).unwrap();
        let mut tensors: Tensors = SafeTensors::deserialize(&bytes)
            .unwrap()
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
            .collect();
        if name != home {
            tensors.insert(NAME.to_owned(), (Stored::F32, vec![144], vec![0; 144 * 4]));
        }
        write(&path, &tensors);
    }
    assert_eq!(logits(folder.path()).unwrap(), expected);

    let weight_map = index["weight_map"].as_object_mut().unwrap();
    weight_map.remove(NAME);
    std::fs::write(&index_path, index.to_string()).unwrap();
    let error = logits(folder.path()).unwrap_err().to_string();
    assert!(error.contains("does not say which counts") && error.contains("index.json"), "{error}");

    index["weight_map"][NAME] = json!(home);
    index["weight_map"]["transformer.h.0.ln_1.bias"] = json!("model-00003-of-00003.safetensors");
    std::fs::write(&index_path, index.to_string()).unwrap();
    let said = logits(folder.path()).map(|_| ()).map_err(|error| error.to_string());
    if let Err(error) = said {
        assert!(error.contains("which does not have it"), "{error}");
    }
}

/// transformers converts every dtype that torch can; one whose values need scales is refused.
#[test]
fn weights_of_other_dtypes_are_converted() {
    let expected = logits(bytes_model::folder().path()).unwrap();
    let doubles = changed(|tensors| {
        for (dtype, _, bytes) in tensors.values_mut().filter(|(dtype, ..)| *dtype == Stored::BF16) {
            let values = bytes.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f64());
            (*dtype, *bytes) = (Stored::F64, values.flat_map(f64::to_le_bytes).collect());
        }
    });
    assert_eq!(logits(doubles.path()).unwrap(), expected);
    let whole = changed(|tensors| {
        let (dtype, shape, bytes) = tensors.get_mut("transformer.h.1.ln_1.bias").unwrap();
        (*dtype, *bytes) = (Stored::I8, (0..shape[0]).map(|at| at as u8).collect());
    });
    assert!(logits(whole.path()).unwrap().iter().all(|logit| logit.is_finite()));
    let scaled = changed(|tensors| {
        let (dtype, shape, bytes) = tensors.get_mut("transformer.h.1.ln_1.bias").unwrap();
        (*dtype, *bytes) = (Stored::F8_E8M0, vec![0; shape[0]]);
    });
    assert!(matches!(logits(scaled.path()), Err(ModelError::Dtype { .. })));
}

/// llama.cpp #3732: merges that are gone, or cut at a line's end, gave single bytes without a word.
#[test]
fn merges_that_do_not_lead_to_the_vocabulary_are_refused() {
    let texts = || (0..400).map(|n| format!("the river {n} runs to the sea, the mountain {n} stands"));
    let json = kshot::text::Vocabulary::Bpe { size: 600 }.learn(texts()).unwrap();
    let merges: Vec<(String, String)> = serde_json::from_value(json["model"]["merges"].clone()).unwrap();
    let count = merges.len();
    assert!(count > 100);
    let opened = |kept: usize, as_json: bool| {
        let folder = tempfile::tempdir().unwrap();
        if as_json {
            let mut json = json.clone();
            json["model"]["merges"] = json!(merges[..kept]);
            std::fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
        } else {
            let lines: String = merges[..kept].iter().map(|(left, right)| format!("{left} {right}\n")).collect();
            std::fs::write(folder.path().join("vocab.json"), json["model"]["vocab"].to_string()).unwrap();
            std::fs::write(folder.path().join("merges.txt"), lines).unwrap();
        }
        Tokenizer::from_folder(folder.path())
    };
    for as_json in [true, false] {
        for kept in [0, 1, count / 2, count * 2 / 3] {
            match opened(kept, as_json) {
                Err(TextError::Unreachable { merges, lost, .. }) => assert!(merges == kept && lost >= count - kept),
                other => panic!("{kept} of {count} merges: {other:?}"),
            }
        }
        for kept in [count, count * 9 / 10] {
            opened(kept, as_json).unwrap();
        }
    }
}

/// A pipe would hang whoever opens it, a sparse file of 4 GiB fill the memory.
#[cfg(unix)]
#[test]
fn only_regular_files_within_their_limits_are_read() {
    let names = [
        "config.json",
        "generation_config.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "tokenizer.json",
        "model.safetensors",
        "model.safetensors.index.json",
    ];
    for name in names {
        for kind in ["pipe", "folder", "sparse"] {
            let folder = changed(|_| ());
            let path = folder.path().join(name);
            let _ = std::fs::remove_file(&path);
            if name.ends_with("index.json") {
                std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
            }
            match kind {
                "pipe" => {
                    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
                    // SAFETY: a path that ends in 0.
                    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
                }
                "folder" => std::fs::create_dir(&path).unwrap(),
                _ => std::fs::File::create(&path).unwrap().set_len(4 << 30).unwrap(),
            }
            let begun = std::time::Instant::now();
            let files = Files::from(folder.path());
            let model = Checkpoint::open(&files).map(|_| ()).map_err(|error| error.to_string());
            let text = Tokenizer::open(&files).map(|_| ()).map_err(|error| error.to_string());
            let said = model.err().or(text.err()).unwrap_or_else(|| panic!("{name} as a {kind} was read"));
            assert!(said.contains(name), "{name} as a {kind}: {said}");
            assert!(begun.elapsed().as_secs() < 2, "{name} as a {kind} took {:?}", begun.elapsed());
        }
    }
}
