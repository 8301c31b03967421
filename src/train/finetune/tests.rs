#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;

use super::net::{self, Encoded};
use super::*;
use crate::engine::CancelToken;
use crate::model::{Activation, DecoderConfig, Parameters, Pass};
use crate::text::{SpecialTokens, Tokenizer, Vocabulary};
use crate::train::{Noise, TrainError};

const TEXTS: [&str; 6] = ["the sea was calm", "a gloomy day", "what a day", "the sea", "a dull film", "it was fun"];

fn vocabulary() -> Value {
    Vocabulary::Words { size: 290, least: 1 }.learn(TEXTS.iter().map(|text| (*text).to_owned())).unwrap()
}

/// A small model of random weights.
fn base(n_positions: usize) -> Base {
    let tokenizer = vocabulary();
    let config = DecoderConfig {
        vocab: Tokenizer::from_json("t", &tokenizer).unwrap().vocab_size(),
        n_positions,
        n_embd: 16,
        n_layer: 2,
        n_head: 2,
        n_inner: 32,
        activation: Activation::GeluTanh,
        layer_norm_epsilon: 1e-5,
        score_scale: vec![1.0 / 8f64.sqrt(); 2],
        upcast_attention: false,
        tie_word_embeddings: true,
    };
    let mut noise = Noise::of(7, "a model", 0);
    let parameters = Parameters::fresh(config, &mut || noise.normal() * 8.0).unwrap();
    Base { name: "random".into(), parameters, tokenizer, cancel: CancelToken::new() }
}

fn example(label: usize, texts: &[&str]) -> Example {
    Example { label, text: texts[0].into(), others: texts[1..].iter().map(|text| (*text).to_owned()).collect() }
}

/// Twelve examples of a form.
fn examples(form: Form) -> Examples {
    let items = (0..12)
        .map(|at| {
            let texts: Vec<&str> = (0..4).map(|next| TEXTS[(at * 5 + next * (at % 3 + 1)) % TEXTS.len()]).collect();
            match form {
                Form::Classification => example(at % 2, &texts[..1]),
                Form::Entailment | Form::Similarity => example(at % 2, &texts[..2]),
                // As many choices as there happen to be.
                Form::MultipleChoice => example(at % 2, &texts[..3 + at % 2]),
            }
        })
        .collect();
    let labels = if form == Form::MultipleChoice { vec![] } else { vec!["no".into(), "yes".into()] };
    Examples { form, labels, items }
}

fn recipe() -> FinetuneRecipe {
    FinetuneRecipe { lr: 1e-2, batch: 4, epochs: 3, ..FinetuneRecipe::for_parameters(1000, None) }
}

fn tuning(form: Form, recipe: FinetuneRecipe) -> Finetune {
    Finetune::new(base(24), &examples(form), &examples(form), recipe).unwrap()
}

fn steps(form: Form, recipe: FinetuneRecipe) -> Vec<FinetuneStep> {
    tuning(form, recipe).map(Result::unwrap).collect()
}

#[test]
fn the_four_layouts() {
    let tokenizer = Tokenizer::from_json("t", &vocabulary()).unwrap();
    let ids = |text: &str| tokenizer.encode(text, SpecialTokens::Literal).unwrap();
    let (specials, s, d, e) = (Specials { start: 900, delimiter: 901, extract: 902 }, vec![900], vec![901], vec![902]);
    let (a, b, c) = (ids("the sea"), ids("a gloomy day"), ids("fun"));
    let one =
        |form: Form, texts: &[&str]| form.sequences(&example(0, texts), &tokenizer, specials, 512).unwrap().tokens;
    assert_eq!(one(Form::Classification, &["the sea"]), [[&s[..], &a, &e].concat()]);
    assert_eq!(one(Form::Entailment, &["the sea", "a gloomy day"]), [[&s[..], &a, &d, &b, &e].concat()]);
    assert_eq!(
        one(Form::Similarity, &["the sea", "a gloomy day"]),
        [[&s[..], &a, &d, &b, &e].concat(), [&s[..], &b, &d, &a, &e].concat()]
    );
    assert_eq!(
        one(Form::MultipleChoice, &["the sea", "a gloomy day", "fun", "the sea"]),
        [&b, &c, &a].map(|choice| [&s[..], &a, &d, choice, &e].concat())
    );
}

