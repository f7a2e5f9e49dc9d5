//! What a first training stage was worth.

use super::first_stage_folder;
use crate::eval::Scores;
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// File of the scores before and after the stage, in its folder.
const SCORES: &str = "scores.json";

/// What a first stage is worth: scores by split, before it and with the parameters that it kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageScores {
    pub before: BTreeMap<String, Scores>,
    pub after: BTreeMap<String, Scores>,
}

impl StageScores {
    /// Those of a run folder; `None` where there was no first stage.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = first_stage_folder(folder).join(SCORES);
        if !path.is_file() {
            return Ok(None);
        }
        let scores = serde_json::from_str(&read_text(&path)?).map_err(crate::util::json::error);
        scores.map(Some).with_context(|| format!("'{}' has no first-stage scores", path.display()))
    }

    /// Writes them into a run folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write_atomic(&first_stage_folder(folder).join(SCORES), &serde_json::to_vec_pretty(self)?)
    }
}
