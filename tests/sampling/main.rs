//! The sampling chain against its textbook, known answers, draw frequencies and a golden file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod golden;
mod known;
mod rows;
mod textbook;
mod theirs;

use kshot::sampling::{Chain, Distribution, Rng, Settings};

/// The chain's result for every token of the row: id and log-probability of those that are left, in the order of ids.
fn survivors(distribution: &Distribution) -> Vec<(u32, f64)> {
    let mut left: Vec<(u32, f64)> = distribution
        .top
        .iter()
        .filter_map(|token| token.logprob_sampled.map(|logprob| (token.id, f64::from(logprob))))
        .collect();
    left.sort_by_key(|token| token.0);
    left
}

/// One case: what the chain and the textbook say about the same row. Ok(false) is a close call.
fn compare(settings: &Settings, chain: &mut Chain, row: &[f32], history: &[u32]) -> Result<bool, String> {
    let book = textbook::run(settings, row, history);
    let found = chain.distribution(row, history, row.len()).map_err(|error| error.to_string())?;
    if book.is_close_call {
        return Ok(false);
    }
    let left = survivors(&found);
    let ids: Vec<u32> = left.iter().map(|token| token.0).collect();
    let expected: Vec<u32> = book.tokens.iter().map(|token| token.0).collect();
    if ids != expected {
        return Err(format!("keeps {} tokens, the textbook {}: {ids:?} {expected:?}", ids.len(), expected.len()));
    }
    let counts: Vec<usize> = found.survivors.iter().map(|count| count.kept).collect();
    if counts != book.counts {
        return Err(format!("counts {counts:?}, the textbook {:?}", book.counts));
    }
    for ((id, logprob), (_, _, probability)) in left.iter().zip(&book.tokens) {
        if (logprob.exp() - probability).abs() > 2e-6 {
            return Err(format!("token {id}: probability {} against {probability}", logprob.exp()));
        }
    }
    let entropy: f64 = book.tokens.iter().map(|t| if t.2 > 0.0 { -t.2 * t.2.log2() } else { 0.0 }).sum();
    if (f64::from(found.entropy_sampled_bits) - entropy).abs() > 1e-4 {
        return Err(format!("entropy {} against {entropy}", found.entropy_sampled_bits));
    }
    Ok(true)
}

