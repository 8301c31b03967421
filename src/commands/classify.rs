//! `kshot classify`: labels and their probabilities.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context as _, bail};
use kshot::hub::Source;
use kshot::train::finetune::{Classifier, Form};
use serde::Serialize;
use serde_json::{Map, Value};

use super::model;
use super::{Context, Status, Usage};
use crate::cli::ClassifyArgs;

/// A line of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    label: &'a str,
    probability: f64,
    /// By label, in the order of the classifier's; for multiple choice, by choice.
    probabilities: Map<String, Value>,
    texts: &'a [String],
    truncated: bool,
}

pub(super) fn run(args: &ClassifyArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let name = model::name(args.model.as_deref(), cx);
    let Source::Folder(folder) = Source::of(&name)? else {
        bail!("{name} is no folder; a classifier is a folder that `kshot finetune -o FOLDER` wrote");
    };
    let classifier = Classifier::load(&folder)?;
    if !args.texts.is_empty() {
        classify(&classifier, &args.texts, args.json, cx)?;
        return Ok(Status::Done);
    }
    if std::io::stdin().is_terminal() {
        bail!(Usage("no text: give TEXT, or pipe lines in".into()));
    }
    for (index, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.context("cannot read stdin")?;
        if line.trim().is_empty() {
            continue;
        }
        let texts: Vec<String> = line.split('\t').map(str::to_owned).collect();
        classify(&classifier, &texts, args.json, cx).with_context(|| format!("stdin, line {}", index + 1))?;
    }
    Ok(Status::Done)
}

fn classify(classifier: &Classifier, texts: &[String], json: bool, cx: &mut Context) -> anyhow::Result<()> {
    let description = classifier.description();
    let form = description.form;
    if !form.takes(texts.len()) {
        bail!(Usage(format!("this classifier is for {form} and takes {}, not {} texts", form.wants(), texts.len())));
    }
    let (probabilities, truncated) = classifier.probabilities(&texts[0], &texts[1..])?;
    let labels = if form == Form::MultipleChoice { &texts[1..] } else { description.labels.as_slice() };
    let best = (0..labels.len()).fold(0, |best, at| if probabilities[at] > probabilities[best] { at } else { best });
    if truncated {
        cx.note("a text is longer than its share of the context and was cut");
    }
    if json {
        let of = labels.iter().cloned().zip(probabilities.iter().map(|p| Value::from(*p))).collect();
        let (label, probability) = (&labels[best], probabilities[best]);
        return cx.out.json(&Report { label, probability, probabilities: of, texts, truncated });
    }
    let of = labels.iter().zip(&probabilities);
    let of: Vec<String> = of.map(|(label, p)| format!("{} {:.1}%", cx.out.label(label), 100.0 * p)).collect();
    let line = format!("{}\t{}", cx.out.label(&labels[best]), of.join("  "));
    cx.out.line(line)
}
