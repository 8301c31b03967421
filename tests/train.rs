//! Training: gradients, identical curves, exact resumption, what it writes, what it refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kshot::engine::CancelToken;
use kshot::model::{Batch, Checkpoint, Decoder, Dropout, HeadTargets, KvCache, Parameters, Pass, Span};
use kshot::text::{SpecialTokens, Tokenizer, Vocabulary};
use kshot::train::{
    Copying, Data, Noise, Preset, Recipe, Run, Shape, State, StepReport, Text, TrainError, Trainer, induction, prepare,
};

/// A model that takes a few milliseconds a step.
fn tiny() -> Recipe {
    Recipe {
        shape: Shape { n_layer: 2, n_head: 2, n_embd: 16, n_inner: 32, n_positions: 16 },
        context: 16,
        batch: 4,
        steps: 24,
        lr: 1e-2,
        warmup: 4,
        validate_every: 6,
        save_every: 6,
        vocabulary: Vocabulary::Characters,
        ..(Preset::find("characters").unwrap().recipe)()
    }
}

const SONG: &str = "row, row, row your boat, gently down the stream; merrily, merrily, merrily, life is but a dream.\n";

fn song() -> Text {
    Text { name: "song".into(), documents: vec![SONG.repeat(6)] }
}

fn run(folder: Option<&Path>, recipe: &Recipe) -> Run {
    let recipe = Recipe { data: song().data(), ..recipe.clone() };
    let state = folder.and_then(|folder| State::read(folder).unwrap());
    let prepared = prepare(&recipe, Some(&song()), state.as_ref(), &CancelToken::new()).unwrap();
    Run::open(folder, recipe, prepared.tokenizer, prepared.source, None).unwrap()
}

/// What two runs have to share; not the seconds.
fn figures(report: &StepReport) -> (u64, u64, Option<u64>, u64, u64) {
    let bits = f64::to_bits;
    (report.step, bits(report.loss), report.validation.map(bits), bits(report.lr), bits(report.gradient_norm))
}

/// The curve in a folder.
fn curve(folder: &Path) -> Vec<(u64, u64, Option<u64>, u64, u64)> {
    let text = fs::read_to_string(folder.join("training.jsonl")).unwrap();
    text.lines().map(|line| figures(&serde_json::from_str::<StepReport>(line).unwrap())).collect()
}

