//! Dropout (Srivastava et al. 2014) with a mask that is given: the caller's seed decides, so a run can be repeated.

use candle_core::{Result, Tensor};

/// x with each value kept with probability 1 − p and then divided by it; `uniform` gives numbers in [0, 1).
///
/// # Errors
/// A failing operation.
pub fn dropout(x: &Tensor, p: f64, mut uniform: impl FnMut() -> f32) -> Result<Tensor> {
    if p <= 0.0 {
        return Ok(x.clone());
    }
    let kept = (1.0 / (1.0 - p)) as f32;
    let mask: Vec<f32> = (0..x.elem_count()).map(|_| if uniform() < p as f32 { 0.0 } else { kept }).collect();
    x * Tensor::from_vec(mask, x.shape(), x.device())?
}
