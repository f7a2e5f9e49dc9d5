//! What tests through the real binary share: a folder with small built-in scenes, and commands run in it.
#![allow(dead_code, clippy::unwrap_used, clippy::unreachable)] // each test file uses a part of it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of that name with 51 scenes of 64 pixels in `scenes`, made anew, and a feature cache of its own.
pub fn workplace(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).unwrap();
    succeeds(&rsic(&place, &["data", "scenes", "scenes", "--count", "51", "--size", "64"]));
    place
}

/// `rsic` with these arguments in a workplace, not started yet.
pub fn command<S: AsRef<std::ffi::OsStr>>(place: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsic"));
    command.args(arguments).current_dir(place).env("RSIC_CACHE", place.join("cache"));
    command.env_remove("RSIC_DEVICE").stdin(Stdio::null());
    command
}

pub fn rsic<S: AsRef<std::ffi::OsStr>>(place: &Path, arguments: &[S]) -> Output {
    command(place, arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The standard output of a command that succeeded.
pub fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// One clear sentence, exit code 2, and no panic.
pub fn refused(output: &Output, says: &[&str]) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    for part in says {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
}
