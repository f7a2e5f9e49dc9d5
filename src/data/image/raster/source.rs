//! Bytes of a file or of memory, read at any place by any thread.

use anyhow::{Result, anyhow, bail};
use std::fs::File;
use std::os::unix::fs::FileExt;

#[derive(Debug)]
pub(super) enum Source {
    File(File, u64),
    Memory(Vec<u8>),
}

impl Source {
    pub(super) fn len(&self) -> u64 {
        match self {
            Source::File(_, length) => *length,
            Source::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// `length` bytes from `at` on.
    pub(super) fn read(&self, at: u64, length: u64) -> Result<Vec<u8>> {
        if at.checked_add(length).is_none_or(|end| end > self.len()) {
            bail!("is truncated");
        }
        match self {
            Source::Memory(bytes) => {
                let part = bytes.get(at as usize..(at + length) as usize);
                part.map(<[u8]>::to_vec).ok_or_else(|| anyhow!("is truncated"))
            }
            Source::File(file, _) => {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, at).map_err(|error| anyhow!("cannot be read: {error}"))?;
                Ok(bytes)
            }
        }
    }
}
