//! P18: what is not finite anywhere in a decoder is seen in its logits, whatever its matrices are packed as.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candle_core::{Device, Tensor};

use super::decoder::{Decoder, Source};
use super::family::{Affine, Part};
use super::layers::Weight;
use super::{Activation, DecoderConfig, Dtype, FiniteCheck, ModelError, Pass, Result, Span};
use crate::kernels::noise;
use crate::kernels::packed::Packed;

static NEVER: AtomicBool = AtomicBool::new(false);

/// Weights at random, matrices packed, and one bad value in one tensor that is not.
struct Damaged {
    dtype: Dtype,
    at: (Part, usize),
    bad: f32,
    seed: u32,
}

impl Source for Damaged {
    fn tensor(&mut self, part: Part, layer: usize, shape: &[usize]) -> Result<Tensor> {
        self.seed += 1;
        let mut values = noise(self.seed, shape.iter().product());
        if (part, layer) == self.at {
            values[3] = self.bad;
        }
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    fn matrix(&mut self, _: Part, _: usize, [n, k]: [usize; 2]) -> Result<Weight> {
        self.seed += 1;
        Ok(Weight::Packed(Arc::new(Packed::from_rows(self.dtype, &noise(self.seed, n * k), n, k))))
    }
}

fn config(activation: Activation) -> DecoderConfig {
    DecoderConfig {
        vocab: 50,
        n_positions: 16,
        n_embd: 40,
        n_layer: 3,
        n_head: 4,
        n_inner: 72,
        activation,
        layer_norm_epsilon: 1e-5,
        score_scale: vec![0.3; 3],
        upcast_attention: false,
        tie_word_embeddings: true,
    }
}

#[test]
fn a_value_that_is_not_finite_in_any_layer_is_seen_in_the_logits() {
    use Affine::{Bias, Weight};
    let halves = |part: fn(Affine) -> Part| [part(Weight), part(Bias)];
    let norms = [halves(Part::Ln1), halves(Part::Ln2)].concat();
    let biases = [Part::CAttn(Bias), Part::AttnCProj(Bias), Part::CFc(Bias), Part::MlpCProj(Bias)];
    let block: Vec<Part> = norms.into_iter().chain(biases).collect();
    let all = (0..3).flat_map(|layer| block.iter().map(move |part| (*part, layer)));
    let places: Vec<(Part, usize)> =
        all.chain([(Part::Wpe, 0), (Part::LnF(Weight), 0), (Part::LnF(Bias), 0)]).collect();
    for dtype in Dtype::ALL {
        for activation in [Activation::GeluTanh, Activation::Relu] {
            let config = config(activation);
            for &at in &places {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let cut = activation == Activation::Relu && at.0 == Part::CFc(Bias) && bad == f32::NEG_INFINITY;
                    if cut {
                        // max(-∞, 0) is 0: nothing is lost.
                        continue;
                    }
                    let mut source = Damaged { dtype, at, bad, seed: 1 };
                    let decoder =
                        Decoder::build(&config, "gpt2", candle_core::DType::F32, &Device::Cpu, &mut source).unwrap();
                    for tokens in [&[7u32][..], &[7, 3, 20, 4, 41, 9, 30]] {
                        let run = |pass: Pass<'_>| {
                            let mut cache = decoder.new_cache()?;
                            let hidden = decoder.forward(&mut [Span { tokens, cache: &mut cache }], pass)?;
                            decoder.logits(&hidden)
                        };
                        let logits = run(Pass::fused(&NEVER)).unwrap().to_vec2::<f32>().unwrap();
                        let row = logits.first().unwrap();
                        let what = format!("{bad} in {at:?}, {dtype:?}, {activation:?}, {} tokens", tokens.len());
                        assert!(!row.iter().all(|logit| logit.is_finite()), "{what}");
                        let point = match run(Pass::traced(&mut FiniteCheck)) {
                            Err(ModelError::NotFinite { point }) => point,
                            other => panic!("{what}: {:?}", other.map(|_| "no error")),
                        };
                        let layer = format!("blocks.{}.", at.1);
                        let outside = matches!(at.0, Part::Wpe | Part::LnF(_));
                        assert!(outside || point.starts_with(&layer), "{what}: {point}");
                    }
                }
            }
        }
    }
}
