//! Lets the binary find LibTorch without `LD_LIBRARY_PATH`, and records what it was built from.

use std::path::{Path, PathBuf};
use std::{env, process::Command};

fn main() {
    // torch-sys (a direct dependency for this reason) passes on where LibTorch lies.
    if let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        println!("cargo:rustc-env=RSIC_LIBTORCH_LIB={lib}");
        compile_switches(Path::new(&lib));
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

/// What tch's bindings lack; LibTorch's headers lie beside its libraries unless `LIBTORCH_INCLUDE` says where.
fn compile_switches(lib: &Path) {
    const SOURCES: [&str; 4] = [
        "src/runtime/libtorch.cpp",
        "src/models/encoders/onednn.cpp",
        "src/models/cost.cpp",
        "src/train/optimizer/together.cpp",
    ];
    for variable in ["LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let root = env::var_os("LIBTORCH_INCLUDE").map_or_else(|| lib.join(".."), PathBuf::from);
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(root.join("include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .define("NDEBUG", None) // as LibTorch was: classes of its headers have further members without it
        .files(SOURCES)
        .compile("rsic_libtorch");
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
