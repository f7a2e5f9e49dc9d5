//! `metrics.jsonl` and `steps.jsonl`: a record a line.

use super::{Sink, extend};
use crate::train::state::{EpochRecord, StepRecord};
use crate::util::fs::write_atomic;
use anyhow::Result;
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(super) struct JsonLines {
    epochs: PathBuf,
    steps: PathBuf,
}

impl JsonLines {
    pub(super) fn new(folder: &Path) -> Self {
        Self { epochs: folder.join("metrics.jsonl"), steps: folder.join("steps.jsonl") }
    }
}

impl Sink for JsonLines {
    fn epochs(&mut self, history: &[EpochRecord]) -> Result<()> {
        write_atomic(&self.epochs, &lines(history)?)
    }

    fn steps(&mut self, curve: &[StepRecord]) -> Result<()> {
        extend(&self.steps, &lines(curve)?)
    }
}

/// Records as JSON, one a line.
fn lines(records: &[impl Serialize]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
    }
    Ok(lines)
}
