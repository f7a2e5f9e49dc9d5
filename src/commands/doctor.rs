//! `rsic doctor`.

use super::ExitStatus;
use crate::cli::GlobalArgs;
use anyhow::Result;

pub fn run(_global: &GlobalArgs) -> Result<ExitStatus> {
    Ok(ExitStatus::Success)
}
