//! Files that are never seen half-written, and their hashes.

use crate::stop;
use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest file that is read into memory, bytes.
pub const MOST_BYTES: u64 = 2 << 30;

/// Reads a file whole. A folder, a pipe, a device or a file of more than [`MOST_BYTES`] is refused before it is
/// opened: a pipe may never give anything, a device may never end.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let context = || format!("cannot read '{}'", path.display());
    let metadata = fs::metadata(path).with_context(context)?;
    if !metadata.is_file() {
        return Err(anyhow!("it is not a regular file")).with_context(context);
    }
    check_length(metadata.len()).with_context(context)?;
    fs::read(path).with_context(context)
}

/// Reads a text file or a pipe; the error names it. Devices and texts of more than [`MOST_BYTES`] are refused.
pub fn read_text(path: &Path) -> Result<String> {
    let read = || -> Result<String> {
        let kind = fs::metadata(path)?.file_type();
        if kind.is_char_device() || kind.is_block_device() {
            bail!("it is a device");
        }
        let mut bytes = Vec::new();
        match kind.is_fifo() {
            true => bytes = read_pipe(path)?,
            false => File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map(drop)?,
        }
        check_length(bytes.len() as u64)?;
        match bytes.as_slice() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => bail!("it is UTF-16 text; save it as UTF-8"),
            [0x1f, 0x8b, ..] => bail!("it is compressed by gzip; unpack it with 'gunzip'"),
            _ => {}
        }
        String::from_utf8(bytes)
            .map_err(|error| anyhow!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to() + 1))
    };
    read().with_context(|| format!("cannot read '{}'", path.display()))
}

/// What a pipe gives until its writers close it, a little more than [`MOST_BYTES`] at most. Waiting for it ends where
/// the process is asked to stop.
fn read_pipe(path: &Path) -> Result<Vec<u8>> {
    const PAUSE: libc::c_int = 100; // milliseconds
    let mut pipe = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let (mut bytes, mut some) = (Vec::new(), [0; 1 << 16]);
    while bytes.len() as u64 <= MOST_BYTES {
        stop::check("it was still being waited for")?;
        let mut asked = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one open file, and how many there are.
        if unsafe { libc::poll(&mut asked, 1, PAUSE) } > 0 {
            match pipe.read(&mut some) {
                Ok(0) => break,
                Ok(count) => bytes.extend(some.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(bytes)
}

fn check_length(length: u64) -> Result<()> {
    ensure!(length <= MOST_BYTES, "it is larger than {} MiB", MOST_BYTES >> 20);
    Ok(())
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
    if !fs::metadata(path).with_context(context)?.is_file() {
        return Err(anyhow!("it is not a regular file")).with_context(context);
    }
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

/// Where a file of a cache folder is to be written: in that folder or, where it cannot be written to, which is told
/// once, among the user's temporary files.
///
/// # Errors
/// Neither can be written to.
pub fn writable(cache: &Path, file: &Path) -> Result<PathBuf> {
    static TOLD: Once = Once::new();
    const HELP: &str = "set RSIC_CACHE to a folder that you can write to";
    let place = cache.join(file);
    let Err(error) = prepare_for_writing(&place) else { return Ok(place) };
    // SAFETY: asks for a number.
    let user = unsafe { libc::geteuid() };
    let stand_in = std::env::temp_dir().join(format!("rsic-cache-{user}"));
    let neither = || format!("cannot write to the cache '{}': {error}; {HELP}", cache.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&stand_in).with_context(neither)?;
    let owner = fs::symlink_metadata(&stand_in).with_context(neither)?.uid();
    ensure!(owner == user, "{}: '{}' belongs to another user", neither(), stand_in.display());
    let place = stand_in.join(file);
    prepare_for_writing(&place).with_context(neither)?;
    TOLD.call_once(|| {
        let (cache, stand_in) = (cache.display(), stand_in.display());
        tracing::warn!("cannot write to the cache '{cache}': {error}; '{stand_in}' takes its place; {HELP}");
    });
    Ok(place)
}

/// Makes the folder of a file; an error where that, or the file in it, could not be written.
fn prepare_for_writing(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let asked = CString::new(if file.exists() { file } else { folder }.as_os_str().as_bytes())?;
    // SAFETY: a path that ends in a zero.
    match unsafe { libc::access(asked.as_ptr(), libc::W_OK) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
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
    fn devices_folders_and_overlong_files_are_refused_before_they_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = |error: anyhow::Error| format!("{error:#}");
        for device in ["/dev/zero", "/dev/null"].map(Path::new) {
            assert!(error(read_file(device).unwrap_err()).contains("not a regular file"));
            assert!(error(read_text(device).unwrap_err()).contains("it is a device"));
            assert!(error(sha256_file(device).unwrap_err()).contains("not a regular file"));
        }
        assert!(error(read_file(folder.path()).unwrap_err()).contains("not a regular file"));
        let long = folder.path().join("long");
        File::create(&long).unwrap().set_len(MOST_BYTES + 1).unwrap(); // holes take no room
        assert!(error(read_file(&long).unwrap_err()).contains("larger than 2048 MiB"));
        fs::write(&long, b"caf\xe9").unwrap();
        assert!(error(read_text(&long).unwrap_err()).contains("not UTF-8 text (byte 4)"));
        for (start, says) in [(&b"\xff\xfea\0"[..], "UTF-16"), (b"\x1f\x8b\x08", "gunzip")] {
            fs::write(&long, start).unwrap();
            assert!(error(read_text(&long).unwrap_err()).contains(says));
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end_however_late_its_writer_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a name that ends in a zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let (written, path_of_writer) = ("a caption\n".repeat(20_000), path.clone());
        let text = written.clone();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(150));
            fs::write(path_of_writer, text).unwrap();
        });
        assert_eq!(read_text(&path).unwrap(), written);
        writer.join().unwrap();
    }

    #[test]
    fn a_cache_that_cannot_be_written_to_has_a_stand_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = Path::new("features/some.features");
        assert_eq!(writable(folder.path(), file).unwrap(), folder.path().join(file));
        fs::write(folder.path().join("no folder"), "").unwrap();
        let elsewhere = writable(&folder.path().join("no folder"), file).unwrap();
        assert!(elsewhere.starts_with(std::env::temp_dir()) && elsewhere.ends_with(file), "{}", elsewhere.display());
        write_atomic(&elsewhere, b"row").unwrap();
        fs::remove_file(elsewhere).unwrap();
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
