//! AdamW (Loshchilov & Hutter 2019, algorithm 2), in f32, in place.

use std::sync::Mutex;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var};

use super::Result;

/// Added to the root of the second moment (Kingma & Ba 2015).
const EPSILON: f32 = 1e-8;

/// The optimiser's memory of one parameter.
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

/// The optimiser of a list of parameters.
pub struct AdamW {
    vars: Vec<(Var, bool)>,
    moments: Vec<Mutex<Moments>>,
    betas: (f64, f64),
    weight_decay: f64,
    /// Updates done.
    step: u64,
}

impl AdamW {
    /// `vars` with whether their weights decay.
    pub fn new(vars: Vec<(Var, bool)>, betas: (f64, f64), weight_decay: f64) -> Self {
        let moments = vars
            .iter()
            .map(|(var, _)| {
                let count = var.elem_count();
                Mutex::new(Moments { first: vec![0.0; count], second: vec![0.0; count] })
            })
            .collect();
        Self { vars, moments, betas, weight_decay, step: 0 }
    }

    /// The root of the sum of squares of all gradients, over parts in a fixed order.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn gradient_norm(&self, gradients: &GradStore) -> Result<f64> {
        let mut sum = 0f64;
        for (var, _) in &self.vars {
            if let Some(gradient) = gradients.get(var.as_tensor()) {
                let values = gradient.flatten_all()?.to_vec1::<f32>()?;
                sum += values.chunks(256).map(|part| f64::from(part.iter().map(|v| v * v).sum::<f32>())).sum::<f64>();
            }
        }
        Ok(sum.sqrt())
    }

    /// One update with gradients that are multiplied by `scale` (clipping). A parameter without a gradient stays.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn update(&mut self, gradients: &GradStore, lr: f64, scale: f64) -> Result<()> {
        self.step += 1;
        let (beta_1, beta_2) = self.betas;
        let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
        for ((var, decays), moments) in self.vars.iter().zip(&self.moments) {
            let Some(gradient) = gradients.get(var.as_tensor()) else { continue };
            let update = Update {
                moments,
                scale: scale as f32,
                betas: (beta_1 as f32, beta_2 as f32),
                rate: (lr / correction(beta_1)) as f32,
                second_correction: (1.0 / correction(beta_2)) as f32,
                keep: if *decays { (1.0 - lr * self.weight_decay) as f32 } else { 1.0 },
            };
            let gradient: Tensor = gradient.contiguous()?;
            var.as_tensor().inplace_op2(&gradient, &update)?;
        }
        Ok(())
    }

    /// Its memory: first and second moments of each parameter, and how many updates were done.
    pub fn memory(&self) -> (Vec<(Vec<f32>, Vec<f32>)>, u64) {
        let moments = self.moments.iter().map(|moments| {
            let moments = moments.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            (moments.first.clone(), moments.second.clone())
        });
        (moments.collect(), self.step)
    }

    /// Resumes from what [`AdamW::memory`] gave.
    pub fn restore(&mut self, memory: Vec<(Vec<f32>, Vec<f32>)>, step: u64) {
        self.moments = memory.into_iter().map(|(first, second)| Mutex::new(Moments { first, second })).collect();
        self.step = step;
    }
}

/// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← (1 − ηλ)θ − η·m̂/(√v̂ + ε).
struct Update<'a> {
    moments: &'a Mutex<Moments>,
    scale: f32,
    betas: (f32, f32),
    rate: f32,
    second_correction: f32,
    keep: f32,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "kshot-adamw"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (Some((start, end)), Some((from, to))) =
            (layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            candle_core::bail!("kshot-adamw wants contiguous tensors");
        };
        let CpuStorage::F32(weights) = weights else { candle_core::bail!("kshot-adamw wants f32") };
        let gradient = &gradient.as_slice::<f32>()?[from..to];
        let mut moments = self.moments.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Moments { first, second } = &mut *moments;
        let (beta_1, beta_2) = self.betas;
        for (((weight, gradient), first), second) in weights[start..end].iter_mut().zip(gradient).zip(first).zip(second)
        {
            let gradient = gradient * self.scale;
            *first = beta_1 * *first + (1.0 - beta_1) * gradient;
            *second = beta_2 * *second + (1.0 - beta_2) * gradient * gradient;
            let step = *first / ((*second * self.second_correction).sqrt() + EPSILON);
            *weight = *weight * self.keep - self.rate * step;
        }
        Ok(())
    }
}
