//! Measures the built-in model and prints its model card.
//!
//!     cargo run --release --example card -- FOLDER [--limit 200] > card.md
//!
//! FOLDER is what `kshot train --preset builtin` wrote or exported. Every figure is of this run: the suites of
//! `src/corpus` by exact match, one table a group and nothing averaged over tasks; stories beside fresh documents of the
//! generator; samples as they came. `--limit` is items of each cell, `--note` a remark on how the weights were
//! made, `--stream-steps` how many steps of the training
//! stream are searched for what stories share with it (all of them by default).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a card")]

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use kshot::corpus::{self, Group, SUITES};
use kshot::engine::{Backend, CancelToken, Device, GenerateRequest, LoadRequest, LocalModel, OnEndOfText, Produced};
use kshot::eval::{Evaluation, Figures, Instructions, Plan, Rate, Source, Start, Tally};
use kshot::model::{Dtype, DtypeChoice};
use kshot::sampling::{ParamId, Settings};
use kshot::text::figures::grouped;
use kshot::text::{SpecialTokens, TokenId, Tokenizer};
use kshot::train::{Generated, Noise, Preset, Schedule, Source as _};
use sha2::{Digest as _, Sha256};

/// Stories for the figures; the card shows the first 20.
const STORIES: usize = 100;
const SHOWN: usize = 20;
const TEMPERATURE: f32 = 0.7;
/// Words of a fresh story that each sample begins with.
const BEGINNING: usize = 3;
const SHOTS: [usize; 5] = [0, 1, 2, 4, 8];

/// What no table says.
const CANNOT: &str = "
## What it cannot do

- It knows some 700 English and French words and 150 Han characters. Any other word is spelled letter by letter and means
  nothing to it: it is copied, put in capitals or given a label, and never translated.
- A word that no mapping of the training text labels is hardly taken for one that can be labelled (`mapping-2-new-words`):
  what never happened in training is taken for unlikely, not for new.
- It adds by what it has seen of sums up to 20 + 20, and counts on digit by digit: what `next-number` misses is 99, which it
  was never asked about and takes for 9.
- Without an example or an instruction, a word alone is answered with the task it leans to in the training text; that is a
  property of the generator (`src/corpus/runs.rs`), made so that no task wins everywhere.
- Its sentences are those of the generator's frames. It has no facts but the capitals, colours and kinds listed in
  `assets/corpus`, follows no instruction that is not one of the generator's lines, and does not chat.
- The context is 256 tokens; learned positions end there.";

