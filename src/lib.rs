//! Remote-sensing image captioning on LibTorch: data, models, decoding, training, metrics and reports.
//!
//! Data flows one way: [`data`] -> [`models`] -> [`decode`] -> [`eval`] -> [`report`]. Models do no I/O, decoders know
//! models only through [`models::Captioner`], metrics know no tensors, and only [`commands`] ties the parts together.

pub mod cli;
pub mod commands;
pub mod config;
pub mod data;
pub mod decode;
pub mod eval;
pub mod experiments;
pub mod features;
pub mod logging;
pub mod models;
pub mod pretrain;
pub mod report;
pub mod runtime;
pub mod session;
pub mod train;
pub mod util;
