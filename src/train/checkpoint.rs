//! Checkpoint folders: complete in themselves, never seen half-written, and the one before is kept.

use super::checkpoints::REINFORCE;
use super::state::TrainState;
use crate::util::fs::{read_text, sha256_file, write_atomic};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tch::Tensor;

pub const WEIGHTS: &str = "model.safetensors";
pub const OPTIMIZER: &str = "optimizer.safetensors";
pub const STATE: &str = "state.json";
pub const VOCABULARY: &str = "vocabulary.json";
pub const ATTRIBUTES: &str = "attributes.json";
pub const CONFIG: &str = "config.yaml";

pub type NamedTensors = Vec<(String, Tensor)>;

/// What a checkpoint holds beside the files that do not change during a run.
#[derive(Debug)]
pub struct Checkpoint {
    pub weights: NamedTensors,
    pub optimizer: NamedTensors,
    pub state: TrainState,
}

/// A small file that goes into every checkpoint as it is: vocabulary, resolved config.
#[derive(Debug, Clone)]
pub struct Companion {
    pub name: &'static str,
    pub content: Vec<u8>,
}

impl Checkpoint {
    /// Writes the folder aside, syncs it and puts it in place of the old one, which stays as `<name>.previous`.
    pub fn save(&self, folder: &Path, companions: &[Companion]) -> Result<()> {
        let staged = with_suffix(folder, ".tmp");
        let write = || -> Result<()> {
            remove(&staged)?;
            fs::create_dir_all(&staged)?;
            write_tensors(&self.weights, &staged.join(WEIGHTS))?;
            write_tensors(&self.optimizer, &staged.join(OPTIMIZER))?;
            for companion in companions {
                write_atomic(&staged.join(companion.name), &companion.content)?;
            }
            let mut sha256 = BTreeMap::new();
            for name in [WEIGHTS, OPTIMIZER].into_iter().chain(companions.iter().map(|companion| companion.name)) {
                sha256.insert(name, sha256_file(&staged.join(name))?);
            }
            let mut state = serde_json::to_value(&self.state)?;
            if let Some(fields) = state.as_object_mut() {
                fields.insert("sha256".into(), serde_json::to_value(sha256)?);
            }
            write_atomic(&staged.join(STATE), &serde_json::to_vec_pretty(&state)?)?;
            replace_folder(&staged, folder)
        };
        write().inspect_err(|_| _ = fs::remove_dir_all(&staged)).with_context(|| {
            format!("cannot save the checkpoint '{}' (the previous checkpoint is kept)", folder.display())
        })
    }

    /// Reads a folder that [`Self::save`] wrote; the error names the file that cannot be read or has changed since.
    pub fn load(folder: &Path) -> Result<Self> {
        verify(folder)?;
        let state = read_text(&folder.join(STATE))?;
        Ok(Self {
            weights: read_tensors(&folder.join(WEIGHTS))?,
            optimizer: read_tensors(&folder.join(OPTIMIZER))?,
            state: serde_json::from_str(&state).ok().with_context(|| not_a_state(folder))?,
        })
    }
}

/// The part of a state that names the other files.
#[derive(Deserialize)]
struct Sums {
    /// SHA-256 by file name; none in checkpoints of earlier versions.
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

/// An error where a file of a checkpoint is not as it was saved, or cannot be read at all.
pub fn verify(folder: &Path) -> Result<()> {
    let state = folder.join(STATE);
    if !state.is_file() {
        return Ok(()); // a copy of the weights alone serves for captions
    }
    let sums: Sums = serde_json::from_str(&read_text(&state)?).ok().with_context(|| not_a_state(folder))?;
    for (name, expected) in &sums.sha256 {
        let file = folder.join(Path::new(name).file_name().unwrap_or_default());
        if file.is_file() && sha256_file(&file)? != *expected {
            bail!(
                "'{}' is damaged or was changed after it was saved: its SHA-256 is not the one in {STATE}; restore it \
                 from a copy",
                file.display()
            );
        }
    }
    Ok(())
}

fn not_a_state(folder: &Path) -> String {
    format!("'{}' is not a training state; restore it from a copy", folder.join(STATE).display())
}

/// Renames an unreadable checkpoint to `<name>.unreadable`, so that the next one saved in its place does not take the
/// place of the readable one before it.
pub(super) fn set_aside(folder: &Path) -> Result<()> {
    let aside = with_suffix(folder, ".unreadable");
    let moved = remove(&aside).and_then(|()| fs::rename(folder, &aside));
    moved.with_context(|| format!("cannot rename the unreadable checkpoint '{}'", folder.display()))
}

/// Whether a run has a checkpoint to continue from.
pub fn exists(folder: &Path) -> bool {
    folder.exists() || previous(folder).exists()
}

/// Puts the checkpoint of one folder in place of another's, without writing its files again where the file system can
/// share them.
pub(super) fn share(from: &Path, to: &Path) -> Result<()> {
    let staged = with_suffix(to, ".tmp");
    let link = || -> Result<()> {
        remove(&staged)?;
        fs::create_dir_all(&staged)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let file = staged.join(entry.file_name());
            if fs::hard_link(entry.path(), &file).is_err() {
                fs::copy(entry.path(), &file)?;
                File::open(&file)?.sync_all()?;
            }
        }
        replace_folder(&staged, to)
    };
    link()
        .inspect_err(|_| _ = fs::remove_dir_all(&staged))
        .with_context(|| format!("cannot save the checkpoint '{}' (the previous checkpoint is kept)", to.display()))
}

