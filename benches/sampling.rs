//! Microseconds a token for drawing from 50,257 logits, contestants side by side in one run.
//!
//! `cargo bench --bench sampling`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark is a program: it prints and may stop on an error"
)]

use std::hint::black_box;
use std::time::Instant;

use kshot::sampling::{Chain, ParamId, Rng, Settings};
use llm_samplers::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand08::SeedableRng;

const VOCABULARY: usize = 50_257;
const HISTORY: usize = 200;
const ROUNDS: usize = 21;
const TOKENS_A_ROUND: usize = 20;
/// What the panes ask for with every token (ARCHITECTURE.md, "Generation").
const KEPT_CANDIDATES: usize = 512;

type Draw = Box<dyn FnMut(&[f32], &[u32]) -> u32>;
type Contestant = (String, Draw);

fn main() {
    let rows: Vec<Vec<f32>> = (0..8).map(logits).collect();
    let history: Vec<u32> = (0..HISTORY as u32).map(|i| (i * i * 31) % 5000).collect();

    let presets = ["greedy", "balanced", "creative", "transformers"];
    let mut contestants: Vec<Contestant> =
        presets.iter().map(|name| own(name, &Settings::preset(name).unwrap(), 0)).collect();
    contestants.push(own("balanced, top 512 kept", &Settings::default(), KEPT_CANDIDATES));
    contestants.push(own("temperature only", &changed(&[(ParamId::Temperature, "0.8")]), 0));
    contestants.push(own("top-p only", &changed(&[(ParamId::TopP, "0.95")]), 0));
    contestants.push(own("typical only", &changed(&[(ParamId::TypicalP, "0.95")]), 0));
    contestants.push(own("all stages", &all_stages("penalties,top_k,typical,top_p,min_p,temperature"), 0));
    contestants.push(own("all stages, top-k last", &all_stages("penalties,temperature,typical,top_p,min_p,top_k"), 0));
    let baseline = contestants.len();
    contestants.push(("llm-samplers, balanced".to_owned(), theirs()));

    // Contestants take turns within a round, so that a slow moment of the machine hits all of them.
    let mut times = vec![Vec::with_capacity(ROUNDS); contestants.len()];
    for round in 0..=ROUNDS {
        for ((_, sample), times) in contestants.iter_mut().zip(&mut times) {
            let start = Instant::now();
            for token in 0..TOKENS_A_ROUND {
                black_box(sample(&rows[token % rows.len()], &history));
            }
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e6 / TOKENS_A_ROUND as f64);
            }
        }
    }

    println!(
        "{VOCABULARY} logits, history of {HISTORY}, median of {ROUNDS} rounds x {TOKENS_A_ROUND} tokens, one thread"
    );
    println!("cpu: {}\n", cpu_name());
    println!("{:28} {:>10} {:>10} {:>22}", "chain", "us/token", "best", "times llm-samplers");
    let reference = median(&mut times[baseline]);
    for ((name, _), times) in contestants.iter().zip(&mut times) {
        let median = median(times);
        let best = times.first().copied().unwrap_or_default();
        println!("{name:28} {median:>10.1} {best:>10.1} {:>22.1}", reference / median);
    }
}

fn own(name: &str, settings: &Settings, top: usize) -> Contestant {
    let mut chain = Chain::new(settings).with_top(top);
    let mut rng = Rng::new(42);
    (name.to_owned(), Box::new(move |row, history| chain.sample(row, history, &mut rng).unwrap().id))
}

fn theirs() -> Draw {
    let mut chain = SamplerChain::new();
    chain += SampleTopK::new(40, 1);
    chain += SampleTopP::new(0.95, 1);
    chain += SampleMinP::new(0.05, 1);
    chain += SampleTemperature::new(0.8);
    chain += SampleRandDistrib::new();
    let rng = Box::new(ChaCha8Rng::seed_from_u64(42));
    let mut resources = SimpleSamplerResources::new(Some(rng), None);
    Box::new(move |row, _| {
        let mut logits = Logits::try_from_iter(row.iter().copied()).unwrap();
        chain.sample_token(&mut resources, &mut logits).unwrap().unwrap()
    })
}

fn changed(changes: &[(ParamId, &str)]) -> Settings {
    let mut settings = Settings::neutral();
    for (param, text) in changes {
        settings.set_text(*param, text).unwrap();
    }
    settings
}

fn all_stages(order: &str) -> Settings {
    let mut settings = changed(&[
        (ParamId::Temperature, "0.8"),
        (ParamId::TopK, "100"),
        (ParamId::TopP, "0.95"),
        (ParamId::MinP, "0.02"),
        (ParamId::TypicalP, "0.95"),
        (ParamId::RepeatPenalty, "1.1"),
        (ParamId::FrequencyPenalty, "0.1"),
        (ParamId::PresencePenalty, "0.1"),
    ]);
    settings.set_order(kshot::sampling::parse_order(order).unwrap()).unwrap();
    settings
}

/// A row shaped like GPT-2's: around −33 with a spread of 2.3, rarer tokens lower, and a geometric head of likely ones.
fn logits(seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let mut row: Vec<f32> = (0..VOCABULARY)
        .map(|id| {
            let normal = (0..6).map(|_| rng.uniform()).sum::<f64>() - 3.0;
            (-33.0 + normal * 2.3 / 0.707 - 3.0 * id as f64 / VOCABULARY as f64) as f32
        })
        .collect();
    for place in 0..60 {
        let id = (rng.uniform() * VOCABULARY as f64) as usize;
        row[id] = (-18.0 - 2.0 * f64::from(place).sqrt() * (0.7 + rng.uniform() * 0.6)) as f32;
    }
    row
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(':').nth(1)).unwrap_or(" unknown").trim().to_owned()
}
