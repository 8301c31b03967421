//! Configurations, weights and the one decoder.
