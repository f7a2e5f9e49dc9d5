//! The safetensors format: a JSON header with name, type, shape and place of each tensor, then the data.

use ::safetensors::SafeTensors;
use ::safetensors::tensor::{Dtype, SafeTensorError};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use tch::{Kind, Tensor};

/// Reads every tensor of a file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let context = || format!("cannot read '{}'", path.display());
    let file = File::open(path).with_context(context)?;
    // SAFETY: the mapping is read only, and a weight file that another process rewrites meanwhile is out of contract.
    let bytes = unsafe { memmap2::Mmap::map(&file) }.with_context(context)?;
    let archive = SafeTensors::deserialize(&bytes).map_err(|error| explain(path, &bytes, &error))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in archive.tensors() {
        let kind = kind(view.dtype()).with_context(|| format!("'{}': tensor '{name}'", path.display()))?;
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)
            .with_context(|| format!("'{}': tensor '{name}'", path.display()))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

fn kind(dtype: Dtype) -> Result<Kind> {
    Ok(match dtype {
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        other => bail!("tensors of type {other:?} are not supported; convert the file to float32"),
    })
}

/// One sentence for a file that cannot be parsed.
fn explain(path: &Path, bytes: &[u8], error: &SafeTensorError) -> anyhow::Error {
    let header = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
    let cut = match (header, error) {
        (_, SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::HeaderTooSmall) => true,
        // The header itself is cut: a plausible length, and the start of a JSON object.
        (Some(length), SafeTensorError::InvalidHeaderLength | SafeTensorError::HeaderTooLarge) => {
            length < 100_000_000 && bytes.get(8) == Some(&b'{') && (bytes.len() as u64) < length + 8
        }
        _ => false,
    };
    let (file, size) = (path.display(), bytes.len());
    if cut {
        anyhow!("'{file}' is truncated ({size} bytes, less than its header states); copy or download it again")
    } else {
        anyhow!("'{file}' is not a weight file (safetensors, PyTorch, NumPy) or is damaged{}", reason(error))
    }
}

/// What is wrong with a file that begins as a safetensors file does; nothing of others.
fn reason(error: &SafeTensorError) -> String {
    let reason = match error {
        SafeTensorError::InvalidHeader => "its header is not UTF-8",
        SafeTensorError::InvalidHeaderDeserialization => {
            "its header is not JSON of tensors, or names numbers of a kind that is not read"
        }
        SafeTensorError::InvalidOffset(name) => return format!(" (tensor '{name}' lies outside the file)"),
        SafeTensorError::TensorInvalidInfo => "a tensor's shape does not match its data",
        SafeTensorError::ValidationOverflow => "a tensor is implausibly large",
        _ => return String::new(),
    };
    format!(" ({reason})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cut: usize) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let tensor = Tensor::from_slice(&[1.0f32, 2.0, 3.0]);
        Tensor::write_safetensors(&[("layer.weight", tensor)], &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        (folder, path)
    }

    #[test]
    fn tensors_come_back_as_written() {
        let (_folder, path) = written(0);
        let tensors = read(&path).unwrap();
        assert_eq!(Vec::<f32>::try_from(&tensors["layer.weight"]).unwrap(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_file_cut_anywhere_is_said_to_be_cut() {
        for cut in [1, 4, 12, 20, 60] {
            let (_folder, path) = written(cut);
            let message = format!("{:#}", read(&path).unwrap_err());
            assert!(message.contains("truncated") && message.contains("w.safetensors"), "{cut}: {message}");
        }
    }

    #[test]
    fn a_text_file_is_said_to_be_no_weight_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello world, this is no tensor").unwrap();
        assert!(format!("{:#}", read(file.path()).unwrap_err()).contains("is not a weight file"));
    }
}
