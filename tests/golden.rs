//! The decoder against transformers on small checkpoints (tests/goldens/make.py says how they were made).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its figures are of interest"
)]

#[path = "support/golden.rs"]
mod golden;

use std::sync::atomic::AtomicBool;

use candle_core::{D, DType, Tensor};
use golden::{Golden, gap, ids, tensor};
use kshot::model::{Activation, Decoder, KvCache, ModelError, Pass, Path, Recorder, Span};
use serde_json::Value;

static NEVER: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone, Copy)]
enum Way {
    Stock,
    Fused,
}

impl Way {
    fn pass(self) -> Pass<'static> {
        match self {
            Self::Stock => Pass::stock(),
            Self::Fused => Pass::fused(&NEVER),
        }
    }
}

/// Log-probabilities `[T, V]` of all positions, the tokens run in chunks of `chunk`.
fn logprobs(decoder: &Decoder, tokens: &[u32], chunk: usize, way: Way) -> Tensor {
    let mut cache = decoder.new_cache().unwrap();
    let rows: Vec<_> = tokens
        .chunks(chunk)
        .map(|tokens| {
            let hidden = decoder.forward(&mut [Span { tokens, cache: &mut cache }], way.pass()).unwrap();
            decoder.logits(&hidden).unwrap()
        })
        .collect();
    candle_nn::ops::log_softmax(&Tensor::cat(&rows, 0).unwrap(), D::Minus1).unwrap()
}

fn rows(all: &Tensor, positions: &Value) -> Tensor {
    let positions = ids(positions);
    let count = positions.len();
    all.index_select(&Tensor::from_vec(positions, count, all.device()).unwrap(), 0).unwrap()
}

/// Largest difference over the cases of a golden file.
fn worst(golden: &Golden, decoder: &Decoder, chunk: usize, way: Way) -> f32 {
    let of_case = |case: &Value| {
        let all = logprobs(decoder, &ids(&case["ids"]), chunk, way);
        gap(&rows(&all, &case["positions"]), &tensor(&case["logprobs"]))
    };
    golden.list("cases").iter().map(of_case).fold(0.0, f32::max)
}

#[test]
fn log_probabilities_are_those_of_transformers() {
    let all = golden::all();
    assert!(all.len() >= 4, "only {} golden checkpoints", all.len());
    for golden in all {
        let decoder = golden.decoder();
        for way in [Way::Stock, Way::Fused] {
            for (chunk, tolerance) in [(usize::MAX, 1e-4), (1, 2e-4), (7, 2e-4), (64, 2e-4)] {
                let gap = worst(&golden, &decoder, chunk, way);
                println!("{} {way:?} chunks of {chunk}: {gap:.1e}", golden.name());
                assert!(gap <= tolerance, "{} {way:?} in chunks of {chunk}: {gap}", golden.name());
            }
        }
    }
}

/// What other devices run: tensors of any dtype, on the stock path and where the fused one falls back on it.
#[test]
fn tensors_of_other_dtypes_compute_the_same() {
    for golden in golden::all() {
        for (dtype, tolerance) in [(DType::F64, 1e-4), (DType::F32, 1e-4), (DType::F16, 0.02), (DType::BF16, 0.2)] {
            let decoder = golden::load(&golden.folder, dtype);
            for way in [Way::Stock, Way::Fused] {
                for chunk in [usize::MAX, 7] {
                    let gap = worst(&golden, &decoder, chunk, way);
                    println!("{} {dtype:?} {way:?} chunks of {chunk}: {gap:.1e}", golden.name());
                    assert!(gap <= tolerance, "{} {dtype:?} {way:?} in chunks of {chunk}: {gap}", golden.name());
                }
            }
        }
    }
}

