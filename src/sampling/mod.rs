//! Sampling parameters as one table, and the chain of stages that turns logits into a token.