/// The weights of a checkpoint folder, all of whose files must be whole. Where one is not the error names it, and the
/// checkpoint before it where there is one.
pub fn read_weights(folder: &Path) -> Result<NamedTensors> {
    let before = previous(folder);
    verify(folder).and_then(|()| read_tensors(&folder.join(WEIGHTS))).map_err(|error| {
        match before.join(WEIGHTS).is_file() {
            true => error.context(format!("use the previous checkpoint '{}' instead", before.display())),
            false => error,
        }
    })
}

/// The checkpoint folder that a user's path means: itself, or a run folder's `checkpoints/best`, else `last`, those of
/// its last stage first; where a replacement was cut short, the one before.
pub fn resolve(path: &Path) -> Result<PathBuf> {
    let checkpoints = path.join("checkpoints");
    let reinforced = path.join(REINFORCE).join("checkpoints/best");
    let candidates = [path.to_owned(), reinforced, checkpoints.join("best"), checkpoints.join("last")];
    let with_previous = candidates.iter().flat_map(|folder| [folder.clone(), previous(folder)]);
    match with_previous.into_iter().find(|folder| folder.join(WEIGHTS).is_file()) {
        Some(folder) => {
            if folder != path && folder != checkpoints.join("best") {
                tracing::warn!("'{}' has no best checkpoint: using '{}'", path.display(), folder.display());
            }
            Ok(folder)
        }
        None if path.join(CONFIG).is_file() => bail!(
            "the run in '{}' has no checkpoint yet; continue its training with the original command and --resume",
            path.display()
        ),
        None if path.exists() => bail!(
            "'{}' is neither a run folder (checkpoints/best) nor a checkpoint folder ({WEIGHTS}); train one with 'rsic \
             train'",
            path.display()
        ),
        None => bail!("run or checkpoint folder '{}' does not exist", path.display()),
    }
}

/// Where the checkpoint that `folder` replaced is kept.
pub(super) fn previous(folder: &Path) -> PathBuf {
    with_suffix(folder, ".previous")
}

