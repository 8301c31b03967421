//! kshot: a terminal playground for GPT-style language models.

pub mod text;

pub mod kernels;

pub mod sampling;

pub mod prompt;

pub mod hub;

pub mod model;

pub mod engine;

pub mod session;

pub mod app;

pub mod ui;
