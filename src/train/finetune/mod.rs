//! Fine-tuning as in GPT-1: a task head on the pre-trained decoder, and the language model as an auxiliary loss.
//!
//! P(y | x¹ … xᵐ) = softmax(hₗᵐ W_y) (paper, eq. 3), with h the hidden state at the extract token after the last block;
//! for the GPT-2 family that is after its final LayerNorm `ln_f`, which GPT-1 does not have.
//! L2(C) = Σ log P(y | x¹ … xᵐ) (eq. 4), and
//!
//! > L3(C) = L2(C) + λ·L1(C) (eq. 5).
//!
//! The blog post that kshot follows prints `L3(C) = L1(C) + λ·L2(C)`; the released code is
//! `mean(clf_losses) + lm_coef * mean(lm_losses)` (openai/finetune-transformer-lm, `train.py`), the paper's. All figures
//! here are those means: negative log-probabilities, which training makes small.
//!
//! Owns: data files, the four input forms, the steps, the classifier's folder, the bag-of-words baseline.

mod baseline;
mod bundled;
mod classifier;
mod data;
mod form;
mod net;
mod recipe;
#[cfg(test)]
mod sentiment;
#[cfg(test)]
mod tests;
mod tuner;

pub use baseline::Baseline;
pub use bundled::{BUNDLED, Bundled};
pub use classifier::{CLASSIFIER_FILES, Classifier, Description, Figures};
pub use data::{DataError, Example, Examples, Format};
pub use form::{Form, SPECIAL_TOKENS, Sequences, Specials};
pub use recipe::{FinetuneRecipe, Tuned, warmup_linear};
pub use tuner::{Base, Finetune, FinetuneStep, Outcome};
