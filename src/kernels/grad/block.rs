//! A whole Transformer block as one operation (GPT-2 paper, section 2.3: LayerNorm before each sub-layer).
//!
//! candle's backward pass makes a tensor of zeros for every gradient and adds the gradient to it, in memory that it asks
//! the system for each time. Within a block nothing needs that: its gradients go from one product to the next, in buffers
//! that are used again. Those of its weights are more than a custom operation can return, so they wait in
//! [`Gradients`].

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::attention::Attention;
use super::{column_sums, gelu, layer_norm, linear, rows, storage, tensor_like, values, with_values};
use crate::kernels::pool;

/// Gradients of weights that blocks have taken in, and buffers that blocks work in.
#[derive(Clone, Default)]
pub struct Gradients(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    gradients: Vec<(Tensor, Tensor)>,
    free: Vec<Vec<f32>>,
    stop: Option<Arc<AtomicBool>>,
}

impl Gradients {
    /// Backward passes end with an error at the next block once `stop` is set.
    pub fn stop_with(&self, stop: Arc<AtomicBool>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stop = Some(stop);
    }

    fn is_stopped(&self) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Puts the gradients that backward passes have left here into a store, added to those it has.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn merge_into(&self, store: &mut GradStore) -> Result<()> {
        let found = std::mem::take(&mut self.held().gradients);
        for (weight, gradient) in found {
            let gradient = match store.get(&weight) {
                Some(before) => (before + gradient)?,
                None => gradient,
            };
            store.insert(&weight, gradient);
        }
        Ok(())
    }

