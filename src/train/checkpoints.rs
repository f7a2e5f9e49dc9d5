//! The checkpoint folders of a run: which there are, which one training continues from, which are dropped.

use super::checkpoint::{self, Checkpoint, Companion, previous};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

pub const LAST: &str = "last";
pub const BEST: &str = "best";
/// Folder of the reinforcement stage within that of its run, with checkpoints of its own.
pub const REINFORCE: &str = "reinforce";
const EPOCH: &str = "epoch-";

/// The folder `checkpoints` of a run: `last`, `best` by the metric of early stopping, `best-<metric>` by further ones,
/// `epoch-0007` of the last few epochs.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub fn of_run(run: &Path) -> Self {
        Self { folder: run.join("checkpoints") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The name of the best checkpoint by a further metric.
    pub fn best_by(metric: &str) -> String {
        format!("{BEST}-{metric}")
    }

    /// The name of an epoch's own checkpoint; names sort as epochs do.
    pub fn of_epoch(epoch: usize) -> String {
        format!("{EPOCH}{epoch:04}")
    }

    /// Saves one state under several names, in that order. Written once: the others share its files, which no one
    /// changes.
    pub fn save(&self, names: &[String], state: &Checkpoint, companions: &[Companion]) -> Result<()> {
        if let Some((first, others)) = names.split_first() {
            let first = self.path(first);
            state.save(&first, companions)?;
            for name in others {
                checkpoint::share(&first, &self.path(name))?;
            }
        }
        Ok(())
    }

    /// The newest checkpoint that can be read: `last` or the one it replaced, else that of the latest epoch kept, else
    /// the best. `None` where there is none at all; an error where none of them can be read.
    ///
    /// Every unreadable one on the way is named on the log, and set aside as `<name>.unreadable`, so that the next
    /// checkpoint does not replace the readable one before it.
    pub fn newest(&self) -> Result<Option<Checkpoint>> {
        let mut names = vec![LAST.to_owned()];
        names.extend(self.epochs()?.into_iter().rev());
        names.push(BEST.to_owned());
        let folders = names.iter().map(|name| self.path(name)).flat_map(|folder| [folder.clone(), previous(&folder)]);
        let mut unreadable: Vec<(PathBuf, anyhow::Error)> = Vec::new();
        for folder in folders.filter(|folder| folder.exists()) {
            match Checkpoint::load(&folder) {
                Ok(checkpoint) => {
                    for (broken, error) in &unreadable {
                        tracing::warn!("{error:#}; continuing from the previous checkpoint '{}'", folder.display());
                        checkpoint::set_aside(broken)?;
                    }
                    return Ok(Some(checkpoint));
                }
                Err(error) => unreadable.push((folder, error)),
            }
        }
        match unreadable.into_iter().next() {
            Some((_, error)) => Err(error.context(format!(
                "no checkpoint in '{}' can be read; restore one from a copy, or restart with --overwrite",
                self.folder.display()
            ))),
            None => Ok(None),
        }
    }

    /// Removes the epochs' own checkpoints but for the newest `keep`.
    pub fn prune(&self, keep: usize) -> Result<()> {
        let epochs = self.epochs()?;
        for name in epochs.iter().take(epochs.len().saturating_sub(keep)) {
            for folder in [self.path(name), previous(&self.path(name))] {
                checkpoint::remove(&folder).with_context(|| format!("cannot remove '{}'", folder.display()))?;
            }
        }
        Ok(())
    }

    /// Names of the epochs' own checkpoints, oldest first.
    pub fn epochs(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => bail!("cannot read '{}': {error}", self.folder.display()),
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .map(|name| name.trim_end_matches(".previous").to_owned())
            .filter(|name| name.strip_prefix(EPOCH).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())))
            .collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names.dedup();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TrainState;
    use crate::train::checkpoint::WEIGHTS;
    use tch::Tensor;

    fn state(epoch: usize) -> Checkpoint {
        Checkpoint {
            weights: vec![("w".into(), Tensor::from_slice(&[epoch as f32]))],
            optimizer: vec![("steps".into(), Tensor::from_slice(&[3i64]))],
            state: TrainState { epoch, ..TrainState::default() },
        }
    }

    fn names(run: &Path) -> Vec<String> {
        let entries = fs::read_dir(run.join("checkpoints")).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn epoch(checkpoints: &Checkpoints) -> Option<usize> {
        checkpoints.newest().unwrap().map(|checkpoint| checkpoint.state.epoch)
    }

    #[test]
    fn one_state_goes_under_several_names_and_old_epochs_go() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of_run(run.path());
        assert_eq!(epoch(&checkpoints), None);
        for epoch in [8, 9, 10] {
            let names = [Checkpoints::of_epoch(epoch), LAST.to_owned()];
            checkpoints.save(&names, &state(epoch), &[]).unwrap();
            checkpoints.prune(2).unwrap();
        }
        assert_eq!(names(run.path()), ["epoch-0009", "epoch-0010", "last", "last.previous"]);
        checkpoints.prune(0).unwrap();
        assert_eq!(names(run.path()), ["last", "last.previous"]);
        assert_eq!(epoch(&checkpoints), Some(10));
    }

    #[test]
    fn an_unreadable_checkpoint_is_set_aside_and_the_one_before_it_serves() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of_run(run.path());
        for epoch in [1, 2, 3] {
            checkpoints.save(&[Checkpoints::of_epoch(epoch), LAST.to_owned()], &state(epoch), &[]).unwrap();
        }
        let spoil = |name: &str| {
            let file = checkpoints.path(name).join(WEIGHTS);
            fs::remove_file(&file).unwrap(); // its content is shared with other checkpoints
            fs::write(&file, b"cut").unwrap();
        };
        spoil(LAST);
        assert_eq!(epoch(&checkpoints), Some(2));
        assert!(names(run.path()).contains(&"last.unreadable".to_owned()));
        spoil("last.previous");
        assert_eq!(epoch(&checkpoints), Some(3), "that of the latest epoch");
        spoil("epoch-0003");
        spoil("epoch-0002");
        spoil("epoch-0001");
        let error = format!("{:#}", checkpoints.newest().unwrap_err());
        assert!(error.contains("no checkpoint in") && error.contains("epoch-0003"), "{error}");
    }
}
