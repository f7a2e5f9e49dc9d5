//! The training loop, optimisers, schedules, checkpoints and early stopping.

mod average;
pub mod checkpoint;
pub mod checkpoints;
pub mod memory;
mod objective;
pub mod optimizer;
mod order;
pub mod parallel;
mod reading;
mod reinforce;
pub mod run;
pub mod schedule;
mod settings;
pub mod sinks;
pub mod state;
mod step;
mod switches;

pub use average::mean_weights;
pub use checkpoint::{Checkpoint, Companion};
pub use checkpoints::Checkpoints;
pub use objective::{Objective, Prepared, Streams, Unit};
pub use optimizer::Optimizer;
pub use parallel::ProcessGroup;
pub use reinforce::{Baseline, ReinforceConfig, RewardConfig};
pub use run::{Done, Outcome, Run};
pub use settings::*;
pub use state::{EpochRecord, StepRecord, TrainState};
pub use step::Spent;
