//! One process to a run: a lock that the system lets go when its holder ends, however that comes about.

use anyhow::{Context, Result};
use std::fs::{self, File, TryLockError};
use std::path::Path;

/// Name of the lock's file in a run folder. It stays there; it is its being locked that counts.
const FILE: &str = "lock";

/// A run folder that this process alone works on, until dropped.
#[derive(Debug)]
pub struct RunLock(#[allow(dead_code, reason = "held, not read")] File);

impl RunLock {
    /// Takes a run folder, making it where it is not there.
    ///
    /// # Errors
    /// Another process has it.
    pub fn take(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        Self::try_take(folder)?.with_context(|| {
            format!(
                "another process is training in '{shown}'; wait for it to finish or choose another folder with \
                --output"
            )
        })
    }

    /// Takes a run folder, making it where it is not there; `None` where another process has it.
    pub fn try_take(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let context = || format!("cannot lock '{}'", path.display());
        fs::create_dir_all(folder).with_context(context)?;
        let file = File::options().create(true).append(true).open(&path).with_context(context)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_holders_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/a");
        let first = RunLock::try_take(&run).unwrap();
        assert!(first.is_some());
        assert!(RunLock::try_take(&run).unwrap().is_none());
        drop(first);
        assert!(RunLock::try_take(&run).unwrap().is_some());
    }
}
