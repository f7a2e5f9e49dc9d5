//! Files that are never seen half-written, and their hashes.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads a text file; the error names it.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read '{}'", path.display()))
}

/// Writes a file through a temporary one beside it, synced and renamed, so that a killed or full-disk run leaves
/// either the old content or the new, never a part.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| Ok(file.write_all(content)?))
}

/// [`write_atomic`] for content that is produced piece by piece.
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    replace(path, true, write)
}

/// [`write_atomic_with`] without waiting for the disk: for what is made again sooner than a disk syncs. A killed
/// program leaves the old content or the new; only a power failure may lose both.
pub fn write_renamed_with(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    replace(path, false, write)
}

fn replace(path: &Path, sync: bool, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).with_context(|| format!("cannot create the folder '{}'", parent.display()))?;
    }
    let temporary = temporary_beside(path);
    let attempt = || -> Result<()> {
        let mut writer = BufWriter::new(File::create(&temporary)?);
        write(&mut writer)?;
        writer.flush()?;
        if sync {
            writer.get_ref().sync_all()?;
        }
        fs::rename(&temporary, path)?;
        Ok(())
    };
    attempt()
        .inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
        .with_context(|| format!("cannot write '{}'", path.display()))
}

/// A name beside `path` that no other process uses, and no other call in this one: threads may write the same file.
pub fn temporary_beside(path: &Path) -> PathBuf {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{}.tmp", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// SHA-256 of a file as lower-case hexadecimal.
pub fn sha256_file(path: &Path) -> Result<String> {
    let context = || format!("cannot read '{}'", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).with_context(context)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// SHA-256 of bytes as lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The user's cache folder for rsic: `RSIC_CACHE`, else `XDG_CACHE_HOME/rsic`, else `~/.cache/rsic`.
pub fn cache_dir() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(cache) = set("RSIC_CACHE") {
        return Ok(cache);
    }
    if let Some(base) = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))) {
        return Ok(base.join("rsic"));
    }
    bail!("no cache folder; set RSIC_CACHE (or HOME) to a writable folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_content_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.txt");
        write_atomic(&path, b"old").unwrap();
        let failed = write_atomic_with(&path, |file| {
            file.write_all(b"half")?;
            bail!("disk full")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("b.txt"));
        assert_eq!(read_text(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn hashes_equal_the_published_test_vector() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"abc").unwrap();
        assert_eq!(sha256_file(file.path()).unwrap(), abc);
    }
}