fn with_suffix(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    folder.with_file_name(name)
}

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// At every moment either `folder` or its predecessor is whole: a folder cannot be replaced in one rename.
fn replace_folder(staged: &Path, folder: &Path) -> Result<()> {
    File::open(staged)?.sync_all()?;
    let previous = previous(folder);
    if folder.exists() {
        remove(&previous)?;
        fs::rename(folder, &previous)?;
    }
    fs::rename(staged, folder)?;
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn write_tensors(tensors: &NamedTensors, path: &Path) -> Result<()> {
    let write = || -> Result<()> {
        let contiguous: NamedTensors = tensors
            .iter()
            .map(|(name, t)| (name.clone(), t.detach().to_device(tch::Device::Cpu).contiguous()))
            .collect();
        Tensor::write_safetensors(&contiguous, path)?;
        Ok(File::open(path)?.sync_all()?)
    };
    write().with_context(|| format!("cannot write '{}'", path.display()))
}

fn read_tensors(path: &Path) -> Result<NamedTensors> {
    if !path.exists() {
        bail!("there is no '{}'", path.display());
    }
    // LibTorch's words would add nothing but names of its source files.
    Tensor::read_safetensors(path).ok().with_context(|| {
        format!("cannot read '{}': it is truncated or not a safetensors file; restore it from a copy", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(value: f32) -> Checkpoint {
        Checkpoint {
            weights: vec![("w".into(), Tensor::from_slice(&[value]))],
            optimizer: vec![("steps".into(), Tensor::from_slice(&[3i64]))],
            state: TrainState { epoch: value as usize, ..TrainState::default() },
        }
    }

    fn weight(checkpoint: &Checkpoint) -> f64 {
        checkpoint.weights[0].1.double_value(&[0])
    }

    #[test]
    fn a_checkpoint_comes_back_and_the_one_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder.path().join("last");
        let companions = [Companion { name: CONFIG, content: b"name: x".to_vec() }];
        checkpoint(1.0).save(&last, &companions).unwrap();
        checkpoint(2.0).save(&last, &companions).unwrap();
        assert_eq!(weight(&Checkpoint::load(&last).unwrap()), 2.0);
        assert_eq!(read_text(&last.join(CONFIG)).unwrap(), "name: x");
        let cut = fs::read(last.join(WEIGHTS)).unwrap();
        fs::write(last.join(WEIGHTS), &cut[..cut.len() / 2]).unwrap();
        assert!(format!("{:#}", Checkpoint::load(&last).unwrap_err()).contains("damaged"));
        let offered = format!("{:#}", read_weights(&last).unwrap_err());
        assert!(offered.contains("last.previous") && offered.contains("damaged"), "{offered}");
        forget_sums(&last);
        assert!(format!("{:#}", Checkpoint::load(&last).unwrap_err()).contains("truncated"));
        assert_eq!(weight(&Checkpoint::load(&previous(&last)).unwrap()), 1.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left aside");
    }

    /// Makes a checkpoint one of an earlier version, whose state had no hashes.
    fn forget_sums(folder: &Path) {
        let mut state: serde_json::Value = serde_json::from_str(&read_text(&folder.join(STATE)).unwrap()).unwrap();
        state.as_object_mut().unwrap().remove("sha256").unwrap();
        fs::write(folder.join(STATE), state.to_string()).unwrap();
    }

    #[test]
    fn a_flipped_bit_in_any_file_is_told_by_the_files_name() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder.path().join("last");
        let companion = |name| Companion { name, content: b"{\"a\": 1}".to_vec() };
        checkpoint(1.0).save(&last, &[companion(CONFIG), companion(VOCABULARY)]).unwrap();
        for name in [WEIGHTS, OPTIMIZER, CONFIG, VOCABULARY] {
            let whole = fs::read(last.join(name)).unwrap();
            let mut bytes = whole.clone();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(last.join(name), bytes).unwrap();
            let message = format!("{:#}", Checkpoint::load(&last).unwrap_err());
            assert!(message.contains(name) && message.contains("SHA-256"), "{message}");
            assert!(format!("{:#}", read_weights(&last).unwrap_err()).contains(name));
            fs::write(last.join(name), whole).unwrap();
        }
        Checkpoint::load(&last).unwrap();
    }

    #[test]
    fn checkpoints_of_earlier_versions_without_hashes_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder.path().join("last");
        checkpoint(1.0).save(&last, &[]).unwrap();
        forget_sums(&last);
        assert_eq!(weight(&Checkpoint::load(&last).unwrap()), 1.0);
        assert_eq!(read_weights(&last).unwrap().len(), 1);
    }

    #[test]
    fn a_failed_save_keeps_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder.path().join("last");
        checkpoint(1.0).save(&last, &[]).unwrap();
        let unwritable = [Companion { name: "no/../../x/y\0", content: vec![] }];
        assert!(checkpoint(2.0).save(&last, &unwritable).is_err());
        assert_eq!(weight(&Checkpoint::load(&last).unwrap()), 1.0);
    }

    #[test]
    fn a_run_folder_means_its_best_checkpoint() {
        let run = tempfile::tempdir().unwrap();
        let best = run.path().join("checkpoints/best");
        checkpoint(1.0).save(&best, &[]).unwrap();
        assert_eq!(resolve(run.path()).unwrap(), best);
        let reinforced = run.path().join("reinforce/checkpoints/best");
        checkpoint(2.0).save(&reinforced, &[]).unwrap();
        assert_eq!(resolve(run.path()).unwrap(), reinforced);
        assert_eq!(resolve(&best).unwrap(), best, "the stage before it is still there");
        fs::remove_dir_all(run.path().join("reinforce")).unwrap();
        fs::rename(&best, run.path().join("checkpoints/best.previous")).unwrap();
        assert!(resolve(run.path()).unwrap().ends_with("best.previous"));
        assert!(format!("{}", resolve(&run.path().join("nowhere")).unwrap_err()).contains("nowhere"));
    }
}
