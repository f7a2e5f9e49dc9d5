//! The training loop, optimisers, schedules, checkpoints and early stopping.

pub mod checkpoint;
pub mod checkpoints;
mod guard;
mod libtorch;
pub(crate) mod log;
pub mod memory;
pub mod optimizer;
mod order;
pub mod parallel;
pub mod run;
pub mod schedule;
mod settings;
pub mod state;
mod step;
pub mod tensorboard;

pub use checkpoint::{Checkpoint, Companion};
pub use checkpoints::Checkpoints;
pub use optimizer::Optimizer;
pub use parallel::Group;
pub use run::{Done, Outcome, Run, TrainingSet};
pub use settings::*;
pub use state::{EpochRecord, StepRecord, TrainState};
pub use step::Spent;
