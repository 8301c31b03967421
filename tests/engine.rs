//! The engine on a small real checkpoint: generation, batches, scoring, cancelling, errors, the thread.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/bytes_model.rs"]
mod bytes_model;

use std::time::Duration;

use kshot::engine::{
    Backend, CancelToken, Checked, Command, Device, ENGINES, Engine, EngineError, EngineKind, Event, Finish,
    FinishReason, GenerateRequest, JobId, LoadRequest, LocalModel, OnEndOfText, Produced, Prompt, ScoreRequest, Start,
    Step, StopStrings, Worker, compare_quality,
};
use kshot::files::{Files, builtin};
use kshot::model::{Checkpoint, Decoder, Dtype, DtypeChoice, ModelError};
use kshot::sampling::{ParamId, Settings, Value};
use kshot::text::{SpecialTokens, Tokenizer};

const CONTEXT: usize = 56;

fn model() -> LocalModel {
    model_in(bytes_model::folder().path()).unwrap()
}

fn model_in(folder: &std::path::Path) -> Result<LocalModel, EngineError> {
    let request = LoadRequest {
        name: "bytes".into(),
        files: folder.into(),
        dtype: DtypeChoice::Is(Dtype::F32),
        device: Device::Cpu,
    };
    LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {})
}

fn request(prompt: &str) -> GenerateRequest {
    GenerateRequest {
        prompt: Prompt::Ids(prompt.bytes().map(u32::from).collect()),
        sequences: 1,
        max_tokens: 12,
        settings: Settings::preset("balanced").unwrap(),
        seed: Some(7),
        temperatures: Vec::new(),
        stop: Vec::new(),
        on_end_of_text: OnEndOfText::Continue,
        top: 5,
    }
}

fn run(model: &mut LocalModel, request: &GenerateRequest) -> (Vec<Step>, Finish) {
    let mut steps = Vec::new();
    let mut sink = |produced| {
        if let Produced::Step(step) = produced {
            steps.push(*step);
        }
    };
    let finish = model.generate(request, &CancelToken::new(), &mut sink).unwrap();
    (steps, finish)
}

fn ids(steps: &[Step], sequence: usize) -> Vec<u32> {
    steps.iter().filter(|step| step.sequence == sequence).map(|step| step.id()).collect()
}

#[test]
fn the_same_seed_gives_the_same_tokens_and_another_does_not() {
    let mut model = model();
    let seven = ids(&run(&mut model, &request("abc")).0, 0);
    assert_eq!(ids(&run(&mut model, &request("abc")).0, 0), seven);
    let eight = GenerateRequest { seed: Some(8), ..request("abc") };
    assert_ne!(ids(&run(&mut model, &eight).0, 0), seven);
    let (_, finish) = run(&mut model, &GenerateRequest { seed: None, ..request("abc") });
    let again = GenerateRequest { seed: Some(finish.seed), ..request("abc") };
    assert_eq!(run(&mut model, &again).1.seed, finish.seed);
}

#[test]
fn the_first_sequence_of_a_batch_is_the_run_alone_and_the_others_differ() {
    let mut model = model();
    let alone = ids(&run(&mut model, &request("abc")).0, 0);
    let (steps, finish) = run(&mut model, &GenerateRequest { sequences: 3, ..request("abc") });
    assert_eq!(ids(&steps, 0), alone);
    assert_ne!(ids(&steps, 1), alone);
    assert_ne!(ids(&steps, 1), ids(&steps, 2));
    assert_eq!(finish.reasons, [FinishReason::Length; 3]);
    assert_eq!(finish.timings.decode_tokens, 36);
}

