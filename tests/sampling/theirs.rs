//! Those members of llm-samplers that are right keep the same tokens as kshot's own.

use kshot::sampling::{Chain, Rng, Settings};
use llm_samplers::prelude::*;

use super::{rows, survivors};

type Make = fn() -> Box<dyn Sampler>;

#[test]
fn stages_agree_with_llm_samplers_where_it_is_right() {
    let pairs: [(&str, Make); 7] = [
        ("top_k = 40", || Box::new(SampleTopK::new(40, 1))),
        ("top_p = 0.9", || Box::new(SampleTopP::new(0.9, 1))),
        ("min_p = 0.05", || Box::new(SampleMinP::new(0.05, 1))),
        ("typical_p = 0.8", || Box::new(SampleLocallyTypical::new(0.8, 1))),
        ("repeat_penalty = 1.3", || Box::new(SampleRepetition::new(1.3, 64))),
        ("frequency_penalty = 0.5\npresence_penalty = 0.25", || Box::new(SampleFreqPresence::new(0.5, 0.25, 64))),
        ("temperature = 0.7", || Box::new(SampleTemperature::new(0.7))),
    ];
    for (text, theirs) in pairs {
        let settings: Settings = toml::from_str(text).unwrap();
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let row = rows::row("normal", 1500, &mut rng);
            let history = rows::history(row.len(), 100, &mut rng);
            let found = Chain::new(&settings).distribution(&row, &history, row.len()).unwrap();
            let left = survivors(&found);

            let mut resources = SimpleSamplerResources::new(None, Some(history));
            let mut logits = Logits::try_from_iter(row).unwrap();
            theirs().sample(&mut resources, &mut logits).unwrap();
            logits.set_softmax(false).set_sorted(false).ensure_softmax().unwrap();
            logits.sort_by_key(|token| token.token_id);

            let ids: Vec<u32> = logits.iter().map(|token| token.token_id).collect();
            assert_eq!(left.iter().map(|token| token.0).collect::<Vec<_>>(), ids, "{text}, seed {seed}");
            for ((id, logprob), token) in left.iter().zip(logits.iter()) {
                assert!((logprob.exp() - f64::from(token.prob)).abs() < 1e-5, "{text}, seed {seed}, token {id}");
            }
        }
    }
}