/// Loss of two rows under every path, and its gradient in one weight by finite differences.
#[test]
fn gradients_are_those_of_finite_differences_and_of_the_stock_path() {
    let mut noise = Noise::of(5, "gradients", 0);
    // Weights larger than initial ones, so that no gradient drowns in rounding.
    let parameters = Parameters::fresh(tiny().config(20), &mut || 8.0 * noise.normal()).unwrap();
    let decoder = parameters.decoder().unwrap();
    let tokens: Vec<u32> = (0..32).map(|at| at * 7 % 20).collect();
    let targets = || HeadTargets {
        targets: (0..32).map(|at| (at * 7 + 7) % 20).collect(),
        weights: (0..32).map(|at| if at % 5 == 0 { 0.0 } else { 1.0 / 24.0 }).collect(),
    };
    let loss = |pass: Pass<'_>| {
        let hidden = decoder.forward_batch(Batch { tokens: &tokens, length: 16 }, pass).unwrap();
        decoder.loss(&hidden, targets()).unwrap().0
    };
    let trained = loss(Pass::training(None)).backward().unwrap();
    let stock = loss(Pass::stock()).backward().unwrap();
    for parameter in parameters.iter() {
        let of = |gradients: &candle_core::backprop::GradStore| {
            gradients.get(&parameter.var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (trained, stock) = (of(&trained), of(&stock));
        let largest = stock.iter().fold(0f32, |most, value| most.max(value.abs()));
        for (a, b) in trained.iter().zip(&stock) {
            assert!((a - b).abs() <= 2e-4 * largest.max(1e-3), "{}: {a} and {b}", parameter.name);
        }
        // The steepest weight of each tensor, by central differences.
        let steepest = (0..stock.len()).max_by(|a, b| stock[*a].abs().total_cmp(&stock[*b].abs())).unwrap();
        let values = parameter.var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let at = |offset: f32| {
            let mut moved = values.clone();
            moved[steepest] += offset;
            let moved = candle_core::Tensor::from_vec(moved, parameter.var.shape(), parameter.var.device()).unwrap();
            parameter.var.set(&moved).unwrap();
            f64::from(loss(Pass::training(None)).to_scalar::<f32>().unwrap())
        };
        let step = 4e-3;
        let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
        at(0.0);
        let expected = f64::from(stock[steepest]);
        assert!(
            (slope - expected).abs() < 0.03 * expected.abs().max(0.02),
            "{}: {slope} and {expected}",
            parameter.name
        );
    }
}

/// What is trained in a batch is what generation runs token by token.
#[test]
fn a_batch_and_a_cache_give_the_same_hidden_states() {
    let mut noise = Noise::of(6, "paths", 0);
    let parameters = Parameters::fresh(tiny().config(20), &mut || 5.0 * noise.normal()).unwrap();
    let decoder = parameters.decoder().unwrap();
    let tokens: Vec<u32> = (0..16).map(|at| at * 3 % 20).collect();
    let batch = decoder.forward_batch(Batch { tokens: &tokens, length: 16 }, Pass::training(None)).unwrap();
    let mut cache: KvCache = decoder.new_cache().unwrap();
    let one = decoder.forward(&mut [Span { tokens: &tokens, cache: &mut cache }], Pass::stock()).unwrap();
    let gap = (batch - one).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(gap < 1e-4, "{gap}");
    let mut always = || 0.0;
    let dropped = Pass::training(Some(Dropout { rate: 0.5, uniform: &mut always }));
    let nothing = decoder.forward_batch(Batch { tokens: &tokens, length: 16 }, dropped).unwrap();
    // With everything dropped the last LayerNorm sees zeros and gives its bias, zero.
    assert_eq!(nothing.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
}

#[test]
fn the_same_seed_gives_the_same_curve_and_the_loss_falls() {
    for dropout in [0.0, 0.1] {
        let recipe = Recipe { dropout, ..tiny() };
        let [a, b] = [(); 2].map(|()| run(None, &recipe).map(|step| step.unwrap()).collect::<Vec<_>>());
        assert_eq!(a.iter().map(figures).collect::<Vec<_>>(), b.iter().map(figures).collect::<Vec<_>>());
        assert!(a.last().unwrap().loss < a[0].loss - 1.0, "from {} to {}", a[0].loss, a.last().unwrap().loss);
        assert!(a.last().unwrap().validation.is_some());
        let other: Vec<_> = run(None, &Recipe { seed: 2, ..recipe }).map(|step| step.unwrap()).collect();
        assert_ne!(figures(&a[3]), figures(&other[3]));
    }
}

/// Accumulated batches are the same as one of their size.
#[test]
fn accumulation_adds_up() {
    let mean = |report: &[StepReport]| report.iter().map(|step| step.loss).sum::<f64>() / report.len() as f64;
    let curve = |batch, accumulate| {
        let recipe = Recipe { batch, accumulate, ..tiny() };
        run(None, &recipe).map(|step| step.unwrap()).collect::<Vec<_>>()
    };
    let (whole, parts) = (curve(8, 1), curve(2, 4));
    assert_eq!(whole[0].tokens, parts[0].tokens);
    assert!((mean(&whole) - mean(&parts)).abs() < 0.2, "{} and {}", mean(&whole), mean(&parts));
}

#[test]
fn a_run_that_was_cut_off_goes_on_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let peace = tempfile::tempdir().unwrap();
    let whole: Vec<_> = run(Some(peace.path()), &tiny()).map(|step| figures(&step.unwrap())).collect();
    {
        let mut cut = run(Some(folder.path()), &tiny());
        for _ in 0..15 {
            cut.next().unwrap().unwrap();
        }
        // Dropped after step 15; the last state is that of step 12.
    }
    let mut resumed = run(Some(folder.path()), &tiny());
    assert_eq!(resumed.trainer().step(), 12);
    let rest: Vec<_> = resumed.by_ref().map(|step| figures(&step.unwrap())).collect();
    assert_eq!(rest, whole[12..]);
    assert_eq!(resumed.curve().len(), 24);
    // All of it is in the file too.
    assert_eq!(curve(folder.path()), curve(peace.path()));
    drop(resumed);
    // Another recipe in the same folder is refused by name.
    let other = Recipe { lr: 0.5, data: song().data(), ..tiny() };
    let prepared = prepare(&other, Some(&song()), None, &CancelToken::new()).unwrap();
    let refused = Run::open(Some(folder.path()), other, prepared.tokenizer, prepared.source, None);
    let message = refused.err().unwrap().to_string();
    assert!(message.contains("another lr (0.01, not 0.5)"), "{message}");
}

/// A step that is cancelled leaves weights and curve as they were, and the run goes on exactly.
#[test]
fn a_step_that_is_cancelled_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let whole: Vec<_> = run(None, &tiny()).map(|step| figures(&step.unwrap())).collect();
    let mut cut = run(Some(folder.path()), &tiny());
    let cancel = CancelToken::new();
    cut.stop_with(cancel.clone());
    for _ in 0..9 {
        cut.next().unwrap().unwrap();
    }
    cancel.cancel();
    for _ in 0..2 {
        assert!(cut.next().unwrap().is_err_and(|error| error.is_cancelled()));
    }
    assert_eq!((cut.trainer().step(), cut.curve().len()), (9, 9));
    cut.save().unwrap();
    // A folder has one run at a time.
    drop(cut);
    let rest: Vec<_> = run(Some(folder.path()), &tiny()).map(|step| figures(&step.unwrap())).collect();
    assert_eq!(rest, whole[9..]);
}