/// Each sequence of a sweep is what its temperature alone would have made of its draws.
#[test]
fn sequences_of_a_sweep_have_temperatures_of_their_own() {
    let mut model = model();
    let hot = |temperature| {
        let mut asked = request("abc");
        asked.settings.set(ParamId::Temperature, Value::Float(temperature)).unwrap();
        asked
    };
    let sweep = GenerateRequest { sequences: 3, temperatures: vec![0.0, 1.0, 2.0], ..request("abc") };
    let (steps, _) = run(&mut model, &sweep);
    assert_eq!(ids(&steps, 0), ids(&run(&mut model, &hot(0.0)).0, 0));
    for (sequence, temperature) in [(1, 1.0), (2, 2.0)] {
        let (alone, _) = run(&mut model, &GenerateRequest { sequences: 3, ..hot(temperature) });
        assert_eq!(ids(&steps, sequence), ids(&alone, sequence));
    }
    let wrong = GenerateRequest { temperatures: vec![-1.0], ..request("abc") };
    let error = model.generate(&wrong, &CancelToken::new(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("temperature"), "{error}");
}

/// What a step says of its token is what scoring the same ids says, and the log-probabilities are one distribution's.
#[test]
fn steps_and_scores_agree() {
    let mut model = model();
    let (steps, finish) = run(&mut model, &request("hello"));
    let mut all = finish.prompt.clone();
    all.extend(ids(&steps, 0));
    let asked = ScoreRequest { ids: all, start: Start::FirstToken, top: 5 };
    let scores = model.score(&asked, &CancelToken::new()).unwrap();
    assert!(scores.tokens[0].logprob.is_none());
    for (step, score) in steps.iter().zip(&scores.tokens[finish.prompt.len()..]) {
        assert_eq!(step.id(), score.id);
        assert!((step.logprob().unwrap() - score.logprob.unwrap()).abs() < 1e-4);
        assert!((step.sampled().unwrap().entropy_bits - score.entropy.unwrap()).abs() < 1e-3);
        assert_eq!(step.sampled().unwrap().rank, score.rank.unwrap());
        let ids: Vec<u32> = step.sampled().unwrap().top.iter().map(|candidate| candidate.id).collect();
        assert_eq!(ids, score.top.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    }
    let everything = ScoreRequest { ids: vec![104], start: Start::FirstToken, top: 257 };
    let next = model.score(&everything, &CancelToken::new()).unwrap().next;
    let total: f64 = next.iter().map(|(_, logprob)| f64::from(*logprob).exp()).sum();
    assert!((total - 1.0).abs() < 1e-5, "probabilities sum to {total}");
}

#[test]
fn an_edited_prompt_runs_from_the_first_changed_token() {
    let mut model = model();
    let cached = |model: &mut LocalModel, prompt: &str| {
        let timings = run(model, &GenerateRequest { max_tokens: 1, ..request(prompt) }).1.timings;
        (timings.cached_tokens, timings.prefill_tokens)
    };
    assert_eq!(cached(&mut model, "the quick brown fox"), (0, 19));
    assert_eq!(cached(&mut model, "the quick brown fox"), (18, 1));
    assert_eq!(cached(&mut model, "the quick green fox"), (10, 9));
    assert_eq!(cached(&mut model, "the"), (2, 1));
}

#[test]
fn generation_stops_where_the_learned_positions_end() {
    let mut model = model();
    let prompt = "x".repeat(CONTEXT - 3);
    let (steps, finish) = run(&mut model, &request(&prompt));
    assert_eq!((steps.len(), finish.reasons[0]), (3, FinishReason::Context));

    let mut nothing = |_| panic!("a prompt that is refused produces nothing");
    let refused = model.generate(&request(&"x".repeat(CONTEXT + 9)), &CancelToken::new(), &mut nothing);
    assert_eq!(
        refused.map_err(|error| error.to_string()).unwrap_err(),
        "the prompt has 65 tokens and the model has 56 positions; shorten it by 10 or more"
    );
    let unknown = GenerateRequest { prompt: vec![1, 257].into(), ..request("") };
    assert!(matches!(
        model.generate(&unknown, &CancelToken::new(), &mut nothing),
        Err(EngineError::UnknownToken { id: 257, vocab: 257 })
    ));
}

#[test]
fn an_empty_prompt_starts_from_end_of_text() {
    let (steps, finish) = run(&mut model(), &request(""));
    assert_eq!(finish.prompt, [256]);
    assert_eq!(steps.len(), 12);
}

#[test]
fn end_of_text_ends_a_sequence_and_is_not_shown() {
    let mut model = model();
    let asked = GenerateRequest {
        settings: Settings::preset("neutral").unwrap(),
        on_end_of_text: OnEndOfText::Stop,
        sequences: 16,
        max_tokens: 50,
        ..request("a")
    };
    let (steps, finish) = (0..40)
        .map(|seed| run(&mut model, &GenerateRequest { seed: Some(seed), ..asked.clone() }))
        .find(|(_, finish)| finish.reasons.contains(&FinishReason::Eos))
        .unwrap();
    let sequence = finish.reasons.iter().position(|reason| *reason == FinishReason::Eos).unwrap();
    let last = steps.iter().rfind(|step| step.sequence == sequence).unwrap();
    assert_eq!((last.id(), last.shown), (256, 0));
    assert_eq!(ids(&steps, sequence).iter().filter(|id| **id == 256).count(), 1);
}

/// llama.cpp #9606, exllamav2 PR 449: a checkpoint may end a text at several tokens, plain ones too, and begin it at
/// another than it ends it.
#[test]
fn a_sequence_ends_at_any_token_that_the_checkpoint_names_and_begins_at_its_own() {
    let folder = bytes_model::folder();
    let config = r#"{"eos_token_id": [256, 120, 7], "bos_token_id": 256}"#;
    std::fs::write(folder.path().join("generation_config.json"), config).unwrap();
    std::fs::write(folder.path().join("special_tokens_map.json"), r#"{"bos_token": "~"}"#).unwrap();
    let mut model = model_in(folder.path()).unwrap();
    let special = model.info().special.clone();
    assert_eq!((special.bos, &*special.eos), (Some(126), [256, 120, 7].as_slice()));

    let asked = GenerateRequest {
        settings: Settings::preset("neutral").unwrap(),
        on_end_of_text: OnEndOfText::Stop,
        sequences: 16,
        max_tokens: 50,
        ..request("")
    };
    let mut ended = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let (steps, finish) = run(&mut model, &GenerateRequest { seed: Some(seed), ..asked.clone() });
        assert_eq!(finish.prompt, [126]);
        for (sequence, reason) in finish.reasons.iter().enumerate() {
            let last = steps.iter().rfind(|step| step.sequence == sequence).unwrap();
            let ends = special.eos.contains(&last.id());
            assert_eq!(*reason == FinishReason::Eos, ends);
            if ends {
                assert_eq!(last.shown, 0);
                ended.insert(last.id());
            }
        }
    }
    assert_eq!(ended.into_iter().collect::<Vec<_>>(), [7, 120, 256]);
    let text = ScoreRequest { ids: vec![97], start: Start::EndOfText, top: 1 };
    let with_bos = model.score(&text, &CancelToken::new()).unwrap().tokens[0].logprob;
    let behind = ScoreRequest { ids: vec![126, 97], start: Start::FirstToken, top: 1 };
    assert_eq!(with_bos, model.score(&behind, &CancelToken::new()).unwrap().tokens[1].logprob);
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let mut model = model();
    let bytes_of = |steps: &[Step]| steps.iter().flat_map(|step| step.bytes.clone()).collect::<Vec<u8>>();
    let (seed, free, at) = (0..200)
        .find_map(|seed| {
            let (free, _) = run(&mut model, &GenerateRequest { seed: Some(seed), ..request("abc") });
            let at = (2..9).find(|&at| bytes_of(&free)[at..at + 2].is_ascii())?;
            Some((seed, free, at))
        })
        .unwrap();
    let text = bytes_of(&free);
    let stop = String::from_utf8(text[at..at + 2].to_vec()).unwrap();
    let first = text.windows(2).position(|pair| pair == stop.as_bytes()).unwrap();
    let (steps, finish) =
        run(&mut model, &GenerateRequest { seed: Some(seed), stop: vec![stop.clone()], ..request("abc") });
    let shown: Vec<u8> = steps.iter().flat_map(|step| step.bytes[..step.shown].to_vec()).collect();
    assert_eq!(shown, text[..first]);
    assert_eq!(ids(&steps, 0), ids(&free, 0)[..first + 2]);
    assert_eq!((finish.reasons[0], finish.stopped_at[0].as_deref()), (FinishReason::Stop, Some(stop.as_str())));
}

/// Against the plain definition: as soon as the text so far holds a stop string, it ends before the first one in it; and
/// every released byte is right as soon as it is released.
#[test]
fn stop_strings_equal_the_search_in_the_whole_text() {
    let mut model = model();
    let (template, _) = run(&mut model, &GenerateRequest { max_tokens: 1, ..request("a") });
    let step = |bytes: &[u8]| Step { bytes: bytes.to_vec(), shown: bytes.len(), ..template[0].clone() };
    let mut state = 3u32;
    let mut next = move |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % n
    };
    for _ in 0..5000 {
        let mut word = |most: usize| (0..1 + next(most)).map(|_| b"ab\n"[next(3)]).collect::<Vec<u8>>();
        let stops: Vec<String> = (0..2).map(|_| String::from_utf8(word(3)).unwrap()).collect();
        let tokens: Vec<Vec<u8>> = (0..8).map(|_| word(3)).collect();
        let whole = tokens.concat();
        let first_in =
            |text: &[u8]| stops.iter().filter_map(|s| text.windows(s.len()).position(|w| w == s.as_bytes())).min();
        let end = (1..=tokens.len()).find_map(|n| first_in(&tokens[..n].concat()));

        let mut watch = StopStrings::new(&stops);
        let mut shown = Vec::new();
        let mut stopped = false;
        let take = |shown: &mut Vec<u8>, steps: Vec<Step>| {
            steps.iter().for_each(|step| shown.extend_from_slice(&step.bytes[..step.shown]));
        };
        for token in &tokens {
            let watched = watch.push(step(token));
            take(&mut shown, watched.released);
            assert!(whole[..end.unwrap_or(whole.len())].starts_with(&shown), "{stops:?} {tokens:?}");
            if watched.stopped_at.is_some() {
                stopped = true;
                break;
            }
        }
        if !stopped {
            take(&mut shown, watch.finish());
        }
        assert_eq!(stopped, end.is_some(), "{stops:?} {tokens:?}");
        assert_eq!(shown, whole[..end.unwrap_or(whole.len())], "{stops:?} {tokens:?}");
    }
}

#[test]
fn a_long_text_is_scored_in_rolling_windows() {
    let mut model = model();
    let text: Vec<u32> = (0..3 * CONTEXT as u32).map(|i| 32 + i * 7 % 90).collect();
    let score = |model: &mut LocalModel, ids: &[u32], start| {
        model.score(&ScoreRequest { ids: ids.to_vec(), start, top: 0 }, &CancelToken::new()).unwrap()
    };
    let scores = score(&mut model, &text, Start::EndOfText);
    assert_eq!((scores.windows, scores.scored(), scores.next.len()), (3, text.len(), 0));
    // The second window scores as many tokens as there are positions, given the one token before them.
    let second = score(&mut model, &text[CONTEXT - 1..2 * CONTEXT - 1], Start::FirstToken);
    for (whole, part) in scores.tokens[CONTEXT..2 * CONTEXT - 1].iter().zip(&second.tokens[1..]) {
        assert!((whole.logprob.unwrap() - part.logprob.unwrap()).abs() < 1e-4);
    }
    let first = score(&mut model, &text, Start::FirstToken);
    assert!(first.tokens[0].logprob.is_none());
    assert_eq!(first.scored(), text.len() - 1);
    assert!(score(&mut model, &[], Start::FirstToken).tokens.is_empty());
}

#[test]
fn cancelling_ends_a_run_and_keeps_what_was_made() {
    let mut model = model();
    let cancel = CancelToken::new();
    let mut made = 0;
    let asked = GenerateRequest { max_tokens: 40, ..request("abc") };
    let finish = model
        .generate(&asked, &cancel, &mut |produced| {
            if let Produced::Step(_) = produced {
                made += 1;
                if made == 4 {
                    cancel.cancel();
                }
            }
        })
        .unwrap();
    assert_eq!((made, finish.reasons[0], finish.timings.decode_tokens), (4, FinishReason::Cancelled, 4));
    // Cancelled before the prompt was read: nothing but the reason. The model is as usable as before.
    let finish = model.generate(&asked, &cancel, &mut |_| panic!("nothing is produced")).unwrap();
    assert_eq!((finish.reasons[0], finish.timings.decode_tokens), (FinishReason::Cancelled, 0));
    let scored = model.score(&ScoreRequest { ids: vec![1, 2], start: Start::FirstToken, top: 0 }, &cancel);
    assert!(scored.is_err_and(|error| error.is_cancelled()));
    assert_eq!(run(&mut model, &request("abc")).0.len(), 12);
}

/// Where the values of each tensor lie: file, offset of the first, count. All are bf16 but old mask buffers.
fn tensors_in(folder: &std::path::Path) -> std::collections::BTreeMap<String, (std::path::PathBuf, usize, usize)> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            continue;
        }
        let file = std::fs::read(&path).unwrap();
        let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        let json: serde_json::Value = serde_json::from_slice(&file[8..8 + header]).unwrap();
        for (name, tensor) in json.as_object().unwrap().iter().filter(|(_, tensor)| tensor["dtype"] == "BF16") {
            let [from, to] = [0, 1].map(|at| tensor["data_offsets"][at].as_u64().unwrap() as usize);
            found.insert(name.clone(), (path.clone(), 8 + header + from, (to - from) / 2));
        }
    }
    found
}

