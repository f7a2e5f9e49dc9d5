//! What a run was made with: versions and hardware, recorded with every result.

use crate::runtime;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Versions and hardware of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Version of rsic.
    pub rsic: String,
    /// Commit it was built from.
    pub commit: String,
    /// Version of LibTorch.
    pub libtorch: String,
    /// Compiler.
    pub rustc: String,
    /// Processor model.
    pub cpu: String,
    /// Cores that the process may use.
    pub cores: usize,
}

impl Environment {
    /// This process's.
    pub fn here() -> Self {
        Self {
            rsic: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("RSIC_GIT_COMMIT").unwrap_or("unknown").into(),
            libtorch: libtorch_version(Path::new(runtime::LIBTORCH_LIB)),
            rustc: option_env!("RSIC_RUSTC").unwrap_or("unknown").into(),
            cpu: cpu_model(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// From `build-version` beside `lib/`.
fn libtorch_version(lib: &Path) -> String {
    let file = lib.parent().map(|root| root.join("build-version"));
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let version = text.trim();
    if version.is_empty() { "unknown".into() } else { version.into() }
}

fn cpu_model(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name));
    model.map_or_else(|| std::env::consts::ARCH.into(), |name| name.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read_from_cpuinfo() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: Fast CPU 9\n"), "Fast CPU 9");
        assert_eq!(cpu_model(""), std::env::consts::ARCH);
    }
}
