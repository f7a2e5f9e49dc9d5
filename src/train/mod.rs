//! The training loop, optimisers, checkpoints and early stopping.

pub mod adam;
pub mod checkpoint;
pub mod run;
pub mod state;

pub use adam::Adam;
pub use checkpoint::{Checkpoint, Companion};
pub use run::{Outcome, Run, TrainingSet};
pub use state::{EpochRecord, TrainState};