    /// A buffer of that many values, whatever they are.
    fn buffer(&self, length: usize) -> Buffer {
        let mut held = self.held();
        let found = held.free.iter().position(|values| values.len() == length);
        let values = found.map(|at| held.free.swap_remove(at));
        drop(held);
        Buffer { values: values.unwrap_or_else(|| pool::zeros(length)), home: self.clone() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Values that return to the free list when they are dropped.
struct Buffer {
    values: Vec<f32>,
    home: Gradients,
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.held().free.push(std::mem::take(&mut self.values));
    }
}

/// A weight matrix `[out, in]` and its bias, or LayerNorm's weight and bias.
#[derive(Clone)]
pub struct Pair {
    /// The matrix, or LayerNorm's weight.
    pub weight: Tensor,
    /// The bias.
    pub bias: Tensor,
}

/// The weights of a block and what its attention looks like.
pub struct BlockOf {
    /// Before attention.
    pub ln_1: Pair,
    /// To queries, keys and values side by side.
    pub c_attn: Pair,
    /// From the heads back to the residual stream.
    pub attn_c_proj: Pair,
    /// Before the MLP.
    pub ln_2: Pair,
    /// To the MLP's hidden values, which go through GELU (the tanh form).
    pub c_fc: Pair,
    /// From there back to the residual stream.
    pub mlp_c_proj: Pair,
    /// LayerNorm's ε: before attention, before the MLP.
    pub epsilon: [f64; 2],
    /// T, the length of each sequence.
    pub length: usize,
    /// Attention heads.
    pub heads: usize,
    /// Scores are multiplied by it.
    pub scale: f64,
}

/// `[B · T, C]` to `[B · T, C]`. Gradients of the weights are left in `gradients`, of x in candle's store; x must be
/// tracked, or no backward pass would come by.
///
/// # Errors
/// Shapes that do not fit, tensors that [`super::serves`] does not take, an x that is not tracked.
pub fn block(x: &Tensor, of: BlockOf, gradients: &Gradients) -> Result<Tensor> {
    let (n, width) = rows(x.shape())?;
    let inner = of.c_fc.weight.dim(0)?;
    let wanted = [
        (&of.ln_1, &[width][..]),
        (&of.c_attn, &[3 * width, width]),
        (&of.attn_c_proj, &[width, width]),
        (&of.ln_2, &[width]),
        (&of.c_fc, &[inner, width]),
        (&of.mlp_c_proj, &[width, inner]),
    ];
    for (pair, shape) in wanted {
        if pair.weight.dims() != shape || pair.bias.dims() != &shape[..1] {
            candle_core::bail!(
                "kshot-train-block: {:?} and {:?} for {shape:?}",
                pair.weight.shape(),
                pair.bias.shape()
            );
        }
    }
    if of.length == 0 || of.heads == 0 || n % of.length != 0 || width % of.heads != 0 || !x.track_op() {
        candle_core::bail!("kshot-train-block: {n} rows of {width}, sequences of {}, {} heads", of.length, of.heads);
    }
    let attention = Attention { length: of.length, heads: of.heads, scale: of.scale as f32 };
    x.apply_op1(Block { of, attention, gradients: gradients.clone(), kept: Mutex::new(None) })
}

struct Block {
    of: BlockOf,
    attention: Attention,
    gradients: Gradients,
    kept: Mutex<Option<Kept>>,
}

/// What the forward pass leaves for the backward pass; the rest is computed again.
struct Kept {
    qkv: Buffer,
    mixed: Buffer,
    /// The residual stream between the sub-layers.
    middle: Buffer,
    /// Before GELU.
    hidden: Buffer,
}

impl Pair {
    fn with<R>(&self, read: impl FnOnce(&[f32], &[f32]) -> R) -> Result<R> {
        with_values(&self.weight, |weight| with_values(&self.bias, |bias| Ok(read(weight, bias))))
    }
}

impl Block {
    fn normalise(&self, pair: &Pair, which: usize, x: &[f32], out: &mut [f32]) -> Result<()> {
        pair.with(|weight, bias| layer_norm::forward(x, weight, bias, self.of.epsilon[which] as f32, out))
    }

    /// Takes the gradient of a linear layer's result: leaves those of its weights, writes that of its input.
    fn linear_gradient(&self, pair: &Pair, x: &[f32], grad: &[f32], dx: &mut [f32]) -> Result<()> {
        let (outputs, inputs) = pair.weight.dims2()?;
        let dw = linear::weight_gradient(grad, x, [outputs, inputs]);
        self.leave(pair, [dw, column_sums(grad, outputs)])?;
        pair.with(|weight, _| linear::input_gradient(grad, weight, outputs, dx))
    }

    fn norm_gradient(&self, pair: &Pair, which: usize, x: &[f32], grads: [&[f32]; 2], dx: &mut [f32]) -> Result<()> {
        let [grad, onto] = grads;
        let epsilon = self.of.epsilon[which] as f32;
        let found = pair.with(|weight, _| layer_norm::backward(x, weight, grad, Some(onto), epsilon, dx))?;
        self.leave(pair, found)
    }

    fn leave(&self, pair: &Pair, [weight, bias]: [Vec<f32>; 2]) -> Result<()> {
        let (weight, bias) = (tensor_like(weight, &pair.weight)?, tensor_like(bias, &pair.bias)?);
        self.gradients.held().gradients.extend([(pair.weight.clone(), weight), (pair.bias.clone(), bias)]);
        Ok(())
    }
}

impl CustomOp1 for Block {
    fn name(&self) -> &'static str {
        "kshot-train-block"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let of = &self.of;
        let (n, width) = rows(layout.shape())?;
        let inner = of.c_fc.weight.dim(0)?;
        let x = values(x, layout)?;
        let buffer = |columns: usize| self.gradients.buffer(n * columns);

        let mut normed = buffer(width);
        self.normalise(&of.ln_1, 0, x, &mut normed)?;
        let mut qkv = buffer(3 * width);
        of.c_attn.with(|weight, bias| linear::forward(&normed, weight, bias, None, &mut qkv))?;
        let mut mixed = buffer(width);
        self.attention.forward(&qkv, width, &mut mixed);
        let mut middle = buffer(width);
        of.attn_c_proj.with(|w, bias| linear::forward(&mixed, w, bias, Some(x), &mut middle))?;

        self.normalise(&of.ln_2, 1, &middle, &mut normed)?;
        let mut hidden = buffer(inner);
        of.c_fc.with(|weight, bias| linear::forward(&normed, weight, bias, None, &mut hidden))?;
        let mut activated = buffer(inner);
        gelu::forward(&hidden, &mut activated);
        let mut out = pool::zeros(n * width);
        of.mlp_c_proj.with(|w, bias| linear::forward(&activated, w, bias, Some(&middle), &mut out))?;

        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Kept { qkv, mixed, middle, hidden });
        Ok(storage(out, layout.shape()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let of = &self.of;
        let (n, width) = rows(x.shape())?;
        let inner = of.c_fc.weight.dim(0)?;
        let buffer = |columns: usize| self.gradients.buffer(n * columns);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.gradients.is_stopped() {
            candle_core::bail!("stopped");
        }
        let Some(Kept { qkv, mixed, middle, hidden }) = kept else {
            candle_core::bail!("kshot-train-block: a second backward pass");
        };
        let dx = with_values(x, |x| {
            with_values(grad, |grad| {
                let (mut normed, mut d_normed) = (buffer(width), buffer(width));
                let mut d_middle = buffer(width);
                {
                    // The activations are needed before the gradient of the hidden values, but come out with it.
                    let (mut d_hidden, mut activated) = (buffer(inner), buffer(inner));
                    of.mlp_c_proj.with(|w, _| linear::input_gradient(grad, w, width, &mut d_hidden))?;
                    gelu::backward(&hidden, &mut d_hidden, &mut activated);
                    let dw = linear::weight_gradient(grad, &activated, [width, inner]);
                    self.leave(&of.mlp_c_proj, [dw, column_sums(grad, width)])?;
                    self.normalise(&of.ln_2, 1, &middle, &mut normed)?;
                    self.linear_gradient(&of.c_fc, &normed, &d_hidden, &mut d_normed)?;
                }
                self.norm_gradient(&of.ln_2, 1, &middle, [&d_normed, grad], &mut d_middle)?;

                let mut d_mixed = buffer(width);
                self.linear_gradient(&of.attn_c_proj, &mixed, &d_middle, &mut d_mixed)?;
                let mut d_qkv = buffer(3 * width);
                self.attention.backward(&qkv, &d_mixed, width, &mut d_qkv);
                self.normalise(&of.ln_1, 0, x, &mut normed)?;
                self.linear_gradient(&of.c_attn, &normed, &d_qkv, &mut d_normed)?;
                let mut dx = pool::zeros(x.len());
                self.norm_gradient(&of.ln_1, 0, x, [&d_normed, &d_middle], &mut dx)?;
                Ok(dx)
            })
        })?;
        Ok(Some(tensor_like(dx, x)?))
    }
}