/// A token changes nothing before it, whatever attention takes.
#[test]
fn no_position_sees_a_later_one() {
    for golden in golden::all() {
        let vocab = golden.decoder().config().vocab as u32;
        let first: Vec<u32> = (0..8).map(|at| (at * 31 + 5) % vocab).collect();
        let mut second = first.clone();
        second[7] = (second[7] + 1) % vocab;
        let tensors =
            [DType::F32, DType::F64, DType::BF16, DType::F16].map(|dtype| golden::load(&golden.folder, dtype));
        for (at, decoder) in [golden.decoder()].iter().chain(&tensors).enumerate() {
            for way in [Way::Stock, Way::Fused] {
                let [one, other] = [&first, &second].map(|ids| logprobs(decoder, ids, usize::MAX, way));
                let before = gap(&one.narrow(0, 0, 7).unwrap(), &other.narrow(0, 0, 7).unwrap());
                let last = gap(&one.narrow(0, 7, 1).unwrap(), &other.narrow(0, 7, 1).unwrap());
                assert!(before == 0.0 && last > 0.0, "{} {at} {way:?}: {before} before, {last} at it", golden.name());
            }
        }
    }
}

#[test]
fn full_chunked_and_stepwise_passes_agree() {
    for golden in golden::all() {
        let decoder = golden.decoder();
        for case in golden.list("cases") {
            let tokens = ids(&case["ids"]);
            for way in [Way::Stock, Way::Fused] {
                let full = logprobs(&decoder, &tokens, usize::MAX, way);
                for chunk in [1, 7, 64] {
                    let gap = gap(&full, &logprobs(&decoder, &tokens, chunk, way));
                    assert!(gap <= 2e-4, "{} {way:?} {} tokens by {chunk}: {gap}", golden.name(), tokens.len());
                }
            }
        }
    }
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for golden in golden::all() {
        let decoder = golden.decoder();
        for run in golden.list("greedy") {
            let prompt = ids(&run["prompt"]);
            let mut tokens = prompt.clone();
            let mut cache = decoder.new_cache().unwrap();
            for &expected in &ids(&run["ids"]) {
                let fresh = tokens[cache.len()..].to_vec();
                let hidden =
                    decoder.forward(&mut [Span { tokens: &fresh, cache: &mut cache }], Pass::fused(&NEVER)).unwrap();
                let last = hidden.narrow(0, fresh.len() - 1, 1).unwrap();
                let best = decoder.logits(&last).unwrap().argmax(D::Minus1).unwrap().to_vec1::<u32>().unwrap()[0];
                assert_eq!(best, expected, "{} after {tokens:?}", golden.name());
                tokens.push(best);
            }
            // The reference says which runs went on to the end of the learned positions; one more token does not fit.
            if run["to_context_end"].as_bool().unwrap() {
                let context = decoder.config().n_positions;
                assert_eq!(cache.len(), context);
                let more =
                    decoder.forward(&mut [Span { tokens: &tokens[context..], cache: &mut cache }], Pass::stock());
                assert!(
                    matches!(more, Err(ModelError::Context { tokens, context: c }) if tokens == c + 1 && c == context)
                );
            }
        }
    }
}

#[test]
fn trace_points_hold_what_transformers_computes() {
    for golden in golden::all() {
        let decoder = golden.decoder();
        let mut recorder = Recorder::default();
        let mut cache = decoder.new_cache().unwrap();
        let tokens = ids(&golden.json["trace"]["ids"]);
        decoder.forward(&mut [Span { tokens: &tokens, cache: &mut cache }], Pass::traced(&mut recorder)).unwrap();
        let expected = golden.json["trace"]["tensors"].as_object().unwrap();
        let mut compared = 0;
        for (point, value) in &recorder.tensors {
            if let Some(reference) = expected.get(&point.to_string()) {
                let gap = gap(value, &tensor(reference));
                assert!(gap <= 1e-4, "{} at {point}: {gap}", golden.name());
                compared += 1;
            }
        }
        assert_eq!(compared, expected.len(), "{}: points that are not recorded", golden.name());
    }
}

