//! Lets the binary find LibTorch without `LD_LIBRARY_PATH`, and records what it was built from.

use std::{env, path::Path, process::Command};

fn main() {
    // torch-sys (a direct dependency for this reason) passes on where LibTorch lies.
    if let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        println!("cargo:rustc-env=RSIC_LIBTORCH_LIB={lib}");
    }
    println!("cargo:rustc-env=RSIC_GIT_COMMIT={}", git_commit().unwrap_or_else(|| "unknown".into()));
    println!("cargo:rustc-env=RSIC_RUSTC={}", rustc_version().unwrap_or_else(|| "unknown".into()));
    println!("cargo:rerun-if-changed=build.rs");
    for watched in [".git/HEAD", ".git/logs/HEAD"] {
        if Path::new(watched).exists() {
            println!("cargo:rerun-if-changed={watched}");
        }
    }
}

fn git_commit() -> Option<String> {
    stdout(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]))
}

fn rustc_version() -> Option<String> {
    stdout(Command::new(env::var_os("RUSTC")?).arg("--version"))
}

fn stdout(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
