//! The training loop, optimisers, schedules, checkpoints and early stopping.

pub mod checkpoint;
pub mod checkpoints;
pub mod memory;
mod objective;
pub mod optimizer;
mod order;
pub mod parallel;
mod reading;
pub mod run;
pub mod schedule;
mod settings;
pub mod sinks;
pub mod state;
mod step;
mod switches;

pub use checkpoint::{Checkpoint, Companion};
pub use checkpoints::Checkpoints;
pub use objective::{Objective, Prepared, Streams, Unit};
pub use optimizer::Optimizer;
pub use parallel::ProcessGroup;
pub use run::{Done, Outcome, Run};
pub use settings::*;
pub use state::{EpochRecord, StepRecord, TrainState};
pub use step::Spent;