#[test]
fn a_long_text_is_cut_to_its_share_and_counted() {
    let tokenizer = Tokenizer::from_json("t", &vocabulary()).unwrap();
    let specials = Specials { start: 900, delimiter: 901, extract: 902 };
    let long = "z".repeat(100);
    for (form, texts, length) in [
        (Form::Classification, vec![long.as_str()], 20),
        (Form::Entailment, vec![&long, &long], 2 * 8 + 3),
        (Form::Entailment, vec!["zz", &long], 2 + 8 + 3),
    ] {
        let sequences = form.sequences(&example(0, &texts), &tokenizer, specials, 20).unwrap();
        assert!(sequences.truncated);
        assert_eq!(sequences.tokens[0].len(), length);
        assert_eq!(sequences.tokens[0].last(), Some(&902));
    }
    let mut set = examples(Form::Classification);
    set.items[3].text = long;
    let tuning = Finetune::new(base(24), &set, &examples(Form::Classification), recipe()).unwrap();
    assert_eq!(tuning.truncated(), 1);
}

#[test]
fn the_schedule_is_the_released_codes() {
    for (x, rate) in [(0.0, 0.0), (0.001, 0.4995), (0.002, 0.998), (0.0021, 0.9979), (0.5, 0.5), (1.0, 0.0)] {
        assert!((warmup_linear(x, 0.002) - rate).abs() < 1e-12, "{x}");
    }
    assert_eq!(warmup_linear(0.25, 0.0), 0.75);
    // 0.2 % of 530 updates is one.
    let recipe = FinetuneRecipe { lr: 1.0, ..recipe() };
    assert_eq!(recipe.lr_at(0, 530), 0.0);
    assert!((recipe.lr_at(2, 530) - (1.0 - 2.0 / 530.0)).abs() < 1e-12);
}

#[test]
fn the_loss_is_the_classifiers_and_lambda_times_the_language_models() {
    for form in Form::ALL {
        for lambda in [0.0, 0.5, 2.0] {
            for step in steps(form, FinetuneRecipe { lambda, ..recipe() }) {
                assert!((step.l3 - step.l2 - lambda * step.l1).abs() < 1e-6, "{form} {lambda}: {step:?}");
                assert!(step.l1 > 0.0 && step.l2 > 0.0 && step.gradient_norm > 0.0, "{form}: {step:?}");
            }
        }
    }
}

/// L1 by its definition: mean over the positions of each sequence, then over the sequences.
#[test]
fn the_language_model_loss_is_a_masked_mean() {
    let tuning = tuning(Form::Entailment, recipe());
    let some: Vec<&Encoded> = tuning.train_set().iter().take(5).collect();
    let features = net::features(tuning.decoder(), Form::Entailment, &some, Pass::training(None)).unwrap();
    let (loss, shares) = features.language_model(tuning.decoder()).unwrap();
    let mut expected = 0.0;
    for ids in some.iter().map(|example| &example.sequences[0]) {
        let batch = crate::model::Batch { tokens: ids, length: ids.len() };
        let hidden = tuning.decoder().forward_batch(batch, Pass::stock()).unwrap();
        let logits = tuning.decoder().logits(&hidden).unwrap().to_vec2::<f32>().unwrap();
        let nll = |at: usize| {
            let total: f64 = logits[at].iter().map(|logit| f64::from(*logit).exp()).sum();
            total.ln() - f64::from(logits[at][ids[at + 1] as usize])
        };
        expected += (0..ids.len() - 1).map(nll).sum::<f64>() / (ids.len() - 1) as f64 / some.len() as f64;
    }
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-5);
    assert!((shares.iter().sum::<f64>() - expected).abs() < 1e-5);
}

#[test]
fn padding_changes_nothing() {
    for form in Form::ALL {
        let tuning = tuning(form, recipe());
        let all: Vec<&Encoded> = tuning.train_set().iter().collect();
        let rows = |some: &[&Encoded]| {
            let features = net::features(tuning.decoder(), form, some, Pass::training(None)).unwrap();
            features.extracted.to_vec2::<f32>().unwrap()
        };
        let together = rows(&all);
        let apart: Vec<Vec<f32>> = all.iter().flat_map(|example| rows(&[example])).collect();
        for (a, b) in together.iter().flatten().zip(apart.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{form}: {a} {b}");
        }
    }
}