/// What comes before the first step ends where it is cancelled: encoding, counting, learning byte pairs.
#[test]
fn preparing_a_run_can_be_cancelled() {
    let stopped = CancelToken::new();
    stopped.cancel();
    for vocabulary in [Vocabulary::Characters, Vocabulary::Bpe { size: 300 }, Vocabulary::Words { size: 300, least: 1 }]
    {
        let recipe = Recipe { data: song().data(), vocabulary, ..tiny() };
        let prepared = prepare(&recipe, Some(&song()), None, &stopped);
        assert!(prepared.err().unwrap().is_cancelled(), "{vocabulary:?}");
    }
    // The library that learns byte pairs cannot be interrupted, so it is left behind.
    let asked = std::cell::Cell::new(0);
    let proceed = || asked.replace(asked.get() + 1) < 2;
    let words = (0..60_000).map(|word: u32| format!(" {:x}", word.wrapping_mul(2_654_435_761)));
    let text: String = words.collect();
    let begun = std::time::Instant::now();
    let learned = Vocabulary::Bpe { size: 40_000 }.learn_while(std::iter::once(&text[..120_000]), &proceed);
    assert!(matches!(learned, Err(kshot::text::TextError::Cancelled)), "{learned:?}");
    println!("stopped after {:?}", begun.elapsed());
}

#[test]
fn a_run_that_was_cut_off_before_its_first_state_begins_again() {
    let [folder, peace] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    run(Some(peace.path()), &tiny()).for_each(|step| _ = step.unwrap());
    run(Some(folder.path()), &tiny()).for_each(|step| _ = step.unwrap());
    // The curve is written first, so it may be all there is.
    fs::remove_file(folder.path().join("training.safetensors")).unwrap();
    run(Some(folder.path()), &tiny()).for_each(|step| _ = step.unwrap());
    assert_eq!(curve(folder.path()), curve(peace.path()));
}

#[test]
fn a_run_that_was_cut_off_before_its_last_checkpoint_still_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    run(Some(folder.path()), &tiny()).for_each(|step| _ = step.unwrap());
    let weights = folder.path().join("model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, b"of an earlier step").unwrap();
    assert_eq!(run(Some(folder.path()), &tiny()).count(), 0, "the run is through");
    assert!(fs::read(&weights).unwrap() == whole);
}

/// kill -9 at random moments, through the command line, until the run is through: the curve is that of a run in peace.
#[cfg(unix)]
#[test]
fn kill_9_loses_no_step() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("song.txt");
    fs::write(&text, SONG.repeat(6)).unwrap();
    let train = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kshot"));
        command
            .arg("train")
            .arg(&text)
            .args("--layers 2 --heads 2 --width 16 --context 16 --batch 4 --steps 400 --save-every 10".split(' '))
            .args("--validate-every 50 --lr 0.01 -o".split(' '))
            .arg(folder.path().join(out))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    assert!(train("peace").status().unwrap().success());
    let mut noise = Noise::of(std::process::id().into(), "kills", 0);
    let mut kills = 0;
    while kills < 20 {
        let mut child = train("war").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + noise.below(150) as u64));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(train("war").status().unwrap().success());
    let curve = |out: &str| curve(&folder.path().join(out));
    assert!(kills > 0, "nothing was killed");
    assert_eq!(curve("war").len(), 400);
    assert_eq!(curve("war"), curve("peace"));
    let weights = |out: &str| fs::read(folder.path().join(out).join("model.safetensors")).unwrap();
    assert!(weights("war") == weights("peace"));
}

