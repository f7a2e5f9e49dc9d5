//! Weight files: reading named tensors, and loading them into a network with an account of every tensor.

mod random;
mod report;
mod safetensors;

pub use random::randomise;
pub use report::{Clash, LoadReport, load};

use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// The named tensors of a weight file, on the CPU.
#[derive(Debug)]
pub struct StateDict {
    /// Where they came from.
    pub path: PathBuf,
    pub tensors: BTreeMap<String, Tensor>,
}

impl StateDict {
    /// The shape of a tensor, under its name or its name below a wrapper's prefix.
    pub fn shape_of(&self, name: &str) -> Option<Vec<i64>> {
        report::WRAPPERS
            .iter()
            .map(|wrapper| format!("{wrapper}{name}"))
            .chain(name.strip_prefix(report::FEATURES).map(str::to_owned))
            .find_map(|name| self.tensors.get(&name))
            .map(Tensor::size)
    }
}

/// Reads a weight file; its format is told by its content.
///
/// Errors: no such file, not a weight file, cut short, damaged. Each is one sentence that names the file.
pub fn read(path: &Path) -> Result<StateDict> {
    if path.is_dir() {
        bail!("'{}' is a folder; give a weight file in it", path.display());
    }
    let tensors = safetensors::read(path)?;
    if tensors.is_empty() {
        bail!("'{}' holds no tensors", path.display());
    }
    Ok(StateDict { path: path.to_owned(), tensors })
}
