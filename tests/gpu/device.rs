//! The simulated CUDA device: `simulated.cpp`, compiled when a test first asks for it and kept under `target/`.

use rsic::runtime::LIBTORCH_LIB;
use rsic::util::fs::sha256;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

/// The library to load before LibTorch's; `None`, with a note, where it cannot be had: on other systems than Linux and
/// beside a LibTorch that has CUDA itself.
pub(crate) fn simulated() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        if !cfg!(target_os = "linux") || Path::new(LIBTORCH_LIB).join("libtorch_cuda.so").exists() {
            println!("skipped: the simulated device is for Linux and a LibTorch without CUDA");
            return None;
        }
        Some(build())
    });
    library.as_deref()
}

/// Compiles the device, unless that was done for this source and this LibTorch.
fn build() -> PathBuf {
    const SOURCE: &str = include_str!("simulated.cpp");
    let digest = sha256(format!("{LIBTORCH_LIB}\n{SOURCE}").as_bytes());
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("simulated-{}.so", &digest[..16]));
    if library.exists() {
        return library;
    }
    let include = env::var_os("LIBTORCH_INCLUDE").map_or_else(|| Path::new(LIBTORCH_LIB).join(".."), PathBuf::from);
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    let unfinished = library.with_extension(format!("{}.so", std::process::id()));
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let status = Command::new(compiler)
        .args(["-std=c++17", "-O1", "-fPIC", "-shared", "-DNDEBUG", "-Wl,--allow-shlib-undefined"])
        .arg(format!("-D_GLIBCXX_USE_CXX11_ABI={abi}"))
        .arg(format!("-I{}", include.join("include").display()))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gpu/simulated.cpp"))
        .arg("-o")
        .arg(&unfinished)
        .args([format!("-L{LIBTORCH_LIB}"), format!("-Wl,-rpath,{LIBTORCH_LIB}")])
        .args(["-ltorch_cpu", "-lc10"])
        .status()
        .unwrap();
    assert!(status.success(), "the simulated device does not compile");
    fs::rename(&unfinished, &library).unwrap();
    library
}

/// `rsic` with these arguments in a workplace, on the simulated device, not started yet.
pub(crate) fn command<S: AsRef<OsStr>>(place: &Path, library: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsic-torch"));
    command.args(arguments).current_dir(place).env("RSIC_CACHE", place.join("cache")).env("LD_PRELOAD", library);
    command.env_remove("RSIC_DEVICE").stdin(Stdio::null());
    command
}

/// What the process that wrote a report did on the device.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) launches: u64,
    /// Most bytes of tensors at a time.
    pub(crate) peak: u64,
}

impl Report {
    /// That in a file, of a process that must have used the device.
    pub(crate) fn take(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("nothing ran on the simulated device");
        fs::remove_file(path).unwrap();
        let first = text.lines().next().unwrap();
        let number = |name: &str| {
            let rest = first.split(&format!("{name} ")).nth(1).unwrap_or_else(|| panic!("no {name}: {first}"));
            rest.split([',', ' ']).next().unwrap().parse().unwrap()
        };
        Self { launches: number("launches"), peak: number("peak") }
    }
}
