//! Scene-classification training of encoders: from nothing, from other weights, or of single stages; and linear probes.
//!
//! What comes out is a weight file with torchvision's tensor names, which captioning models take as any other.

mod augment;
mod config;
mod confusion;
mod data;
mod linear;
mod optimizer;
mod output;
mod probe;
mod training;

pub use augment::{AugmentConfig, Crop};
pub use config::{
    ClassSource, DataConfig, EncoderConfig, OptimizerConfig, OptimizerKind, Pretraining, ScheduleKind, TrainConfig,
    load,
};
pub use confusion::Confusion;
pub use data::{Labelled, Scenes};
pub use linear::{LogisticRegression, RegressionConfig};
pub use optimizer::Optimizer;
pub use output::{Summary, WEIGHTS, write_results};
pub use probe::{Probe, probe};
pub use training::{Progress, Trained, Training};