/// A loader that ignored a switch, or read it with another value, would miss at least one golden by what this finds.
#[test]
fn flipping_or_dropping_any_switch_breaks_a_golden() {
    const SEEN: f32 = 5e-4;
    let mut broken = std::collections::BTreeMap::<(String, String), f32>::new();
    for golden in golden::all() {
        for switch in golden.list("switches") {
            let (key, value, instead) = (switch["key"].as_str().unwrap(), &switch["value"], &switch["instead"]);
            let twin = |name: &Value| name.as_str().and_then(Activation::from_name);
            let same = twin(value).is_some() && twin(value) == twin(instead);
            // These two are seen below and in `upcast_...`: in f32 they change nothing by themselves.
            if same || key == "reorder_and_upcast_attn" || key == "tie_word_embeddings" {
                continue;
            }
            let gap = worst(&golden, &golden.decoder_with(key, Some(instead), DType::F32), usize::MAX, Way::Stock);
            let most = broken.entry((key.into(), instead.to_string())).or_default();
            *most = most.max(gap);
        }
        for key in
            ["scale_attn_by_inverse_layer_idx", "scale_attn_weights", "activation_function", "layer_norm_epsilon"]
        {
            let gap = worst(&golden, &golden.decoder_with(key, None, DType::F32), usize::MAX, Way::Stock);
            let most = broken.entry((key.into(), "dropped".into())).or_default();
            *most = most.max(gap);
        }
    }
    for ((key, instead), gap) in &broken {
        println!("{key} -> {instead}: {gap:.1e}");
        assert!(*gap > SEEN, "{key} -> {instead} changes no golden by more than {gap}");
    }
    assert!(broken.len() >= 10);
}

/// In f32 the switch is a matter of rounding. In f16 it decides whether scores and softmax keep f32's digits: a loader
/// that ignored it would compute the same with and without.
#[test]
fn upcast_attention_is_seen_in_half_precision() {
    let key = "reorder_and_upcast_attn";
    for golden in golden::all() {
        let worst_with = |on: bool| {
            worst(&golden, &golden.decoder_with(key, Some(&Value::Bool(on)), DType::F16), usize::MAX, Way::Stock)
        };
        let (on, off) = (worst_with(true), worst_with(false));
        println!("{}: {on:.1e} with the switch, {off:.1e} without", golden.name());
        assert!(on != off && on < 0.05 && off < 0.05, "{}: {on} with the switch, {off} without", golden.name());
    }
}

#[test]
fn several_sequences_in_one_pass_equal_each_alone() {
    for golden in golden::all() {
        let decoder = golden.decoder();
        let cases: Vec<Vec<u32>> = golden.list("cases").iter().map(|case| ids(&case["ids"])).collect();
        let mut caches: Vec<KvCache> = cases.iter().map(|_| decoder.new_cache().unwrap()).collect();
        let mut spans: Vec<Span<'_>> =
            cases.iter().zip(&mut caches).map(|(tokens, cache)| Span { tokens, cache }).collect();
        let hidden = decoder.forward(&mut spans, Pass::fused(&NEVER)).unwrap();
        let mut row = 0;
        for tokens in &cases {
            let mut cache = decoder.new_cache().unwrap();
            let alone = decoder.forward(&mut [Span { tokens, cache: &mut cache }], Pass::stock()).unwrap();
            let gap = gap(&hidden.narrow(0, row, tokens.len()).unwrap(), &alone);
            assert!(gap <= 1e-4, "{} with {} tokens: {gap}", golden.name(), tokens.len());
            row += tokens.len();
        }
    }
}

