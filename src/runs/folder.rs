//! A run folder: what was asked, with what, and how it stands.

use super::changes::check_settings;
use super::{Environment, FIRST_STAGE, first_stage_folder};
use crate::config::{self, Settings, to_yaml};
use crate::train::checkpoint;
use crate::train::checkpoints::REINFORCE;
use crate::util::fs::{read_text, write_atomic};
use crate::util::shell::this_command;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const STATUS: &str = "STATUS";
const COMMAND: &str = "command.txt";
const CONFIG: &str = "config.yaml";
const DONE: &str = "done";

/// The data and weights that a run uses, in `data.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataUsed {
    pub dataset: String,
    /// Hash of the caption file.
    pub captions_sha256: String,
    /// Hash of what the settings make of it.
    pub used_sha256: String,
    pub images: usize,
    pub skipped: usize,
    pub vocabulary_sha256: String,
    /// By file; none for random weights.
    pub weights_sha256: BTreeMap<String, Option<String>>,
}

/// The folder of one training run.
#[derive(Debug)]
pub struct RunFolder {
    pub path: PathBuf,
    /// Whether there is something to continue.
    pub resume: bool,
}

impl RunFolder {
    /// Opens or makes the folder. One that holds another run is refused; one that holds this one, or one that
    /// this prolongs, must be resumed or overwritten, never silently mixed.
    pub fn open<T: Settings + Serialize>(path: &Path, settings: &T, resume: bool, overwrite: bool) -> Result<Self> {
        let shown = path.display();
        let config = path.join(CONFIG);
        let yaml = to_yaml(settings)?;
        // A run that failed before its first checkpoint left nothing to lose.
        let checkpoints = [path.join("checkpoints/last"), first_stage_folder(path).join("checkpoints/last")];
        let started = checkpoints.iter().any(|last| checkpoint::exists(last));
        if started && overwrite {
            for part in ["checkpoints", "predictions", REINFORCE].into_iter().chain(FIRST_STAGE) {
                let folder = path.join(part);
                if folder.exists() {
                    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove '{}'", folder.display()))?;
                }
            }
            let result = path.join("result.json");
            if result.exists() {
                fs::remove_file(&result).with_context(|| format!("cannot remove '{}'", result.display()))?;
            }
        } else if started {
            if !resume {
                bail!(
                    "'{shown}' already contains a run; continue it with --resume, replace it with --overwrite, or \
                    choose another folder with --output"
                );
            }
            check_settings(path, &stored::<T>(&config)?, &yaml)?;
        } else if resume {
            tracing::info!("no checkpoint to resume in '{shown}'; starting from the beginning");
        }
        write_atomic(&config, yaml.as_bytes())?;
        Ok(Self { path: path.to_owned(), resume: started && !overwrite })
    }

    /// Records command line, versions and hardware, and the hashes of the data and weights in use.
    pub fn describe(&self, used: &DataUsed) -> Result<()> {
        write_atomic(&self.path.join(COMMAND), format!("{}\n", this_command().join(" ")).as_bytes())?;
        write_atomic(&self.path.join("environment.json"), &serde_json::to_vec_pretty(&Environment::here())?)?;
        write_atomic(&self.path.join("data.json"), &serde_json::to_vec_pretty(used)?)
    }

    /// Records how the run stands: `running`, `interrupted`, `done`, `failed: why`.
    pub fn set_status(&self, status: &str) -> Result<()> {
        write_atomic(&self.path.join(STATUS), format!("{status}\n").as_bytes())
    }

    /// The command that made a run, as it was typed.
    pub fn command(folder: &Path) -> Option<String> {
        fs::read_to_string(folder.join(COMMAND)).ok().map(|text| text.trim().to_owned())
    }

    /// Whether the training in a run folder has come to its end.
    pub fn is_done(folder: &Path) -> bool {
        fs::read_to_string(folder.join(STATUS)).is_ok_and(|status| status.trim() == DONE)
    }

    pub fn set_done(&self) -> Result<()> {
        self.set_status(DONE)
    }
}

/// The settings that a run was started with, as they are written today: names may have changed since.
fn stored<T: Settings + Serialize>(config: &Path) -> Result<String> {
    let today = config::load::<T>(config, &[]).and_then(|(settings, ..)| to_yaml(&settings));
    today.or_else(|_| read_text(config))
}
