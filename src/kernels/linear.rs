//! A linear layer with what stands around it, in one operation: what a decode step mostly is.

use std::ops::Deref;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};

use super::packed::{Around, Packed, Rounding};
use super::rowwise;

/// LayerNorm of x before the product.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// `[K]`.
    pub weight: &'a Tensor,
    /// `[K]`.
    pub bias: &'a Tensor,
    /// Added to the variance.
    pub epsilon: f64,
}

/// LayerNorm, x·Wᵀ + b, GELU, residual: each but the product optional.
#[derive(Clone, Copy)]
pub struct FusedLinear<'a> {
    /// LayerNorm of x.
    pub norm: Option<Norm<'a>>,
    /// W `[N, K]`.
    pub weight: &'a Packed,
    /// b `[N]`.
    pub bias: Option<&'a Tensor>,
    /// GELU in its tanh form.
    pub gelu: bool,
    /// Added last, `[M, N]`.
    pub residual: Option<&'a Tensor>,
    /// What may be done to x.
    pub rounding: Rounding,
    /// W of the next product, where it is known.
    pub next: Option<&'a Packed>,
}

impl<'a> FusedLinear<'a> {
    /// x·Wᵀ + b alone.
    pub fn new(weight: &'a Packed, bias: Option<&'a Tensor>) -> Self {
        Self { norm: None, weight, bias, gelu: false, residual: None, rounding: Rounding::Fast, next: None }
    }

    /// With a LayerNorm of x before the product.
    pub fn after(self, norm: Norm<'a>) -> Self {
        Self { norm: Some(norm), ..self }
    }

    /// Prefetches the beginning of `next`, the matrix of the product that follows.
    pub fn before(self, next: Option<&'a Packed>) -> Self {
        Self { next, ..self }
    }

    /// x `[M, K]` to `[M, N]`, f32 on the CPU. Not differentiable.
    ///
    /// # Errors
    /// Fails where the shapes do not fit or a tensor is not f32 on the CPU.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match x.is_contiguous() {
            true => x.apply_op1_no_bwd(self),
            false => x.contiguous()?.apply_op1_no_bwd(self),
        }
    }
}

/// Rows `ids` of an embedding table, as f32 on the CPU: `[T, K]`.
///
/// # Errors
/// Fails where there is no such row.
pub fn embed(table: &Packed, ids: &[u32]) -> Result<Tensor> {
    let [n, k] = table.shape();
    if let Some(id) = ids.iter().find(|id| **id as usize >= n) {
        candle_core::bail!("kshot-embed: row {id} of {n}");
    }
    let mut out = vec![0f32; ids.len() * k];
    for (row, id) in out.chunks_exact_mut(k).zip(ids) {
        table.row(*id as usize, row);
    }
    Tensor::from_vec(out, (ids.len(), k), &candle_core::Device::Cpu)
}

/// The values of a tensor that is being read, `count` of f32 on the CPU.
fn values<'a, S>(read: &'a Option<(S, &Layout)>, count: usize) -> Result<Option<&'a [f32]>>
where
    S: Deref<Target = Storage>,
{
    let Some((storage, layout)) = read else { return Ok(None) };
    match (&**storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) if end - start == count => {
            Ok(Some(&values[start..end]))
        }
        _ => candle_core::bail!("kshot-linear: {count} values of f32 on the CPU, not {:?}", layout.shape()),
    }
}

impl<'a> CustomOp1 for FusedLinear<'a> {
    fn name(&self) -> &'static str {
        "kshot-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (m, width) = layout.shape().dims2()?;
        let [n, k] = self.weight.shape();
        let Some((start, end)) = layout.contiguous_offsets().filter(|_| width == k) else {
            candle_core::bail!("kshot-linear: x is {:?} and W [{n}, {k}]", layout.shape());
        };
        let x = &x.as_slice::<f32>()?[start..end];
        let mut out = Vec::with_capacity(m * n);
        let places = &mut out.spare_capacity_mut()[..m * n];
        let read = |tensor: Option<&'a Tensor>| tensor.map(Tensor::storage_and_layout);
        let [bias, residual, weight, norm_bias] =
            [self.bias, self.residual, self.norm.map(|norm| norm.weight), self.norm.map(|norm| norm.bias)].map(read);
        let norm = match (values(&weight, k)?, values(&norm_bias, k)?, self.norm) {
            (Some(weight), Some(bias), Some(norm)) => {
                Some(rowwise::Norm { weight, bias, epsilon: norm.epsilon as f32 })
            }
            _ => None,
        };
        let (bias, residual) = (values(&bias, n)?, values(&residual, m * n)?);
        let around = Around { norm, rounding: self.rounding, bias, gelu: self.gelu, residual, next: self.next };
        self.weight.multiply(x, places, around);
        // SAFETY: `multiply` has written every value.
        unsafe { out.set_len(m * n) };
        Ok((CpuStorage::F32(out), (m, n).into()))
    }
}
