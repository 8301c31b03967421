#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use candle_core::{D, Device, Var};

fn gap(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

fn largest(a: &Tensor) -> f32 {
    a.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

fn var(shape: &[usize]) -> Var {
    Var::from_tensor(&Tensor::randn(0.1f32, 1.0, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Both versions of an operation and all their gradients, under a random gradient of the result.
fn same(name: &str, args: &[Var], ours: impl Fn(&[Var]) -> Tensor, stock: impl Fn(&[Var]) -> Tensor, within: f32) {
    let (a, b) = (ours(args), stock(args));
    assert!(gap(&a, &b) < within * largest(&b).max(1.0), "{name}: the results differ by {}", gap(&a, &b));
    let pull = Tensor::randn(0f32, 1.0, a.shape(), &Device::Cpu).unwrap();
    let [a, b] = [a, b].map(|out| (out * &pull).unwrap().sum_all().unwrap().backward().unwrap());
    for (index, arg) in args.iter().enumerate() {
        let difference = gap(a.get(arg).unwrap(), b.get(arg).unwrap());
        let size = largest(b.get(arg).unwrap());
        assert!(difference < within * size.max(1.0), "{name}: gradient {index} differs by {difference} of {size}");
    }
}

#[test]
fn linear_equals_the_stock_operations() {
    for (n, inputs, outputs) in
        [(1, 1, 1), (3, 5, 7), (64, 128, 384), (257, 100, 33), (1000, 32, 8), (300, 7, 1), (300, 1, 7)]
    {
        let args = [var(&[n, inputs]), var(&[outputs, inputs]), var(&[outputs])];
        same(
            &format!("linear {n} {inputs} {outputs}"),
            &args,
            |v| linear(&v[0], &v[1], &v[2]).unwrap(),
            |v| v[0].matmul(&v[1].t().unwrap()).unwrap().broadcast_add(&v[2]).unwrap(),
            1e-4,
        );
    }
}

#[test]
fn layer_norm_equals_the_stock_operations() {
    for (n, width) in [(1, 2), (3, 20), (65, 128), (1000, 33)] {
        let args = [var(&[n, width]), var(&[width]), var(&[width])];
        same(
            &format!("layer norm {n} {width}"),
            &args,
            |v| layer_norm(&v[0], &v[1], &v[2], 1e-5).unwrap(),
            |v| candle_nn::ops::layer_norm_slow(&v[0], &v[1], &v[2], 1e-5).unwrap(),
            2e-4,
        );
    }
}

#[test]
fn gelu_equals_the_stock_operations() {
    for n in [1, 17, 70_000] {
        let args = [var(&[n])];
        same("gelu", &args, |v| gelu_tanh(&v[0]).unwrap(), |v| v[0].gelu().unwrap(), 1e-5);
    }
}

#[test]
fn embedding_equals_the_stock_operations() {
    let ids = [3u32, 1, 3, 0, 0, 6];
    let args = [var(&[7, 20]), var(&[5, 20])];
    same(
        "embedding",
        &args,
        |v| embedding(&ids, 3, &v[0], &v[1]).unwrap(),
        |v| {
            let places = Tensor::new(&[0u32, 1, 2, 0, 1, 2], &Device::Cpu).unwrap();
            let ids = Tensor::new(&ids, &Device::Cpu).unwrap();
            (v[0].index_select(&ids, 0).unwrap() + v[1].index_select(&places, 0).unwrap()).unwrap()
        },
        1e-5,
    );
    assert!(embedding(&[7], 1, &args[0], &args[1]).is_err(), "an id outside the table");
    assert!(embedding(&[1; 6], 6, &args[0], &args[1]).is_err(), "more positions than there are");
}

#[test]
fn attention_equals_the_stock_operations() {
    for (batch, t, heads, hs) in [(1, 1, 1, 4), (2, 5, 2, 3), (2, 64, 2, 16), (1, 150, 3, 8)] {
        let args = [var(&[batch * t, 3 * heads * hs])];
        let scale = 1.0 / (hs as f64).sqrt();
        same(
            &format!("attention {batch} {t} {heads} {hs}"),
            &args,
            |v| attention(&v[0], t, heads, scale).unwrap(),
            |v| {
                let qkv = v[0].reshape((batch, t, 3, heads, hs)).unwrap().permute((2, 0, 3, 1, 4)).unwrap();
                let part = |i: usize| qkv.get(i).unwrap().contiguous().unwrap();
                let mask: Vec<f32> =
                    (0..t).flat_map(|i| (0..t).map(move |j| if j <= i { 0.0 } else { f32::NEG_INFINITY })).collect();
                let mask = Tensor::from_vec(mask, (t, t), &Device::Cpu).unwrap();
                let scores = (part(0).matmul(&part(1).t().unwrap()).unwrap() * scale).unwrap();
                let pattern = candle_nn::ops::softmax(&scores.broadcast_add(&mask).unwrap(), D::Minus1).unwrap();
                let mixed = pattern.matmul(&part(2)).unwrap();
                mixed.transpose(1, 2).unwrap().reshape((batch * t, heads * hs)).unwrap()
            },
            1e-4,
        );
    }
}

#[test]
fn head_loss_equals_the_stock_operations() {
    for (n, width, vocab) in [(1, 3, 2), (7, 5, 11), (300, 16, 50)] {
        let targets: Vec<u32> = (0..n).map(|row| (row * 7 % vocab) as u32).collect();
        let weights: Vec<f32> = (0..n).map(|row| [0.5, 0.0, 0.25][row % 3]).collect();
        let args = [var(&[n, width]), var(&[vocab, width])];
        same(
            &format!("head loss {n} {width} {vocab}"),
            &args,
            |v| {
                let wanted = HeadTargets { targets: targets.clone(), weights: weights.clone() };
                head_loss(&v[0], &v[1], wanted).unwrap().0
            },
            |v| {
                let logits = v[0].matmul(&v[1].t().unwrap()).unwrap();
                let logprobs = candle_nn::ops::log_softmax(&logits, D::Minus1).unwrap();
                let ids = Tensor::from_vec(targets.clone(), (n, 1), &Device::Cpu).unwrap();
                let own = logprobs.gather(&ids, 1).unwrap().squeeze(1).unwrap();
                let weights = Tensor::from_vec(weights.clone(), n, &Device::Cpu).unwrap();
                (own * weights).unwrap().sum_all().unwrap().neg().unwrap()
            },
            1e-4,
        );
    }
}

/// The sums do not depend on which thread took what: two runs give the same bits.
#[test]
fn gradients_are_the_same_bits_each_time() {
    let args = [var(&[1000, 64]), var(&[96, 64]), var(&[96])];
    let run = || {
        let out = linear(
            &layer_norm(
                &args[0],
                &args[2].narrow(0, 0, 64).unwrap().contiguous().unwrap(),
                &args[2].narrow(0, 32, 64).unwrap().contiguous().unwrap(),
                1e-5,
            )
            .unwrap(),
            &args[1],
            &args[2],
        )
        .unwrap();
        let mixed = attention(&out, 100, 2, 0.3).unwrap();
        let grads = mixed.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        args.iter()
            .map(|arg| grads.get(arg).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap())
            .collect::<Vec<_>>()
    };
    assert!(run() == run());
}

/// Numbers that differ from place to place, from a seed.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    std::iter::repeat_with(&mut next).take(count).collect()
}

#[test]
fn products_equal_plain_sums_on_every_tier() {
    use super::product::{Matrix, Onto, Panels, Product, Right};
    use crate::kernels::Tier;
    let shapes = [
        (1, 1, 1),
        (2, 3, 5),
        (12, 32, 128),
        (13, 33, 129),
        (25, 16, 7),
        (64, 256, 32),
        (500, 40, 300),
        (7, 530, 260),
        (1, 5, 300),
        (5, 1, 140),
        (30, 20, 1),
    ];
    for (m, n, k) in shapes {
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let (bias, matrix) = (numbers(n, 3), numbers(m * n, 4));
        for (transposed_a, transposed_b, packed, onto) in (0..32).map(|at| (at & 1 > 0, at & 2 > 0, at & 4 > 0, at / 8))
        {
            let left = if transposed_a { Matrix::rows(&a, m).t() } else { Matrix::rows(&a, k) };
            let right = if transposed_b { Matrix::rows(&b, k).t() } else { Matrix::rows(&b, n) };
            let panels = Panels::of(right, k, n);
            let right = if packed { Right::Panels(&panels) } else { Right::Matrix(right) };
            let product = Product { a: left, b: right, m, n, k, alpha: 0.5 };
            let onto = [Onto::Nothing, Onto::Row(&bias), Onto::RowAndMatrix(&bias, &matrix), Onto::Values][onto];
            for tier in Tier::runnable() {
                let mut out = if matches!(onto, Onto::Values) { matrix.clone() } else { vec![f32::NAN; m * n] };
                // SAFETY: `out` is m rows of n values, all of them there.
                unsafe { product.run_part(tier, [0..m, 0..n], out.as_mut_ptr(), n, onto) };
                for (at, found) in out.iter().enumerate() {
                    let (row, column) = (at / n, at % n);
                    let sum: f64 = (0..k)
                        .map(|depth| {
                            let a = if transposed_a { a[depth * m + row] } else { a[row * k + depth] };
                            let b = if transposed_b { b[column * k + depth] } else { b[depth * n + column] };
                            f64::from(a) * f64::from(b)
                        })
                        .sum();
                    let onto = match onto {
                        Onto::Nothing => 0.0,
                        Onto::Row(row) => row[column],
                        Onto::RowAndMatrix(row, matrix) => row[column] + matrix[at],
                        Onto::Values => matrix[at],
                    };
                    let wanted = 0.5 * sum + f64::from(onto);
                    let off = (f64::from(*found) - wanted).abs();
                    assert!(
                        off < 1e-4,
                        "{m} {n} {k} {transposed_a} {transposed_b} {packed} {tier:?}: {found} for {wanted}"
                    );
                }
            }
        }
    }
}

/// The weights of a block of width 12, 2 heads, an MLP of 20.
fn block_of(args: &[Var], length: usize) -> BlockOf {
    let pair = |at: usize| Pair { weight: args[at].as_tensor().clone(), bias: args[at + 1].as_tensor().clone() };
    BlockOf {
        ln_1: pair(1),
        c_attn: pair(3),
        attn_c_proj: pair(5),
        ln_2: pair(7),
        c_fc: pair(9),
        mlp_c_proj: pair(11),
        epsilon: [1e-5, 1e-5],
        length,
        heads: 2,
        scale: 0.4,
    }
}

#[test]
fn a_block_equals_its_parts() {
    for (batch, length) in [(1, 1), (2, 5), (3, 70)] {
        let shapes: [&[usize]; 13] = [
            &[batch * length, 12],
            &[12],
            &[12],
            &[36, 12],
            &[36],
            &[12, 12],
            &[12],
            &[12],
            &[12],
            &[20, 12],
            &[20],
            &[12, 20],
            &[12],
        ];
        let args = shapes.map(var);
        let in_parts = {
            let of = |at: usize| (args[at].as_tensor(), args[at + 1].as_tensor());
            let norm = |x: &Tensor, at: usize| layer_norm(x, of(at).0, of(at).1, 1e-5).unwrap();
            let apply = |x: &Tensor, at: usize| linear(x, of(at).0, of(at).1).unwrap();
            let x = args[0].as_tensor();
            let mixed = attention(&apply(&norm(x, 1), 3), length, 2, 0.4).unwrap();
            let middle = (x + apply(&mixed, 5)).unwrap();
            (&middle + apply(&gelu_tanh(&apply(&norm(&middle, 7), 9)).unwrap(), 11)).unwrap()
        };
        let gradients = Gradients::default();
        let whole = block(args[0].as_tensor(), block_of(&args, length), &gradients).unwrap();
        assert!(gap(&whole, &in_parts) < 1e-5, "the results differ by {}", gap(&whole, &in_parts));
        let pull = Tensor::randn(0f32, 1.0, whole.shape(), &Device::Cpu).unwrap();
        let [mut ours, parts] =
            [&whole, &in_parts].map(|out| (out * &pull).unwrap().sum_all().unwrap().backward().unwrap());
        gradients.merge_into(&mut ours).unwrap();
        for (at, arg) in args.iter().enumerate() {
            let (ours, parts) = (ours.get(arg).unwrap(), parts.get(arg).unwrap());
            assert!(gap(ours, parts) < 1e-4 * largest(parts).max(1.0), "gradient {at} differs by {}", gap(ours, parts));
        }
    }
}

/// What the backward passes of two parts of a batch leave is added up, and buffers used again change nothing.
#[test]
fn gradients_of_blocks_add_up() {
    let shapes: [&[usize]; 13] =
        [&[10, 12], &[12], &[12], &[36, 12], &[36], &[12, 12], &[12], &[12], &[12], &[20, 12], &[20], &[12, 20], &[12]];
    let args = shapes.map(var);
    let gradients = Gradients::default();
    let backward =
        || block(args[0].as_tensor(), block_of(&args, 5), &gradients).unwrap().sqr().unwrap().backward().unwrap();
    let mut once = backward();
    gradients.merge_into(&mut once).unwrap();
    let mut twice = backward();
    drop(backward());
    gradients.merge_into(&mut twice).unwrap();
    for arg in &args[1..] {
        let [once, twice] = [&once, &twice].map(|store| store.get(arg).unwrap().clone());
        assert!(gap(&(once * 2.0).unwrap(), &twice) < 1e-4 * largest(&twice).max(1.0));
    }
}

#[test]
fn a_block_that_no_backward_pass_would_reach_is_refused() {
    let shapes: [&[usize]; 13] =
        [&[10, 12], &[12], &[12], &[36, 12], &[36], &[12, 12], &[12], &[12], &[12], &[20, 12], &[20], &[12, 20], &[12]];
    let args = shapes.map(var);
    let x = args[0].as_tensor().detach();
    assert!(block(&x, block_of(&args, 5), &Gradients::default()).is_err());
    assert!(block(args[0].as_tensor(), block_of(&args, 3), &Gradients::default()).is_err());
}