fn overwrite(path: &std::path::Path, at: usize, value: half::bf16) {
    use std::io::{Seek, Write};
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(std::io::SeekFrom::Start(at as u64)).unwrap();
    file.write_all(&value.to_le_bytes()).unwrap();
}

/// P18: whatever the weights are kept as, a damaged one in any tensor is refused by its name and place; in 8 and 4 bits
/// a NaN used to become another number.
#[test]
fn a_weight_that_is_no_number_is_refused_by_name_in_every_dtype() {
    let folder = bytes_model::folder();
    let tensors = tensors_in(folder.path());
    assert!(tensors.len() > 30);
    for (index, (name, (path, at, count))) in tensors.iter().enumerate() {
        let place = at + (index * 7919 % count) * 2;
        let bytes = std::fs::read(path).unwrap();
        let before = half::bf16::from_le_bytes([bytes[place], bytes[place + 1]]);
        for bad in [half::bf16::NAN, half::bf16::INFINITY, half::bf16::NEG_INFINITY] {
            overwrite(path, place, bad);
            for dtype in Dtype::ALL {
                let request = LoadRequest {
                    name: "bad".into(),
                    files: folder.path().into(),
                    dtype: DtypeChoice::Is(dtype),
                    device: Device::Cpu,
                };
                match LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {}) {
                    Err(EngineError::Model(ModelError::WeightNotFinite { name: said, .. })) => assert_eq!(said, *name),
                    other => panic!("{name} in {dtype:?} with {bad}: {:?}", other.map(|_| "loaded")),
                }
            }
        }
        overwrite(path, place, before);
    }
    assert!(model_in(folder.path()).is_ok());
}