/// The folder is a checkpoint: the decoder that loads it computes what the trainer's does.
#[test]
fn what_it_writes_is_what_it_trained() {
    let folder = tempfile::tempdir().unwrap();
    let mut trained = run(Some(folder.path()), &tiny());
    assert!(trained.by_ref().all(|step| step.is_ok()));
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let ids = tokenizer.encode("row your boat", SpecialTokens::Literal).unwrap();
    let hidden = |decoder: &Decoder| {
        let mut cache = decoder.new_cache().unwrap();
        let hidden = decoder.forward(&mut [Span { tokens: &ids, cache: &mut cache }], Pass::stock()).unwrap();
        decoder.logits(&hidden).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let load = |folder: &Path| {
        let checkpoint = Checkpoint::open(folder).unwrap();
        Decoder::load_dense(&checkpoint, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap()
    };
    assert_eq!(hidden(&load(folder.path())), hidden(trained.trainer().decoder()));

    let rounded = tempfile::tempdir().unwrap();
    trained.export(rounded.path()).unwrap();
    let (exact, near) = (hidden(trained.trainer().decoder()), hidden(&load(rounded.path())));
    assert!(exact.iter().zip(&near).all(|(a, b)| (a - b).abs() < 0.05));
}

#[test]
fn what_cannot_be_trained_is_refused_and_the_last_checkpoint_stays() {
    let text = |document: &str| Text { name: "t".into(), documents: vec![document.into()] };
    let refused = |text: Option<&Text>| {
        prepare(&Recipe { data: song().data(), ..tiny() }, text, None, &CancelToken::new()).err().unwrap()
    };
    assert!(matches!(refused(None), TrainError::EmptyCorpus(_)));
    assert!(matches!(refused(Some(&text("too short"))), TrainError::TooShort { context: 16, .. }));

    let folder = tempfile::tempdir().unwrap();
    assert!(run(Some(folder.path()), &tiny()).all(|step| step.is_ok()));
    // A learning rate that blows up: the run ends with the step, and only once.
    let exploding = Recipe { lr: 1e30, clip: 0.0, ..tiny() };
    let steps: Vec<_> = run(None, &exploding).collect();
    assert!(matches!(steps.last().unwrap(), Err(TrainError::NotFinite { .. })));
    assert_eq!(steps.iter().filter(|step| step.is_err()).count(), 1);

    // A file that cannot be replaced: the error names it, and what was there is still there.
    let mut again = run(Some(folder.path()), &tiny());
    let blocked = folder.path().join("model.safetensors");
    fs::remove_file(&blocked).unwrap();
    fs::create_dir(&blocked).unwrap();
    assert!(again.next().is_none());
    let message = again.save().unwrap_err().to_string();
    assert!(message.contains("model.safetensors"), "{message}");
    assert_eq!(State::read(folder.path()).unwrap().unwrap().step, 24);
}

/// A full disk, where the system has a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_with_the_file_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut cut = run(Some(folder.path()), &tiny());
    for _ in 0..6 {
        cut.next().unwrap().unwrap();
    }
    let state = fs::read(folder.path().join("training.safetensors")).unwrap();
    fs::remove_file(folder.path().join("training.jsonl")).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("training.jsonl")).unwrap();
    let failure = cut.find_map(Result::err).unwrap().to_string();
    assert!(failure.contains("training.jsonl") && failure.contains("No space left"), "{failure}");
    assert!(cut.next().is_none(), "a failed run does not go on");
    assert!(fs::read(folder.path().join("training.safetensors")).unwrap() == state);
}

/// Attention only, on symbols: it starts without any folder, and its heads can be looked at.
#[test]
fn two_layers_of_the_copy_preset_learn_it_by_an_induction_head_and_one_does_not() {
    let (copied, score) = copying("copy");
    assert!(copied >= 0.95 && score >= 0.6, "two layers: {copied} {score}");
    let (copied, score) = copying("copy-1");
    assert!(copied < 0.5 && score < 0.3, "one layer: {copied} {score}");
}

/// What a preset copies at the end, and its best head's score.
fn copying(preset: &str) -> (f64, f32) {
    let preset = (Preset::find(preset).unwrap().recipe)();
    let layers = preset.shape.n_layer;
    let Data::Copying { symbols } = preset.data else { panic!("the copy preset copies") };
    let mut trainer = Trainer::new(preset, Box::new(Copying { symbols })).unwrap();
    let first = trainer.next().unwrap().unwrap();
    assert!((first.loss - (symbols as f64).ln()).abs() < 0.2, "chance is ln {symbols}: {}", first.loss);
    let heads = induction(trainer.decoder(), trainer.recipe().context / 2, 1).unwrap();
    assert_eq!(heads.scores.len(), layers);
    assert_eq!(heads.pattern.len(), trainer.recipe().context);
    for row in &heads.pattern {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "rows of a pattern add up to 1");
    }
    assert!(heads.score() < 0.3 && heads.copied < 0.3, "nothing is learned yet");
    let last = trainer.by_ref().take(1299).last().unwrap().unwrap();
    let heads = induction(trainer.decoder(), trainer.recipe().context / 2, 1).unwrap();
    assert!(last.loss < first.loss);
    (heads.copied, heads.score())
}