#[test]
fn every_chain_is_its_textbook() {
    let lengths = [1, 2, 3, 17, 64, 257, 1000, 2500];
    let (mut cases, mut close) = (0, 0);
    let mut failures = vec![];
    for seed in 0..6000u64 {
        let mut rng = Rng::new(seed);
        let settings = rows::settings(&mut rng);
        let mut chain = Chain::new(&settings);
        // Two rows of different lengths through one chain: its buffers carry nothing over.
        for _ in 0..2 {
            let shape = rows::SHAPES[rows::below(&mut rng, rows::SHAPES.len())];
            let row = rows::row(shape, lengths[rows::below(&mut rng, lengths.len())], &mut rng);
            let history_len = rows::below(&mut rng, 150);
            let history = rows::history(row.len(), history_len, &mut rng);
            cases += 1;
            match compare(&settings, &mut chain, &row, &history) {
                Ok(true) => {}
                Ok(false) => close += 1,
                Err(what) => failures.push(format!("seed {seed}, {shape} {}, {settings:?}: {what}", row.len())),
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {cases} differ:\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );
    assert!(close * 5 < cases, "{close} of {cases} cases are too close to tell");
}

#[test]
fn bias_and_bans_come_first_and_are_their_textbook() {
    let lengths = [5, 17, 64, 257, 1000, 2500];
    let (mut told, mut banned) = (0, 0);
    let mut failures = vec![];
    for seed in 0..3000u64 {
        let mut rng = Rng::new(seed);
        let mut settings = rows::settings(&mut rng);
        let shape = rows::SHAPES[rows::below(&mut rng, rows::SHAPES.len())];
        let row = rows::row(shape, lengths[rows::below(&mut rng, lengths.len())], &mut rng);
        // At most four entries, so that of five tokens one stays.
        let bias: Vec<(u32, f32)> = (0..1 + rows::below(&mut rng, 4))
            .map(|_| {
                let id = rows::below(&mut rng, row.len()) as u32;
                let add = if rng.uniform() < 0.4 { f32::NEG_INFINITY } else { (rng.uniform() * 40.0 - 20.0) as f32 };
                (id, add)
            })
            .collect();
        // The most likely token too, where a cut that looked at raw logits would go wrong.
        let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32;
        let bias = if seed % 3 == 0 { vec![(best, f32::NEG_INFINITY)] } else { bias };
        settings.set_bias(bias.clone()).unwrap();
        let history = rows::history(row.len(), 40, &mut rng);
        let left =
            |id: usize| row[id] > f32::NEG_INFINITY && !settings.bias().contains(&(id as u32, f32::NEG_INFINITY));
        let mut chain = Chain::new(&settings);
        if !(0..row.len()).any(left) {
            assert_eq!(chain.distribution(&row, &history, 1).unwrap_err(), kshot::sampling::SamplingError::AllBanned);
            continue;
        }
        match compare(&settings, &mut chain, &row, &history) {
            Ok(is_told) => told += usize::from(is_told),
            Err(what) => failures.push(format!("seed {seed}, {shape} {}, {bias:?}: {what:.400}", row.len())),
        }
        let drawn = chain.sample(&row, &history, &mut rng).unwrap();
        assert!(!settings.bias().contains(&(drawn.id, f32::NEG_INFINITY)), "seed {seed}: a banned token was drawn");
        assert_eq!(drawn.survivors[0].stage, kshot::sampling::StageId::Bias);
        banned += drawn.candidates - drawn.survivors[0].kept;
    }
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures[..failures.len().min(5)].join("\n"));
    assert!(told > 2000 && banned > 1000, "{told} clear cases, {banned} bans");
}

#[test]
fn every_stage_alone_is_its_textbook_over_a_whole_vocabulary() {
    use kshot::sampling::ParamId::*;
    let stages = [
        (Temperature, "0.7"),
        (Temperature, "0"),
        (TopK, "1"),
        (TopK, "40"),
        (TopK, "20000"),
        (TopP, "0.5"),
        (TopP, "0.95"),
        (TopP, "0.9999"),
        (MinP, "0.05"),
        (TypicalP, "0.2"),
        (TypicalP, "0.95"),
        (RepeatPenalty, "1.3"),
        (RepeatPenalty, "0.8"),
        (FrequencyPenalty, "0.5"),
        (PresencePenalty, "-1.5"),
    ];
    let mut failures = vec![];
    let mut told = 0;
    for (param, text) in stages {
        let mut settings = Settings::neutral();
        settings.set_text(param, text).unwrap();
        for (seed, shape) in ["normal", "peaked", "ties", "masked"].into_iter().enumerate() {
            let mut rng = Rng::new(seed as u64);
            let row = rows::row(shape, 50_257, &mut rng);
            let history = rows::history(row.len(), 100, &mut rng);
            match compare(&settings, &mut Chain::new(&settings), &row, &history) {
                Ok(is_told) => told += usize::from(is_told),
                Err(what) => failures.push(format!("{param:?} {text}, {shape}: {what:.300}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(told >= 50, "only {told} of 60 cases are clear");
}

#[test]
fn a_draw_inverts_the_summed_probabilities_and_tells_all_about_its_token() {
    let mut told = 0;
    for seed in 0..2000u64 {
        let mut rng = Rng::new(seed);
        let settings = rows::settings(&mut rng);
        let shape = rows::SHAPES[rows::below(&mut rng, rows::SHAPES.len())];
        let row = rows::row(shape, 700, &mut rng);
        let history = rows::history(row.len(), 40, &mut rng);
        let book = textbook::run(&settings, &row, &history);
        let uniform = rng.clone().uniform();
        let sampled = Chain::new(&settings).with_top(3).sample(&row, &history, &mut rng).unwrap();

        let mut passed = 0.0;
        let crossing = book.tokens.iter().find(|token| {
            passed += token.2;
            passed > uniform
        });
        let Some(&(id, _, probability)) = crossing else {
            continue;
        };
        if book.is_close_call || (passed - uniform).abs() < 1e-5 || (passed - probability - uniform).abs() < 1e-5 {
            continue;
        }
        told += 1;
        assert_eq!(sampled.id, id, "seed {seed}");
        assert!((f64::from(sampled.logprob_sampled).exp() - probability).abs() < 2e-6, "seed {seed}");

        let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - max).exp()).sum();
        let logprob = f64::from(row[id as usize]) - max - sum.ln();
        assert!((f64::from(sampled.logprob) - logprob).abs() < 1e-5 * (1.0 + logprob.abs()), "seed {seed}");
        assert!((sampled.log_sum_exp - max - sum.ln()).abs() < 1e-6, "seed {seed}");
        let better = |&(other, &x): &(u32, &f32)| x > row[id as usize] || x == row[id as usize] && other < id;
        assert_eq!(sampled.rank, 1 + (0..).zip(&row).filter(better).count(), "seed {seed}");
        let terms = row.iter().map(|&x| f64::from(x) - max - sum.ln()).filter(|l| l.is_finite());
        let entropy: f64 = terms.map(|l| -l.exp() * l).sum::<f64>() / std::f64::consts::LN_2;
        assert!((f64::from(sampled.entropy_bits) - entropy).abs() < 1e-4, "seed {seed}");
        assert_eq!(sampled.candidates, row.iter().filter(|x| x.is_finite()).count());
        assert_eq!(sampled.top.len(), 3.min(sampled.candidates));
    }
    assert!(told > 1500, "only {told} of 2000 cases are clear");
}

#[test]
fn draws_are_as_frequent_as_the_distribution_says() {
    const DRAWS: usize = 200_000;
    for (seed, preset) in ["neutral", "balanced", "creative", "transformers"].into_iter().enumerate() {
        let settings = Settings::preset(preset).unwrap();
        let mut rng = Rng::new(seed as u64);
        // More tokens than one block of the draw, few enough that most are expected often.
        let row: Vec<f32> = rows::row("normal", 600, &mut rng).iter().map(|x| (x + 33.0) / 4.0).collect();
        let book = textbook::run(&settings, &row, &[]);
        let mut chain = Chain::new(&settings);
        let mut counts = vec![0usize; row.len()];
        for _ in 0..DRAWS {
            counts[chain.sample(&row, &[], &mut rng).unwrap().id as usize] += 1;
        }
        let drawn_from_book: usize = book.tokens.iter().map(|t| counts[t.0 as usize]).sum();
        assert_eq!(drawn_from_book, DRAWS, "{preset}: only tokens that are left are drawn");
        let expected: Vec<(usize, f64)> =
            book.tokens.iter().map(|t| (counts[t.0 as usize], t.2 * DRAWS as f64)).filter(|e| e.1 >= 5.0).collect();
        let chi2: f64 = expected.iter().map(|&(n, e)| (n as f64 - e).powi(2) / e).sum();
        let freedom = expected.len() as f64 - 1.0;
        // Five standard deviations above the mean of chi-square; the seeds are fixed, so this never flickers.
        assert!(expected.len() > 10, "{preset}");
        assert!(chi2 < freedom + 5.0 * (2.0 * freedom).sqrt(), "{preset}: chi-square {chi2} with {freedom}");
    }
}
