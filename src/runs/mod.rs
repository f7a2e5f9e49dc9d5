//! A run's home: its folder and lock, what it was made with, and everything that is recorded of it. Plain records,
//! which sessions write and tables and reports read.

mod changes;
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

use crate::train::checkpoints::REINFORCE;
use std::path::{Path, PathBuf};

/// Names of the folder of a first training stage within that of the run; the first is given, runs of old have the
/// other.
const FIRST_STAGE: [&str; 2] = ["first_stage", "pretrain"];

/// The folder of the reinforcement stage of a run.
pub fn reinforce_folder(run: &Path) -> PathBuf {
    run.join(REINFORCE)
}

/// The folder of the first training stage of a run.
pub fn first_stage_folder(run: &Path) -> PathBuf {
    let [folder, old] = FIRST_STAGE.map(|name| run.join(name));
    if old.is_dir() && !folder.exists() { old } else { folder }
}
