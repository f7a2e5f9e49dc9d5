//! A run folder: what was asked, with what, and how it stands.

use crate::config::Experiment;
use crate::experiments::environment::Environment;
use crate::session::Session;
use crate::train::checkpoint;
use crate::util::fs::{read_text, sha256_file, write_atomic};
use crate::util::shell::this_command;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

const STATUS: &str = "STATUS";
const COMMAND: &str = "command.txt";
const CONFIG: &str = "config.yaml";
const DONE: &str = "done";
/// Folder of a first training stage within that of the run.
pub(super) const PRETRAIN: &str = "pretrain";

/// The folder of one training run.
#[derive(Debug)]
pub struct RunFolder {
    pub path: PathBuf,
    /// Whether there is something to continue.
    pub resume: bool,
}

impl RunFolder {
    /// Opens or makes the folder. One that holds another experiment is refused; one that holds this experiment must be
    /// resumed or overwritten, never silently mixed.
    pub fn open(path: &Path, experiment: &Experiment, resume: bool, overwrite: bool) -> Result<Self> {
        let shown = path.display();
        let config = path.join(CONFIG);
        let yaml = crate::config::to_yaml(experiment)?;
        // A run that failed before its first checkpoint left nothing to lose.
        let checkpoints = [path.join("checkpoints/last"), path.join(PRETRAIN).join("checkpoints/last")];
        let started = checkpoints.iter().any(|last| checkpoint::exists(last));
        if started && overwrite {
            for part in ["checkpoints", "predictions", PRETRAIN] {
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
                    "'{shown}' already holds a run; continue it with --resume, replace it with --overwrite, or choose \
                     another folder with --output"
                );
            }
            if read_text(&config)? != yaml {
                bail!(
                    "'{shown}' holds a run with other settings ('{}'); choose another folder with --output, or \
                     replace it with --overwrite",
                    config.display()
                );
            }
        } else if resume {
            tracing::info!("nothing to continue in '{shown}': starting anew");
        }
        write_atomic(&config, yaml.as_bytes())?;
        Ok(Self { path: path.to_owned(), resume: started && !overwrite })
    }

    /// Records command line, versions and hardware, and the hashes of the data and weights in use.
    pub fn describe(&self, session: &Session) -> Result<()> {
        write_atomic(&self.path.join(COMMAND), format!("{}\n", this_command().join(" ")).as_bytes())?;
        write_atomic(&self.path.join("environment.json"), &serde_json::to_vec_pretty(&Environment::here())?)?;
        let mut weights = serde_json::Map::new();
        for encoder in &session.experiment.encoders {
            let path = Path::new(&encoder.weights);
            let hash = if path.is_file() { Some(sha256_file(path)?) } else { None };
            weights.insert(encoder.weights.clone(), hash.into());
        }
        let data = serde_json::json!({
            "dataset": session.dataset.name,
            "captions_sha256": session.dataset.captions_sha256,
            "used_sha256": session.dataset.hash(),
            "images": session.dataset.images.len(),
            "skipped": session.dataset.skipped.len() + session.unreadable.len(),
            "vocabulary_sha256": session.vocabulary.hash(),
            "weights_sha256": weights,
        });
        write_atomic(&self.path.join("data.json"), &serde_json::to_vec_pretty(&data)?)
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
