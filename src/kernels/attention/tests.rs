#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use candle_core::{D, Device, IndexOp};

use super::*;

fn gap(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

/// softmax(scale · QKᵀ + mask)V of one sequence by separate operations, `[T, C]`; keys and values of all tokens so far.
fn textbook(qkv: &Tensor, keys: &Tensor, values: &Tensor, start: usize, heads: Heads) -> Tensor {
    let (t, _) = qkv.dims2().unwrap();
    let (nh, hs) = (heads.count, heads.width);
    let query = qkv.reshape((t, 3, nh, hs)).unwrap().i((.., 0)).unwrap().transpose(0, 1).unwrap().contiguous().unwrap();
    let scores = (query * f64::from(heads.scale)).unwrap().matmul(&keys.t().unwrap()).unwrap();
    let mask: Vec<f32> = (0..t)
        .flat_map(|i| (0..start + t).map(move |j| if j <= start + i { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    let mask = Tensor::from_vec(mask, (t, start + t), &Device::Cpu).unwrap();
    let pattern = candle_nn::ops::softmax(&scores.broadcast_add(&mask).unwrap(), D::Minus1).unwrap();
    pattern.matmul(values).unwrap().transpose(0, 1).unwrap().reshape((t, nh * hs)).unwrap()
}

/// One token and many, at the beginning and after others, with widths that fill no register; sequences side by side, with
/// and without a beginning that they share.
#[test]
fn it_equals_the_separate_operations() {
    let device = Device::Cpu;
    for (nh, hs, capacity, shared, spans) in [
        (1, 1, 4, 0, vec![(0, 1)]),
        (3, 20, 90, 7, vec![(0, 4), (5, 1)]),
        (2, 64, 700, 0, vec![(0, 300), (33, 50), (600, 100), (640, 1)]),
        (12, 64, 1024, 100, vec![(0, 512), (700, 1), (1, 1), (1000, 24)]),
        (5, 80, 300, 0, vec![(250, 49), (299, 1), (0, 49), (3, 2)]),
        (2, 128, 130, 33, vec![(90, 30), (0, 1)]),
    ] {
        let (layers, layer) = (2, 1);
        let heads = Heads { count: nh, width: hs, scale: 1.0 / (hs as f32).sqrt() };
        let c = nh * hs;
        let cache = || Tensor::randn(0f32, 1.0, (layers, 2, nh, capacity, hs), &device).unwrap();
        let prefix = cache();
        let owns: Vec<Tensor> = spans.iter().map(|_| cache()).collect();
        let before: Vec<Tensor> = owns.iter().map(|own| own.copy().unwrap()).collect();
        let rows: usize = spans.iter().map(|(_, tokens)| tokens).sum();
        let qkv = Tensor::randn(0f32, 2.0, (rows, 3 * c), &device).unwrap();
        let sequences: Vec<_> = spans
            .iter()
            .zip(&owns)
            .map(|(&(start, tokens), own)| Sequence {
                tokens,
                prefix: (shared > 0).then_some(Cached { tensor: &prefix, len: shared }),
                own: Cached { tensor: own, len: start },
            })
            .collect();
        let all = apply(&qkv, &sequences, layer, heads).unwrap();
        let mut row = 0;
        for (sequence, before) in sequences.iter().zip(before) {
            let (tokens, own) = (sequence.tokens, sequence.own);
            let qkv = qkv.narrow(0, row, tokens).unwrap();
            // The cache holds what it held, and the new keys and values behind it; other layers are as they were.
            let new = qkv.reshape((tokens, 3, nh, hs)).unwrap().i((.., 1..)).unwrap().permute((1, 2, 0, 3)).unwrap();
            assert_eq!(gap(&own.tensor.get(layer).unwrap().narrow(2, own.len, tokens).unwrap(), &new), 0.0);
            assert_eq!(gap(&own.tensor.get(0).unwrap(), &before.get(0).unwrap()), 0.0);
            if own.len > 0 {
                let held = |cache: &Tensor| cache.narrow(3, 0, own.len).unwrap();
                assert_eq!(gap(&held(own.tensor), &held(&before)), 0.0);
            }
            let seen = |part: usize| {
                let of = |cache: &Tensor, len: usize| cache.i((layer, part)).unwrap().narrow(1, 0, len).unwrap();
                let own = of(own.tensor, own.len + tokens);
                let all = if shared > 0 { Tensor::cat(&[&of(&prefix, shared), &own], 1).unwrap() } else { own };
                all.contiguous().unwrap()
            };
            let expected = textbook(&qkv, &seen(0), &seen(1), sequence.start(), heads);
            let gap = gap(&all.narrow(0, row, tokens).unwrap(), &expected);
            assert!(gap < 2e-5, "{nh} heads of {hs}, {tokens} tokens after {} and {shared}: {gap}", own.len);
            row += tokens;
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let heads = Heads { count: 2, width: 4, scale: 1.0 };
    let cache = Tensor::zeros((1, 2, 2, 5, 4), DType::F32, &Device::Cpu).unwrap();
    let qkv = Tensor::zeros((3, 24), DType::F32, &Device::Cpu).unwrap();
    let sequence = |tokens, len| [Sequence { tokens, prefix: None, own: Cached { tensor: &cache, len } }];
    assert!(apply(&qkv, &sequence(3, 3), 0, heads).is_err(), "more positions than the cache has");
    assert!(apply(&qkv, &sequence(2, 0), 0, heads).is_err(), "a row that belongs to no sequence");
    assert!(apply(&qkv, &sequence(3, 0), 1, heads).is_err(), "a layer that is not there");
    assert!(apply(&qkv.narrow(1, 0, 23).unwrap().contiguous().unwrap(), &sequence(3, 0), 0, heads).is_err());
}
