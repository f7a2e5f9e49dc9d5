//! Remote-sensing image captioning on LibTorch: data, models, decoding, training, metrics and reports.
//!
//! A module uses those above it and never those below; `tests/architecture.rs` holds the code to that:
//!
//! - [`util`], [`captions`], [`eval`]: files, messages and random numbers; caption files; the metrics. Crates of their
//!   own, which know no tensors
//! - [`config`]: settings of any kind from YAML; [`runtime`]: device, threads, seeds, signals
//! - [`weights`]: weight files; [`scenes`]: the built-in dataset; [`data`]: captions, images, masks, vocabulary
//! - [`geo`]: where scenes lie, their tiles, and files of captions that know it
//! - [`models`]: encoders, the four captioners, Segment Anything. They do no I/O
//! - [`features`]: what frozen encoders make of images; [`decode`]: captions of any [`models::Captioner`]
//! - [`semantic`]: scores of captions by CLIP and by sentence encoders
//! - [`train`]: the training loop
//! - [`experiment`]: one training run's settings; [`runs`]: its folder and what is recorded of it
//! - [`session`]: an experiment in memory; [`pretrain`]: encoders on scene classes
//! - [`experiments`]: published tables, sweeps and their runs; [`report`]: tables and pages
//! - [`cli`], [`commands`]: the only place that ties the parts together

pub mod commands;
pub mod config;
pub mod data;
pub mod decode;
pub mod experiment;
pub mod experiments;
pub mod features;
pub mod geo;
pub mod models;
pub mod pretrain;
pub mod report;
pub mod runs;
pub mod runtime;
pub mod scenes;
pub mod semantic;
pub mod session;
pub mod train;
pub mod weights;

pub use rsic_captions as captions;
pub use rsic_cli as cli;
pub use rsic_metrics as eval;
pub use rsic_util as util;