/// P18: finite weights whose products overflow: the first token says in which layer.
#[test]
fn values_that_overflow_stop_with_the_place() {
    for dtype in Dtype::ALL {
        for layer in 0..3 {
            let folder = bytes_model::folder();
            let name = format!("transformer.h.{layer}.ln_2.weight");
            let (path, at, count) = tensors_in(folder.path())[&name].clone();
            (0..count).for_each(|index| overwrite(&path, at + 2 * index, half::bf16::from_f32(3e38)));
            let request = LoadRequest {
                name: "big".into(),
                files: folder.path().into(),
                dtype: DtypeChoice::Is(dtype),
                device: Device::Cpu,
            };
            let mut model = LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {}).unwrap();
            let failed = model.generate(&self::request("abc"), &CancelToken::new(), &mut |_| {});
            let Err(EngineError::Model(ModelError::NotFinite { point })) = failed else { panic!("{failed:?}") };
            assert_eq!(point, format!("blocks.{layer}.mlp.hook_pre"), "{dtype:?}");
        }
    }
}

#[test]
fn broken_folders_are_refused_by_name() {
    type Break = fn(&std::path::Path);
    let cases: &[(&str, Break, &str)] = &[
        ("no config", |f| std::fs::remove_file(f.join("config.json")).unwrap(), "config.json"),
        ("config is no JSON", |f| std::fs::write(f.join("config.json"), "{").unwrap(), "config.json: EOF"),
        (
            "a shard is gone",
            |f| std::fs::remove_file(f.join("model-00002-of-00003.safetensors")).unwrap(),
            "model-00002",
        ),
        (
            "a shard is cut short",
            |f| {
                let path = f.join("model-00001-of-00003.safetensors");
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() - 10]).unwrap();
            },
            "bytes long",
        ),
        (
            "a shard is a web page",
            |f| std::fs::write(f.join("model-00001-of-00003.safetensors"), "<html><body>no</body>").unwrap(),
            "it looks like a web page",
        ),
        (
            "weights of another kind",
            |f| {
                std::fs::remove_file(f.join("model.safetensors.index.json")).unwrap();
                std::fs::write(f.join("pytorch_model.bin"), "").unwrap();
            },
            "it has model-00001-of-00003.safetensors, model-00002-of-00003.safetensors, model-00003-of-00003.safetensors, pytorch_model.bin",
        ),
        (
            "an index that leaves the folder",
            |f| {
                let index = r#"{"weight_map": {"wte.weight": "../secret"}}"#;
                std::fs::write(f.join("model.safetensors.index.json"), index).unwrap();
            },
            "is not a file beside it",
        ),
        (
            "another width",
            |f| {
                let path = f.join("config.json");
                let config = std::fs::read_to_string(&path).unwrap().replace("\"n_embd\": 48", "\"n_embd\": 24");
                std::fs::write(path, config).unwrap();
            },
            "config.json says [257, 24]",
        ),
        ("no tokenizer", |f| std::fs::remove_file(f.join("vocab.json")).unwrap(), "tokenizer"),
    ];
    for (case, damage, expected) in cases {
        let folder = bytes_model::folder();
        damage(folder.path());
        let message = model_in(folder.path()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{case}: {message:?} does not say {expected:?}");
    }
}