#[test]
fn every_form_learns_its_examples() {
    for form in Form::ALL {
        // Five distinct examples: the sixth is the third in the other order, with the other label.
        let mut set = examples(form);
        set.items.truncate(5);
        let recipe = FinetuneRecipe { epochs: 150, dropout: 0.0, classifier_dropout: 0.0, ..recipe() };
        let mut tuning = Finetune::new(base(24), &set, &set, recipe).unwrap();
        let before = tuning.validate().unwrap();
        let last = tuning.by_ref().map(Result::unwrap).last().unwrap();
        assert!(last.validation.unwrap().l2 < 0.5 * before.l2, "{form}: {before:?} {last:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_curve() {
    let curve = |seed| {
        let figures = |step: FinetuneStep| (step.l1, step.l2, step.gradient_norm, step.validation);
        steps(Form::MultipleChoice, FinetuneRecipe { seed, ..recipe() }).into_iter().map(figures).collect::<Vec<_>>()
    };
    assert_eq!(curve(3), curve(3));
    assert_ne!(curve(3), curve(4));
}

#[test]
fn the_head_alone_learns_and_leaves_the_model_as_it_is() {
    let mut tuning = tuning(Form::Similarity, FinetuneRecipe { tuned: Tuned::Head, epochs: 5, ..recipe() });
    let weights = |tuning: &Finetune| tuning.parameters().to_checkpoint().unwrap();
    let (before, first) = (weights(&tuning), tuning.validate().unwrap());
    let last = tuning.by_ref().map(Result::unwrap).last().unwrap();
    assert!(weights(&tuning) == before);
    assert!(last.validation.unwrap().l2 < first.l2);
    assert_eq!((last.l1, last.l3), (0.0, last.l2));
}

#[test]
fn a_saved_classifier_says_the_same_and_similarity_is_symmetric() {
    for form in Form::ALL {
        let mut tuning = tuning(form, recipe());
        for step in tuning.by_ref() {
            step.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        tuning.save(folder.path(), Figures { trained_on: 12, ..Figures::default() }).unwrap();
        let classifier = Classifier::load(folder.path()).unwrap();
        assert_eq!(classifier.description().form, form);
        for (item, encoded) in examples(form).items.iter().zip(tuning.train_set()) {
            let features = net::features(tuning.decoder(), form, &[encoded], Pass::training(None)).unwrap();
            let choices = [encoded.sequences.len()];
            let log = net::log_probabilities(form, &features.extracted, tuning.head(), &choices).unwrap();
            let expected = log.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (found, truncated) = classifier.probabilities(&item.text, &item.others).unwrap();
            assert!(!truncated && (found.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - f64::from(expected).exp()).abs() < 1e-6, "{form}");
            }
            if form == Form::Similarity {
                let (other, _) = classifier.probabilities(&item.others[0], std::slice::from_ref(&item.text)).unwrap();
                assert!(found.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-6));
            }
        }
        // It is a checkpoint like any other, and a base for more: its special tokens are used again.
        let again = Base::open("again", &folder.path().into(), CancelToken::new()).unwrap();
        let vocab = again.parameters.config().vocab;
        let more = Finetune::new(again, &examples(form), &examples(form), recipe()).unwrap();
        assert_eq!(more.parameters().config().vocab, vocab);
    }
}

#[test]
fn a_folder_that_is_no_classifier_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &std::path::Path| Classifier::load(path).err().unwrap().to_string();
    assert!(message(folder.path()).contains("is no classifier"));
    std::fs::write(folder.path().join("classifier.json"), "{}").unwrap();
    assert!(message(folder.path()).contains("malformed"));
    std::fs::remove_file(folder.path().join("classifier.json")).unwrap();
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    let error = tuning(Form::Entailment, recipe()).save(folder.path(), Figures::default()).unwrap_err();
    assert!(error.to_string().contains("another folder"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("config.json")).unwrap(), b"{}");
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_the_weights_of_the_last_update() {
    let mut tuning = tuning(Form::Classification, FinetuneRecipe { lr: 1e30, epochs: 10, ..recipe() });
    let mut done = 0;
    let error = loop {
        match tuning.next().unwrap() {
            Ok(step) => done = step.step,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TrainError::NotFinite { .. }), "{error}");
    assert!(done > 0 && tuning.next().is_none());
}

#[test]
fn files_are_read_and_bad_lines_are_named() {
    let parse = |form, text: &str, format| Examples::parse(form, "f", text, format);
    let tsv = |form, text| parse(form, text, Format::Tsv);
    let read = tsv(Form::Entailment, "# a comment\nyes\ta\tb\n\nno\tc\td\n").unwrap();
    assert_eq!(read.labels, ["no", "yes"]);
    assert_eq!(read.items, [example(1, &["a", "b"]), example(0, &["c", "d"])]);
    assert_eq!(read.parse_more("g", "yes\tx\ty\n", Format::Tsv).unwrap().items, [example(1, &["x", "y"])]);
    let lines = "{\"label\": 1, \"text\": \"q\", \"choices\": [\"a\", \"b\"]}\n{\"label\": \"a\", \"text\": \"q\", \"choices\": [\"a\", \"b\", \"c\"]}";
    let read = parse(Form::MultipleChoice, lines, Format::Jsonl).unwrap();
    assert_eq!(read.items, [example(1, &["q", "a", "b"]), example(0, &["q", "a", "b", "c"])]);

    for (form, text, format, says) in [
        (Form::Classification, "a\tx\nb", Format::Tsv, "f, line 2: there is no tab"),
        (Form::Classification, "a\tx\nb\ty\tz", Format::Tsv, "f, line 2: classification takes one text"),
        (Form::Entailment, "a\tx", Format::Tsv, "f, line 1: entailment takes two texts"),
        (Form::Classification, "a\tx\na\ty", Format::Tsv, "f: every example has the label \"a\""),
        (Form::Classification, "\n", Format::Tsv, "f: there is no example"),
        (Form::Classification, "\tx", Format::Tsv, "f, line 1: the label is empty"),
        (Form::Classification, "a\t ", Format::Tsv, "f, line 1: a text is empty"),
        (Form::MultipleChoice, "2\tq\ta\tb", Format::Tsv, "f, line 1: the label \"2\" is neither"),
        (Form::MultipleChoice, "0\tq\ta", Format::Tsv, "f, line 1: multiple-choice takes"),
        (Form::Classification, "{", Format::Jsonl, "f, line 1: "),
        (Form::Classification, "{\"text\": \"a\"}", Format::Jsonl, "f, line 1: it has no \"label\""),
        (Form::Classification, "{\"label\": [], \"text\": \"a\"}", Format::Jsonl, "\"label\" is not a text"),
    ] {
        let message = parse(form, text, format).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    let known = tsv(Form::Classification, "a\tx\nb\ty").unwrap();
    let message = known.parse_more("g", "c\tz", Format::Tsv).unwrap_err().to_string();
    assert_eq!(message, "g, line 1: the label \"c\" is none of a, b");
    assert_eq!((Format::of("x.JSONL"), Format::of("x.tsv")), (Format::Jsonl, Format::Tsv));
}

#[test]
fn bad_recipes_name_the_setting() {
    let check = |change: fn(&mut FinetuneRecipe), key: &str| {
        let mut recipe = recipe();
        change(&mut recipe);
        let message = recipe.check().unwrap_err().to_string();
        assert!(message.starts_with(key), "{message}");
    };
    check(|r| r.lambda = -1.0, "lambda");
    check(|r| r.lr = f64::NAN, "lr");
    check(|r| r.dropout = 1.0, "dropout");
    check(|r| r.epochs = 0, "epochs");
    assert_eq!(FinetuneRecipe::for_parameters(124_000_000, None).tuned, Tuned::Head);
    assert_eq!(FinetuneRecipe::for_parameters(124_000_000, Some(Tuned::Whole)).lr, 6.25e-5);
    assert_eq!(FinetuneRecipe::for_parameters(1_000_000, None).tuned, Tuned::Whole);
}