#[test]
fn the_cache_truncates_forks_and_survives_a_cancelled_pass() {
    let golden = &golden::all()[0];
    let decoder = golden.decoder();
    let tokens = ids(&golden.list("cases").last().unwrap()["ids"]);
    let full = logprobs(&decoder, &tokens, usize::MAX, Way::Stock);
    let (first, rest) = tokens.split_at(tokens.len() / 2);

    let mut cache = decoder.new_cache().unwrap();
    let stopped = AtomicBool::new(true);
    let cancelled = decoder.forward(&mut [Span { tokens: first, cache: &mut cache }], Pass::fused(&stopped));
    assert!(matches!(cancelled, Err(ModelError::Cancelled)));
    assert!(cache.is_empty());

    decoder.forward(&mut [Span { tokens: &tokens, cache: &mut cache }], Pass::fused(&NEVER)).unwrap();
    cache.truncate(first.len());
    let mut fork = cache.fork().unwrap();
    assert_eq!(fork.common_prefix(&tokens), first.len());
    for cache in [&mut cache, &mut fork] {
        let hidden = decoder.forward(&mut [Span { tokens: rest, cache }], Pass::fused(&NEVER)).unwrap();
        let rows = candle_nn::ops::log_softmax(&decoder.logits(&hidden).unwrap(), D::Minus1).unwrap();
        assert!(gap(&rows, &full.narrow(0, first.len(), rest.len()).unwrap()) <= 2e-4);
    }
}

/// Forks share what they begin with, and nothing that one of them does shows in another: written behind, cut and written
/// anew, forked again, on both paths.
#[test]
fn a_fork_is_a_cache_of_its_own() {
    let golden = &golden::all()[0];
    let decoder = golden.decoder();
    let tokens = ids(&golden.list("cases").last().unwrap()["ids"]);
    let other: Vec<u32> = tokens.iter().rev().copied().collect();
    let half = tokens.len() / 2;
    for way in [Way::Stock, Way::Fused] {
        let run = |cache: &mut KvCache, tokens: &[u32]| {
            let mut whole = cache.tokens().to_vec();
            whole.extend_from_slice(tokens);
            let hidden = decoder.forward(&mut [Span { tokens, cache }], way.pass()).unwrap();
            let rows = candle_nn::ops::log_softmax(&decoder.logits(&hidden).unwrap(), D::Minus1).unwrap();
            let fresh = logprobs(&decoder, &whole, usize::MAX, Way::Stock);
            let fresh = fresh.narrow(0, whole.len() - tokens.len(), tokens.len()).unwrap();
            assert!(gap(&rows, &fresh) <= 2e-4, "{way:?}: {} tokens", whole.len());
        };
        let mut parent = decoder.new_cache().unwrap();
        run(&mut parent, &tokens[..half]);
        let [mut first, mut second] = [parent.fork().unwrap(), parent.fork().unwrap()];
        run(&mut first, &tokens[half..]);
        run(&mut second, &other[..3]);
        // The parent goes on, then is cut to less than was shared and written anew.
        run(&mut parent, &other[..2]);
        parent.truncate(half / 2);
        run(&mut parent, &other[..half]);
        second.truncate(half + 1);
        run(&mut second, &tokens[..2]);
        let mut third = second.fork().unwrap();
        run(&mut third, &other[..2]);
        third.truncate(half / 2);
        run(&mut third, &tokens[half / 2..half]);
        run(&mut second, &tokens[..1]);
        first.truncate(half);
        run(&mut first, &other[..4]);
    }
}

#[test]
fn activations_are_those_of_transformers() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/activations.json");
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let x = tensor(&json["x"]);
    let mut compared = 0;
    for &(name, activation) in Activation::NAMES {
        if let Some(reference) = json["y"].get(name) {
            for path in [Path::Stock, Path::Fused] {
                let gap = gap(&activation.forward(&x, path).unwrap(), &tensor(reference));
                assert!(gap <= 2e-6, "{name} {path:?}: {gap}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 20, "only {compared} activations were compared");
}

/// P18: what is not a number stays none, as in torch; a maximum that ignores NaN would hide damage.
#[test]
fn no_activation_hides_a_value_that_is_not_a_number() {
    let x = Tensor::new(&[0.5f32, f32::NAN, -0.5, f32::NAN], &candle_core::Device::Cpu).unwrap();
    for &(name, activation) in Activation::NAMES {
        for path in [Path::Stock, Path::Fused] {
            let y = activation.forward(&x, path).unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(y.iter().map(|y| y.is_nan()).collect::<Vec<_>>(), [false, true, false, true], "{name} {path:?}");
        }
    }
}