#[test]
fn the_model_in_the_program_computes_what_its_folder_does() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/builtin");
    let scores = |files: Files| {
        let request = LoadRequest {
            name: "built-in".into(),
            files: files.clone(),
            dtype: DtypeChoice::Is(Dtype::F32),
            device: Device::Cpu,
        };
        let mut model = LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {}).unwrap();
        assert_eq!(model.info().files, files);
        let ids = model.tokenizer().encode(builtin::PAGE, SpecialTokens::Parse).unwrap();
        let top = model.info().vocab;
        model.score(&ScoreRequest { ids, start: Start::EndOfText, top }, &CancelToken::new()).unwrap()
    };
    let (inside, outside) = (scores(Files::BuiltIn), scores(folder.into()));
    assert_eq!(inside.tokens.len(), outside.tokens.len());
    for (inside, outside) in inside.tokens.iter().zip(&outside.tokens) {
        assert_eq!((inside.id, &inside.top), (outside.id, &outside.top), "every logit, to the bit");
    }
}

#[test]
fn a_load_can_be_cancelled() {
    let folder = bytes_model::folder();
    let cancel = CancelToken::new();
    let stop_at_first = cancel.clone();
    let request = LoadRequest {
        name: "bytes".into(),
        files: folder.path().into(),
        dtype: DtypeChoice::Is(Dtype::F32),
        device: Device::Cpu,
    };
    let loaded = LocalModel::load(&request, &cancel, &mut |_, _| stop_at_first.cancel());
    assert!(loaded.is_err_and(|error| error.is_cancelled()));
}

