//! Known answers, ties, errors and the rule of one uniform a token.

use kshot::sampling::{Chain, Rng, SamplingError, Settings, StageCount, StageId, parse_order};

use super::survivors;

fn settings(text: &str) -> Settings {
    toml::from_str(text).unwrap()
}

fn kept(settings_text: &str, logits: &[f32], history: &[u32]) -> Vec<u32> {
    let found = Chain::new(&settings(settings_text)).distribution(logits, history, logits.len()).unwrap();
    survivors(&found).iter().map(|token| token.0).collect()
}

#[test]
fn cuts_on_known_rows() {
    // Natural logarithms of these probabilities are the logits.
    let half = [0.5f32, 0.25, 0.125, 0.0625, 0.0625].map(f32::ln);
    let equal = [1.5f32; 10];
    let none = f32::NEG_INFINITY;
    let cases: [(&str, &[f32], &[u32]); 19] = [
        ("top_k = 2", &half, &[0, 1]),
        ("top_k = 4", &half, &[0, 1, 2, 3]),
        ("top_k = 3", &equal, &[0, 1, 2]),
        ("top_k = 3", &[1.0, none, 2.0], &[0, 2]),
        ("top_p = 0", &half, &[0]),
        ("top_p = 0.4", &half, &[0]),
        ("top_p = 0.6", &half, &[0, 1]),
        ("top_p = 0.9", &half, &[0, 1, 2, 3]),
        ("top_p = 0.3", &equal, &[0, 1, 2]),
        ("min_p = 0.2", &half, &[0, 1, 2]),
        ("min_p = 1", &equal, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("min_p = 1", &half, &[0]),
        // The entropy is 1.875 bits; surprises 1, 2, 3, 4, 4 lie 0.875, 0.125, 1.125, 2.125 from it.
        ("typical_p = 0.2", &half, &[1]),
        ("typical_p = 0.5", &half, &[0, 1]),
        ("typical_p = 0.8", &half, &[0, 1, 2]),
        ("typical_p = 0.5", &equal, &[0, 1, 2, 3, 4]),
        ("typical_p = 0.9", &[0.0, none, -1e4, 0.0], &[0, 3]),
        ("temperature = 0", &[1.0, 3.0, 3.0, -1.0], &[1]),
        ("temperature = 0", &[-0.0, 0.0], &[0]),
    ];
    for (settings, logits, expected) in cases {
        assert_eq!(kept(settings, logits, &[]), expected, "{settings} on {logits:?}");
    }
}

#[test]
fn penalties_follow_the_published_rules() {
    let logits = [2.0f32, -2.0, 1.0, 0.0];
    let history = [9, 0, 1, 0, 0];
    let cases: [(&str, [f32; 4]); 8] = [
        ("repeat_penalty = 2\nrepeat_last_n = 4", [1.0, -4.0, 1.0, 0.0]),
        ("repeat_penalty = 0.5\nrepeat_last_n = 4", [4.0, -1.0, 1.0, 0.0]),
        ("repeat_penalty = 2\nrepeat_last_n = 2", [1.0, -2.0, 1.0, 0.0]),
        ("repeat_penalty = 2\nrepeat_last_n = 0", [2.0, -2.0, 1.0, 0.0]),
        ("frequency_penalty = 0.5\nrepeat_last_n = 4", [0.5, -2.5, 1.0, 0.0]),
        ("presence_penalty = 0.5\nrepeat_last_n = 4", [1.5, -2.5, 1.0, 0.0]),
        ("presence_penalty = -0.5\nrepeat_last_n = 4", [2.5, -1.5, 1.0, 0.0]),
        (
            "repeat_penalty = 2\nfrequency_penalty = 0.5\npresence_penalty = 1\nrepeat_last_n = 4",
            [-1.5, -5.5, 1.0, 0.0],
        ),
    ];
    for (text, expected) in cases {
        let found = Chain::new(&settings(text)).distribution(&logits, &history, 4).unwrap();
        let left = survivors(&found);
        for (id, logprob) in &left {
            let gap = f64::from(expected[*id as usize] - expected[3]);
            assert!((logprob - left[3].1 - gap).abs() < 1e-6, "{text}: token {id}");
        }
    }
    let outside = Chain::new(&settings("repeat_penalty = 2\nrepeat_last_n = -1")).distribution(&logits, &history, 4);
    assert_eq!(outside, Err(SamplingError::OutsideVocabulary { id: 9, len: 4 }));
}

#[test]
fn the_order_of_stages_matters() {
    // Shares 1, 0.3 and 0.02 of the best; at temperature 2 they are 1, 0.55 and 0.14.
    let logits = [0.0, 0.3f32.ln(), 0.02f32.ln()];
    let run = |order: &str| {
        let mut settings = settings("temperature = 2\nmin_p = 0.1");
        settings.set_order(parse_order(order).unwrap()).unwrap();
        Chain::new(&settings).distribution(&logits, &[], 3).unwrap()
    };
    let cut_first = run("min_p,temperature");
    let heated_first = run("temperature,min_p");
    assert_eq!(survivors(&cut_first).len(), 2);
    assert_eq!(survivors(&heated_first).len(), 3);
    assert_eq!(
        cut_first.survivors,
        [
            StageCount { stage: StageId::MinP, kept: 2, is_on: true },
            StageCount { stage: StageId::Temperature, kept: 2, is_on: true },
        ]
    );
    assert_eq!(survivors(&run("temperature")).len(), 3, "a stage that is not named does not run");
}

#[test]
fn logits_that_a_temperature_rounds_together_tie() {
    // Neighbours below 2 fall together above 1, where floats lie twice as far apart.
    let merges = |high: &f32| high.next_down() / 1.9 == high / 1.9;
    let high = std::iter::successors(Some(2f32.next_down()), |x| Some(x.next_down())).find(merges).unwrap();
    let mut row = vec![-5.0; 1000];
    row[7] = high.next_down();
    row[600] = high;
    let mut settings = settings("temperature = 1.9\ntop_k = 1");
    for (order, expected) in [("temperature,top_k", 7), ("top_k,temperature", 600)] {
        settings.set_order(parse_order(order).unwrap()).unwrap();
        let found = Chain::new(&settings).distribution(&row, &[], 5).unwrap();
        assert_eq!(survivors(&found), [(expected, 0.0)], "{order}");
    }
}

#[test]
fn neutral_settings_leave_the_model_as_it_is() {
    let logits = [0.5f32, -1.0, f32::NEG_INFINITY, 2.0];
    let found = Chain::new(&Settings::neutral()).distribution(&logits, &[1, 1], 4).unwrap();
    assert!(found.survivors.iter().all(|count| !count.is_on && count.kept == 3));
    assert_eq!(found.entropy_bits, found.entropy_sampled_bits);
    assert_eq!(found.top.iter().map(|token| token.id).collect::<Vec<_>>(), [3, 0, 1]);
    for token in &found.top {
        assert!((token.logprob_sampled.unwrap() - token.logprob).abs() < 1e-6);
    }
}

#[test]
fn greedy_takes_the_lowest_of_equal_ids_with_certainty() {
    let mut row = vec![-3.0f32; 50_257];
    row[40_000] = 1.0;
    row[777] = 1.0;
    for preset in ["greedy", "balanced", "transformers"] {
        let mut settings = Settings::preset(preset).unwrap();
        settings.set_text(kshot::sampling::ParamId::Temperature, "greedy").unwrap();
        for seed in 0..20 {
            let sampled = Chain::new(&settings).sample(&row, &[], &mut Rng::new(seed)).unwrap();
            assert_eq!((sampled.id, sampled.rank, sampled.logprob_sampled), (777, 1, 0.0), "{preset}");
            assert_eq!(sampled.entropy_sampled_bits, 0.0);
        }
    }
}

#[test]
fn broken_rows_are_errors_with_names_and_take_no_random_number() {
    let nan = f32::NAN;
    let cases: [(&str, Vec<f32>, &str); 6] = [
        ("", vec![], "the model gave no logits at all"),
        ("", vec![0.0, nan, nan], "2 of 3 logits are NaN, the first for token id 1"),
        ("top_k = 1", vec![1.0, f32::INFINITY], "1 of 2 logits are +inf, the first for token id 1"),
        ("temperature = 0", vec![f32::NEG_INFINITY; 4], "all 4 logits are -inf"),
        ("temperature = 0.5", vec![3e38, 0.0], "overflow the logits"),
        ("temperature = 1e-40\ntop_p = 0.5\ntypical_p = 0.5\nmin_p = 0.1", vec![1.0, 0.0], "overflow the logits"),
    ];
    for (text, row, message) in cases {
        let mut rng = Rng::new(5);
        for order in ["temperature,typical,top_p,min_p,top_k", "top_k,typical,min_p,top_p,temperature"] {
            let mut settings = settings(text);
            settings.set_order(parse_order(order).unwrap()).unwrap();
            let error = Chain::new(&settings).sample(&row, &[], &mut rng).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
        assert_eq!(rng.uniform(), Rng::new(5).uniform());
    }
}

#[test]
fn a_token_takes_exactly_one_uniform() {
    for preset in kshot::sampling::presets() {
        let (mut drawn, mut counted) = (Rng::new(11), Rng::new(11));
        let mut chain = Chain::new(&preset.settings());
        for _ in 0..50 {
            chain.sample(&[0.0, 1.0, 0.5, 0.2], &[1, 2], &mut drawn).unwrap();
            counted.uniform();
        }
        assert_eq!(drawn.uniform(), counted.uniform(), "{}", preset.name);
    }
}
