//! A run's home: its folder and lock, what it was made with, and everything that is recorded of it. Plain records,
//! which sessions write and tables and reports read.

mod environment;
mod explanation;
mod folder;
mod lock;
pub mod result;
mod stage_scores;

pub use environment::Environment;
pub use explanation::{Explanation, Look};
pub use folder::{DataUsed, RunFolder};
pub use lock::RunLock;
pub use result::RunResult;
pub use stage_scores::StageScores;

/// Folder of a first training stage within that of the run.
pub const PRETRAIN: &str = "pretrain";
