//! Weight files: reading named tensors, and loading them into a network with an account of every tensor.

mod clip;
mod fetch;
mod finite;
mod foreign;
mod locate;
mod manifest;
mod names;
mod npz;
mod random;
mod report;
mod safetensors;
mod torch;

pub use clip::openai_names;
pub use fetch::{FetchOptions, FetchProgress, Fetched, fetch};
pub use finite::{NotFinite, not_finite};
pub use locate::{IMAGENET, fetched_as, is_training, locate, missing, training_of};
pub use manifest::{Published, find, manifest};
pub use random::{initialise, random_values, randomise};
pub use report::{Clash, LoadReport, load, load_variables};

use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// The named tensors of a weight file, on the CPU.
#[derive(Debug)]
pub struct StateDict {
    /// Where they came from.
    pub path: PathBuf,
    pub format: Format,
    pub tensors: BTreeMap<String, Tensor>,
}

impl StateDict {
    /// The shape of a tensor, under its name, an old one, or its name below a wrapper's prefix: the shortest.
    pub fn shape_of(&self, name: &str) -> Option<Vec<i64>> {
        let bare = name.strip_prefix(names::FEATURES);
        let found = self.tensors.keys().filter(|key| {
            let modern = names::modern(key);
            let prefix = modern.strip_suffix(name);
            prefix.is_some_and(|prefix| names::prefixes(key).any(|p| p == prefix)) || bare == Some(&modern)
        });
        self.tensors.get(found.min_by_key(|key| key.len())?).map(Tensor::size)
    }
}

/// The kinds of weight file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    /// `torch.save`, zip archive.
    TorchZip,
    /// `torch.save`, before PyTorch 1.6.
    TorchLegacy,
    /// `numpy.savez`.
    Npz,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "PyTorch zip",
            Self::TorchLegacy => "PyTorch legacy pickle",
            Self::Npz => "NumPy npz",
        }
    }
}

/// Reads a weight file; its format is told by its content. Nothing in the file is run, whatever it asks for.
///
/// Errors: no such file, not a weight file, cut short, damaged, or with more in it than weights. Each is one sentence
/// that names the file.
pub fn read(path: &Path) -> Result<StateDict> {
    let context = || format!("cannot read '{}'", path.display());
    if path.is_dir() {
        bail!("'{}' is a folder; give a weight file in it", path.display());
    }
    let mut start = Vec::new();
    File::open(path).with_context(context)?.take(64).read_to_end(&mut start).with_context(context)?;
    if let Some(kind) = foreign::other_kind(&start) {
        bail!("'{}' is {kind}", path.display());
    }
    let (format, tensors) = match start.as_slice() {
        [] => bail!("'{}' is an empty file; copy or download it again", path.display()),
        [b'P', b'K', 3, 4, ..] => read_zip(path)?,
        [0x80, 2, ..] => (Format::TorchLegacy, torch::read_legacy(path, &std::fs::read(path).with_context(context)?)?),
        _ => (Format::Safetensors, safetensors::read(path)?),
    };
    if tensors.is_empty() {
        bail!("'{}' holds no tensors", path.display());
    }
    Ok(StateDict { path: path.to_owned(), format, tensors })
}

fn read_zip(path: &Path) -> Result<(Format, BTreeMap<String, Tensor>)> {
    let file = File::open(path).with_context(|| format!("cannot read '{}'", path.display()))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| {
        anyhow!("'{}' is truncated or damaged ({error}); copy or download it again", path.display())
    })?;
    match torch::read_zip(path, &mut archive)? {
        Some(tensors) => Ok((Format::TorchZip, tensors)),
        None if archive.file_names().any(|name| name.ends_with(".npy")) => {
            Ok((Format::Npz, npz::read(path, &mut archive)?))
        }
        None => bail!("'{}' is a zip archive, but not a weight file", path.display()),
    }
}