#[test]
fn the_thread_answers_every_job_under_its_id() {
    let folder = bytes_model::folder();
    let engine = Engine::spawn().unwrap();
    let hear = || engine.events().recv_timeout(Duration::from_secs(20)).unwrap();
    let load = |name: &str, folder: &std::path::Path| LoadRequest {
        name: name.into(),
        files: folder.into(),
        dtype: DtypeChoice::Is(Dtype::F32),
        device: Device::Cpu,
    };

    engine.send(Command::Generate(JobId(1), request("a"), CancelToken::new())).unwrap();
    assert!(matches!(hear(), Event::Failed(JobId(1), EngineError::NoModel)));

    engine.send(Command::Load(JobId(2), load("bytes", folder.path()), CancelToken::new())).unwrap();
    let info = loop {
        match hear() {
            Event::Loading(JobId(2), done, total) => assert!(done <= total),
            Event::Loaded(JobId(2), info, _) => break info,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((info.name.as_str(), info.context, info.vocab), ("bytes", CONTEXT, 257));

    engine.send(Command::Generate(JobId(3), request("abc"), CancelToken::new())).unwrap();
    engine
        .send(Command::Score(
            JobId(4),
            ScoreRequest { ids: vec![1, 2, 3], start: Start::EndOfText, top: 2 },
            CancelToken::new(),
        ))
        .unwrap();
    let mut seen = Vec::new();
    loop {
        match hear() {
            Event::Prefilled(JobId(3), _) => seen.push('p'),
            Event::Step(JobId(3), _) => seen.push('s'),
            Event::Finished(JobId(3), _) => seen.push('f'),
            Event::Scored(JobId(4), scores) => {
                assert_eq!(scores.scored(), 3);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen.iter().collect::<String>(), format!("p{}f", "s".repeat(12)));

    engine.send(Command::Unload).unwrap();
    engine.send(Command::Generate(JobId(5), request("a"), CancelToken::new())).unwrap();
    assert!(matches!(hear(), Event::Failed(JobId(5), EngineError::NoModel)));
    engine.join();
}

/// Loads in place of a model: what cannot be loaded leaves it, what does not fit beside it is checked before it goes.
#[test]
#[allow(clippy::too_many_lines, reason = "one scenario")]
fn a_model_is_checked_before_the_one_in_use_goes() {
    let good = bytes_model::folder();
    let load = |worker: &mut Worker, name: &str, folder: &std::path::Path| {
        let request = LoadRequest {
            name: name.into(),
            files: folder.into(),
            dtype: DtypeChoice::Is(Dtype::F32),
            device: Device::Cpu,
        };
        let mut events = Vec::new();
        worker.run(Command::Load(JobId(1), request, CancelToken::new()), &mut |event| events.push(event));
        events.retain(|event| !matches!(event, Event::Loading(..)));
        events
    };
    let works = |worker: &mut Worker| {
        let mut ended = false;
        let command = Command::Generate(JobId(2), request("abc"), CancelToken::new());
        worker.run(command, &mut |event| ended |= matches!(event, Event::Finished(..)));
        ended
    };
    let mut worker = Worker::new(ENGINES);
    assert!(matches!(load(&mut worker, "good", good.path())[..], [Event::Loaded(..)]));
    let damages: [(&str, fn(&std::path::Path)); 3] = [
        ("config", |folder| std::fs::write(folder.join("config.json"), r#"{"model_type": "llama"}"#).unwrap()),
        ("shape", |folder| {
            let path = folder.join("config.json");
            let config = std::fs::read_to_string(&path).unwrap().replace("\"n_embd\": 48", "\"n_embd\": 24");
            std::fs::write(path, config).unwrap();
        }),
        ("tokenizer", |folder| std::fs::remove_file(folder.join("vocab.json")).unwrap()),
    ];
    for (name, damage) in damages {
        let bad = bytes_model::folder();
        damage(bad.path());
        let events = load(&mut worker, name, bad.path());
        assert!(matches!(events[..], [Event::Failed(..)]), "{name}: {events:?}");
        assert!(works(&mut worker), "{name}: the old model is in use");
    }

    // One that does not fit beside it, and whose read fails.
    struct Huge;
    impl Checked for Huge {
        fn memory(&self) -> u64 {
            u64::MAX
        }
        fn load(
            self: Box<Self>,
            _: &CancelToken,
            _: &mut dyn FnMut(u64, u64),
        ) -> Result<Box<dyn Backend>, EngineError> {
            Err(EngineError::Engine("its file is damaged".into()))
        }
    }
    const KINDS: &[EngineKind] = &[
        EngineKind { name: "huge", serves: |it| it.name == "huge", check: |_, _, _| Ok(Box::new(Huge)) },
        EngineKind { name: "local", ..kshot::engine::ENGINES[0] },
    ];
    let mut worker = Worker::new(KINDS);
    assert!(matches!(load(&mut worker, "good", good.path())[..], [Event::Loaded(..)]));
    if kshot::model::free_memory().is_some() {
        let events = load(&mut worker, "huge", good.path());
        assert!(matches!(events[..], [Event::Unloaded(_), Event::Failed(..)]), "{events:?}");
        assert!(!works(&mut worker));
    }
}

/// What the docs promise of the built-in model, whose weights are not noise, on documents it has not seen.
#[test]
fn fewer_bits_cost_little_and_none_cost_nothing() {
    let decoder = |dtype| Decoder::load(&Checkpoint::open(Files::BuiltIn).unwrap(), dtype, &mut |_, _| true).unwrap();
    let tokenizer = Tokenizer::open(&Files::BuiltIn).unwrap();
    let text: String = kshot::corpus::documents(7).take(6).collect::<Vec<_>>().join("\n");
    let ids = tokenizer.encode(&text, SpecialTokens::Literal).unwrap();
    let reference = decoder(Dtype::F32);
    let of = |dtype| compare_quality(&reference, &decoder(dtype), &ids, &CancelToken::new(), &mut |_, _| {}).unwrap();
    let same = of(Dtype::F32);
    assert!(same.kl_max < 1e-9 && same.same_top == 1.0 && (same.perplexity_ratio - 1.0).abs() < 1e-9, "{same:?}");
    assert!(same.positions > 500 && same.perplexity < 10.0, "{same:?}");
    for (dtype, most) in [(Dtype::F16, 1e-6), (Dtype::Bf16, 1e-4), (Dtype::Q8_0, 1e-3), (Dtype::Q4_0, 0.2)] {
        let quality = of(dtype);
        assert!(quality.kl_mean < most && quality.kl_mean >= 0.0, "{dtype:?}: {quality:?}");
    }
}

/// Whoever leaves the choice to the program gets f32 where nothing is won with less, never 4 bits, and a name that is none
/// is told with those that are.
#[test]
fn the_dtype_is_chosen_for_the_model_and_the_machine() {
    let small = Decoder::config_of(&Checkpoint::open(Files::BuiltIn).unwrap()).unwrap().0;
    let large = kshot::model::DecoderConfig { n_layer: 12, n_embd: 768, n_inner: 3072, vocab: 50_257, ..small.clone() };
    let auto = |config, free| DtypeChoice::Auto.of(config, 512, free);
    assert_eq!(auto(&small, None), Dtype::F32);
    assert_eq!(auto(&large, None), Dtype::Bf16);
    assert_eq!(auto(&large, Some(200_000_000)), Dtype::Q8_0);
    assert_eq!(auto(&large, Some(1_000_000)), Dtype::Bf16, "nothing fits: the refusal names what bf16 needs");
    assert_eq!(DtypeChoice::Is(Dtype::Q4_0).of(&small, 512, None), Dtype::Q4_0);
    let error = "q5_1".parse::<DtypeChoice>().unwrap_err();
    assert!(error.contains("auto, f32, bf16, f16, q8_0, q4_0"), "{error}");
    let all: Vec<_> = std::iter::successors(Some(DtypeChoice::Auto), |choice| Some(choice.next())).take(7).collect();
    assert_eq!(all[..6], DtypeChoice::all().collect::<Vec<_>>());
    assert_eq!(all[6], DtypeChoice::Auto);
}

/// Sequences that do not fit are refused with the numbers before anything is allocated, whatever the limit comes from.
#[cfg(target_os = "linux")]
#[test]
fn samples_that_do_not_fit_into_memory_are_refused() {
    for args in ["--samples 10000", "--best-of 10000", "--samples 3000 -n 200"] {
        let shell = format!("ulimit -v 900000; exec \"$0\" generate -m built-in --threads 2 -p water {args}");
        let out = std::process::Command::new("sh")
            .args(["-c", &shell, env!("CARGO_BIN_EXE_kshot")])
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{args}: {said}");
        assert!(said.contains("sequences of up to") && said.contains("take fewer samples"), "{args}: {said}");
    }
}

/// Loading and unloading, reading and generating, many times: what the process holds stays what it was.
#[cfg(target_os = "linux")]
#[test]
fn rounds_of_work_keep_no_memory() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap()
    };
    let folder = bytes_model::folder();
    let mut worker = Worker::new(ENGINES);
    let mut round = |number: u64| {
        let request = LoadRequest {
            name: "bytes".into(),
            files: folder.path().into(),
            dtype: DtypeChoice::Is(Dtype::F32),
            device: Device::Cpu,
        };
        worker.run(Command::Load(JobId(number), request, CancelToken::new()), &mut |_| {});
        for sequences in [1, 4] {
            let request = GenerateRequest { sequences, ..self::request("some words") };
            worker.run(Command::Generate(JobId(number), request, CancelToken::new()), &mut |_| {});
        }
        let ids = (0..40).collect();
        let read = kshot::engine::ReadRequest { ids, start: Start::FirstToken, from: 0, keep: 20 };
        worker.run(Command::Read(JobId(number), read, CancelToken::new()), &mut |_| {});
    };
    (0..30).for_each(&mut round);
    let before = resident();
    (30..230).for_each(&mut round);
    let grown = resident().saturating_sub(before);
    println!("200 rounds: {grown} kB more");
    assert!(grown < 20_000, "{grown} kB more after 200 rounds");
}