fn main() -> anyhow::Result<()> {
    let (mut folder, mut limit, mut stream_steps, mut note) = (None, 200usize, u64::MAX, String::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().context("a value is missing");
        match argument.as_str() {
            "--limit" => limit = value()?.parse()?,
            "--note" => note = value()?,
            "--stream-steps" => stream_steps = value()?.parse()?,
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.context("usage: card FOLDER [--limit N] [--stream-steps N]")?;
    let request = LoadRequest {
        name: "built-in".into(),
        files: folder.clone().into(),
        dtype: DtypeChoice::Is(Dtype::F32),
        device: Device::Cpu,
    };
    let mut model = LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {})?;
    let info = model.info().clone();
    let recipe = (Preset::find("builtin").context("no preset builtin")?.recipe)();

    let floor = match recipe.schedule {
        Schedule::Cosine { floor } => format!("{} %", 100.0 * floor),
        other => format!("{other:?}"),
    };
    println!("# The built-in model\n");
    println!(
        "A GPT-2 of {} parameters ({} layers of {}, {} heads, context {}, vocabulary {}), trained by `kshot train` from nothing\non text that kshot generates (`src/corpus`): few-shot runs of small tasks, copying, short stories, facts, small talk. It is\nhere so that kshot shows in-context learning without a network; it knows some {} words and nothing of the world.\n",
        grouped(info.parameters as usize),
        info.layers,
        info.width,
        info.heads,
        info.context,
        info.vocab,
        700
    );
    println!("## How it was made\n");
    println!(
        "`just train-builtin`: {} steps of {} tokens, AdamW with a largest rate of {:.0e} and a cosine to {} of it, seed {}. The text is\ndrawn anew for every step, so no document is seen twice on purpose.\n",
        recipe.steps,
        recipe.tokens_a_step(),
        recipe.lr,
        floor,
        recipe.seed
    );

    if !note.is_empty() {
        println!("{note}\n");
    }
    eprintln!("suites");
    suites(&model, limit)?;
    eprintln!("stories");
    stories(&mut model, &recipe, stream_steps)?;

    println!("{CANNOT}");
    files(&folder)
}

/// The hashes that `kshot models verify` compares.
fn files(folder: &Path) -> anyhow::Result<()> {
    println!("\n## Files\n");
    println!("`kshot models verify built-in` reads these lines, as sha256sum writes them:\n\n```");
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        let hash = Sha256::digest(std::fs::read(folder.join(name))?);
        println!("{}  {name}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    println!("```");
    Ok(())
}

fn suites(model: &LocalModel, limit: usize) -> anyhow::Result<()> {
    let sources = || SUITES.iter().map(|suite| Source::suite(suite.name)).collect::<Result<Vec<_>, _>>();
    let plan = |shots: &[usize], instruction| -> anyhow::Result<Plan<'static>> {
        Ok(Plan { sources: sources()?, shots: shots.to_vec(), limit, seed: 1, instruction })
    };
    let hidden = figures(model, &plan(&SHOTS, Instructions::Hidden)?)?;
    let told = figures(model, &plan(&[0], Instructions::Shown)?)?;

    println!("## What it can do\n");
    println!(
        "`kshot eval --suite all --shots 0,1,2,4,8 --no-instruction --limit {limit} --seed 1` and, for the column \"told\", `--shots 0\n--instruction`. Exact match of the greedy answer up to the end of its line, in percent, ± one standard error\n(√(p(1−p)/n), n = {limit}; where all or none were right, Wilson's 95 % interval reaches {:.1} points away). Questions are of the\nreserved side where there is one: letter strings, labels, keys, sentences, sums and phrases that training never shows.\n",
        100.0 * (1.0 - wilson_of_all(limit))
    );
    let groups: [(Group, &str); 6] = [
        (
            Group::Ambiguous,
            "Words that are a question of at least four tasks: without an example or an instruction nobody can know which",
        ),
        (Group::Unambiguous, "Questions that say what they are"),
        (Group::Rule, "Rules on letter strings and numbers never seen in training"),
        (Group::Mapping, "Kinds of words and labels that mean them in this prompt only, examples drawn independently"),
        (Group::Recall, "Keys and values never seen in training: k pairs, then one of the keys"),
        (Group::Post, "The post's own form, `Translate it, I love computer,`, with other sentences"),
    ];
    for (group, title) in groups {
        println!("{title}:\n");
        let header: Vec<String> = SHOTS.iter().map(|k| format!("k = {k}")).collect();
        println!("| suite | told | {} |", header.join(" | "));
        println!("|---|---|{}", "---|".repeat(SHOTS.len()));
        for suite in SUITES.iter().filter(|suite| suite.group == group) {
            let of = |all: &[Figures], k: usize| all.iter().find(|f| f.task == suite.name && f.shots == k).cloned();
            let told = of(&told, 0).map_or_else(String::new, |f| percent(f.exact_match));
            let cells: Vec<String> = SHOTS
                .iter()
                .map(|k| {
                    let Some(f) = of(&hidden, *k) else { return String::new() };
                    let mut cell = percent(f.exact_match);
                    if let (Group::Mapping, Some(valid)) = (group, f.valid) {
                        let ceiling = 100.0 * (suite.ceiling)(*k);
                        cell += &format!(" of {ceiling:.1}, valid {:.0}", valid.percent());
                    }
                    cell
                })
                .collect();
            println!("| {} | {told} | {} |", suite.name, cells.join(" | "));
        }
        println!();
    }
    Ok(())
}

fn percent(rate: Rate) -> String {
    format!("{:.1} ± {:.1}", rate.percent(), rate.standard_error())
}

fn wilson_of_all(n: usize) -> f64 {
    let z2 = 1.96f64 * 1.96;
    n as f64 / (n as f64 + z2)
}

fn figures(model: &LocalModel, plan: &Plan<'_>) -> anyhow::Result<Vec<Figures>> {
    let cancel = AtomicBool::new(false);
    let mut tally = Tally::new(plan);
    for record in Evaluation::new(model.decoder(), model.tokenizer(), plan.questions(), Start::Prompt, &cancel) {
        tally.add(&record?);
    }
    Ok(tally.figures)
}

fn stories(model: &mut LocalModel, recipe: &kshot::train::Recipe, stream_steps: u64) -> anyhow::Result<()> {
    let tokenizer = model.tokenizer().clone();
    let fresh: Vec<String> = corpus::stories(20_261_124).take(2 * STORIES).collect();
    let (begun, documents) = fresh.split_at(STORIES);
    let mut samples = Vec::with_capacity(STORIES);
    for (seed, story) in begun.iter().enumerate() {
        let beginning = story.split(' ').take(BEGINNING).collect::<Vec<_>>().join(" ");
        samples.push(sample(model, &tokenizer, &beginning, seed as u64)?);
    }
    let token_ids = |texts: &[String]| -> anyhow::Result<Vec<Vec<TokenId>>> {
        texts.iter().map(|text| Ok(tokenizer.encode(text, SpecialTokens::Literal)?)).collect()
    };
    let (sampled, generated) = (token_ids(&samples)?, token_ids(documents)?);
    let shared = shared_with_stream(&[&sampled, &generated], &tokenizer, recipe, stream_steps)?;

    println!("## Its stories\n");
    println!(
        "{STORIES} samples at temperature {TEMPERATURE} (no other stage; seeds 0 to {}), each begun with the first {BEGINNING} words of a fresh story of the\ngenerator, beside {STORIES} other fresh stories. Names and things kept: `corpus::consistency`. Shared: the longest run of tokens\nthat a text has in common with the {} sequences of the training stream, median and longest.\n",
        STORIES - 1,
        recipe.steps.min(stream_steps) * recipe.batch as u64,
    );
    println!(
        "| | distinct-2, pooled | names and things kept | shared tokens, median | shared, longest | mean length |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, texts, ids, shared) in
        [("samples", &samples[..], &sampled, &shared[0]), ("generator", documents, &generated, &shared[1])]
    {
        let (mut kept, mut checked) = (0, 0);
        for text in texts {
            let found = corpus::consistency(text);
            kept += found.kept;
            checked += found.checked;
        }
        let mut lengths = shared.clone();
        lengths.sort_unstable();
        println!(
            "| {name} | {:.3} | {:.1} % of {checked} | {} | {} | {:.0} tokens |",
            distinct_2(texts),
            100.0 * kept as f64 / checked.max(1) as f64,
            lengths[lengths.len() / 2],
            lengths[lengths.len() - 1],
            ids.iter().map(Vec::len).sum::<usize>() as f64 / ids.len() as f64
        );
    }
    println!("\nThe first {SHOWN} samples, none selected:\n");
    for (number, text) in samples.iter().take(SHOWN).enumerate() {
        println!("{}. {}", number + 1, text.trim().replace('\n', " / "));
    }
    Ok(())
}

fn sample(model: &mut LocalModel, tokenizer: &Tokenizer, beginning: &str, seed: u64) -> anyhow::Result<String> {
    let mut settings = Settings::neutral();
    settings.set_text(ParamId::Temperature, &TEMPERATURE.to_string())?;
    let request = GenerateRequest {
        prompt: tokenizer.encode(beginning, SpecialTokens::Literal)?.into(),
        sequences: 1,
        max_tokens: 200,
        settings,
        seed: Some(seed),
        temperatures: Vec::new(),
        stop: Vec::new(),
        on_end_of_text: OnEndOfText::Stop,
        top: 0,
    };
    let mut text = beginning.as_bytes().to_vec();
    model.generate(&request, &CancelToken::new(), &mut |produced| {
        if let Produced::Step(step) = produced {
            text.extend_from_slice(&step.bytes[..step.shown]);
        }
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Different pairs of words over all pairs of words, all texts together (Li et al. 2016).
fn distinct_2(texts: &[String]) -> f64 {
    let (mut pairs, mut all) = (HashSet::new(), 0);
    for text in texts {
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            pairs.insert((pair[0], pair[1]));
            all += 1;
        }
    }
    pairs.len() as f64 / f64::from(all.max(1))
}

/// For each text of each set, the longest run of tokens that it shares with a sequence of the training stream.
fn shared_with_stream(
    sets: &[&[Vec<TokenId>]],
    tokenizer: &Tokenizer,
    recipe: &kshot::train::Recipe,
    steps: u64,
) -> anyhow::Result<Vec<Vec<usize>>> {
    const GRAM: usize = 6;
    let mut starts: HashMap<&[TokenId], Vec<(usize, usize, usize)>> = HashMap::new();
    for (set, texts) in sets.iter().enumerate() {
        for (text, ids) in texts.iter().enumerate() {
            for (at, gram) in ids.windows(GRAM).enumerate() {
                starts.entry(gram).or_default().push((set, text, at));
            }
        }
    }
    let mut longest: Vec<Vec<usize>> = sets.iter().map(|texts| vec![0; texts.len()]).collect();
    let source = Generated::new(tokenizer.clone())?;
    for step in 0..recipe.steps.min(steps) {
        let rows = source.rows(Noise::of(recipe.seed, "batch", step), recipe.batch, recipe.context);
        for row in rows.tokens.chunks(recipe.context) {
            for at in 0..row.len().saturating_sub(GRAM) {
                for &(set, text, from) in starts.get(&row[at..at + GRAM]).into_iter().flatten() {
                    // A run is followed from where it begins.
                    let ids = &sets[set][text];
                    if at > 0 && from > 0 && row[at - 1] == ids[from - 1] {
                        continue;
                    }
                    let run = row[at..].iter().zip(&ids[from..]).take_while(|(a, b)| a == b).count();
                    longest[set][text] = longest[set][text].max(run);
                }
            }
        }
    }
    Ok(longest)
}
