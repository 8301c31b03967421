//! Attention of one token over a key/value cache: what a decode step does beside the products with weights.
//!
//! One pass over the keys, a softmax, one pass over the values, all heads in one operation; as separate operations on
//! `[NH, 1, S]` the synchronising costs more than the work.

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor};

use super::{gemv, share, softmax};

/// Values of the cache below which waking other threads costs more than it saves.
const WORTH_SHARING: usize = 1 << 16;

/// Whether [`apply`] takes these tensors: one query a head, f32 on the CPU, the values of a head next to each other.
pub fn serves(query: &Tensor, keys: &Tensor, values: &Tensor) -> bool {
    let cache = |x: &Tensor| x.dtype() == DType::F32 && x.dims3().is_ok_and(|(_, _, hs)| x.stride()[1..] == [hs, 1]);
    query.device().is_cpu()
        && query.dtype() == DType::F32
        && query.is_contiguous()
        && query.dims3().is_ok_and(|(_, t, _)| t == 1)
        && cache(keys)
        && cache(values)
}

/// softmax(scale · qKᵀ)V for each head (Vaswani et al. 2017, eq. 1; nothing is masked, a last token sees all): `[NH, 1, HS]`
/// over `[NH, S, HS]` twice to `[1, NH · HS]`, the heads side by side. Not differentiable.
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn apply(query: &Tensor, keys: &Tensor, values: &Tensor, scale: f64) -> Result<Tensor> {
    query.apply_op3_no_bwd(keys, values, &Attention { scale: scale as f32 })
}

struct Attention {
    scale: f32,
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "kshot-attention"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        query_layout: &Layout,
        keys: &CpuStorage,
        keys_layout: &Layout,
        values: &CpuStorage,
        values_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (nh, _, hs) = query_layout.shape().dims3()?;
        let (heads, s, width) = keys_layout.shape().dims3()?;
        if (heads, width) != (nh, hs) || keys_layout.shape() != values_layout.shape() || s == 0 {
            candle_core::bail!(
                "kshot-attention: q is {:?}, K is {:?}, V is {:?}",
                query_layout.shape(),
                keys_layout.shape(),
                values_layout.shape()
            );
        }
        let query = &query.as_slice::<f32>()?[query_layout.start_offset()..][..nh * hs];
        let (keys, values) = (keys.as_slice::<f32>()?, values.as_slice::<f32>()?);
        let of_head = |layout: &Layout, head: usize| {
            let start = layout.start_offset() + head * layout.stride()[0];
            start..start + s * hs
        };
        let mut out = vec![0f32; nh * hs];
        let one = |head: usize, out: &mut [f32]| {
            let keys = &keys[of_head(keys_layout, head)];
            let values = &values[of_head(values_layout, head)];
            attend(&query[head * hs..][..hs], keys, values, self.scale, out);
        };
        if nh * s * hs < WORTH_SHARING {
            out.chunks_mut(hs).enumerate().for_each(|(head, out)| one(head, out));
        } else {
            share::chunks(&mut out, hs, one);
        }
        Ok((CpuStorage::F32(out), (1, nh * hs).into()))
    }
}

/// One head: query `[HS]`, keys and values `[S, HS]`, out `[HS]`, zero before.
fn attend(query: &[f32], keys: &[f32], values: &[f32], scale: f32, out: &mut [f32]) {
    let mut weights = vec![0f32; keys.len() / query.len()];
    gemv::rows(query, keys, &mut weights);
    weights.iter_mut().for_each(|score| *score *= scale);
    let max = softmax::scan(&weights).max;
    let total = softmax::exp_shifted(&mut weights, max).total;
    weighted_sum(&weights, values, out);
    let share = (1.0 / total) as f32;
    out.iter_mut().for_each(|value| *value *= share);
}

/// Adds Σ weight · row to `out`, for rows as long as `out`.
fn weighted_sum(weights: &[f32], rows: &[f32], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(weights: &[f32], rows: &[f32], out: &mut [f32]) {
            weighted_sum_body::<true>(weights, rows, out);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features that `avx2` was compiled for have just been detected.
            return unsafe { avx2(weights, rows, out) };
        }
    }
    weighted_sum_body::<false>(weights, rows, out);
}

#[inline(always)]
fn weighted_sum_body<const FMA: bool>(weights: &[f32], rows: &[f32], out: &mut [f32]) {
    // A part of the output stays in registers while all rows go by.
    const PART: usize = 32;
    let width = out.len();
    for (part, out) in out.chunks_mut(PART).enumerate() {
        let mut sums = [0f32; PART];
        let sums = &mut sums[..out.len()];
        for (&weight, row) in weights.iter().zip(rows.chunks_exact(width)) {
            for (sum, &value) in sums.iter_mut().zip(&row[part * PART..]) {
                *sum = if FMA { weight.mul_add(value, *sum) } else { weight * value + *sum };
            }
        }
        out.copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use candle_core::{D, Device};

    /// Views into larger caches, sizes with remainders, on both sides of the sharing limit.
    #[test]
    fn it_equals_the_separate_operations() {
        let device = Device::Cpu;
        for (nh, hs, capacity, s) in
            [(1, 1, 1, 1), (3, 20, 9, 4), (2, 64, 50, 33), (12, 64, 1024, 700), (5, 80, 300, 299)]
        {
            let query = Tensor::randn(0f32, 2.0, (nh, 1, hs), &device).unwrap();
            let [keys, values] =
                [0, 1].map(|_| Tensor::randn(0f32, 1.0, (nh, capacity, hs), &device).unwrap().narrow(1, 0, s).unwrap());
            assert!(serves(&query, &keys, &values));
            let scale = 1.0 / (hs as f64).sqrt();
            let scores = (&query * scale).unwrap().matmul(&keys.t().unwrap()).unwrap();
            let pattern = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
            let expected = pattern.matmul(&values).unwrap().reshape((1, nh * hs)).unwrap();
            let gap = (apply(&query, &keys, &values, scale).unwrap() - expected).unwrap().abs().unwrap();
            let gap: f32 = gap.max_all().unwrap().to_scalar().unwrap();
            assert!(gap < 1e-5, "{nh} heads of {hs}, {s} keys: {gap}");
        }
    }
}
