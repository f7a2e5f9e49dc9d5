//! The training loop, optimisers, schedules, checkpoints and early stopping.

pub mod checkpoint;
pub mod optimizer;
pub mod run;
pub mod schedule;
pub mod state;

pub use checkpoint::{Checkpoint, Companion};
pub use optimizer::Optimizer;
pub use run::{Outcome, Run, TrainingSet};
pub use state::{EpochRecord, TrainState};
