//! Files that PyTorch's `torch.save` wrote: zip archives and the older plain pickles; and the parameters of TorchScript
//! archives, whose programs are left aside.

mod contents;
mod pickle;

use anyhow::{Context, Result, anyhow, bail};
use contents::{byte_length, state_dict, storages};
use pickle::{Pickle, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tch::Tensor;
use zip::ZipArchive;

/// First value of a file of the older kind.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Reads a zip archive. `None` where it is an archive of another kind.
pub(super) fn read_zip(path: &Path, archive: &mut ZipArchive<File>) -> Result<Option<BTreeMap<String, Tensor>>> {
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let Some(root) = names.iter().find_map(|name| name.strip_suffix("data.pkl")) else { return Ok(None) };
    let mut attempt = || -> Result<_> {
        if names.contains(&format!("{root}byteorder")) && entry(archive, &format!("{root}byteorder"), 16)? != b"little"
        {
            bail!("it was written on a big-endian machine");
        }
        let program = entry(archive, &format!("{root}data.pkl"), 16 << 20)?;
        let pickle = pickle::read(&program)?;
        let mut fetch = |key: &str, bytes: usize| entry(archive, &format!("{root}data/{key}"), bytes);
        state_dict(&pickle, &mut fetch)
    };
    attempt().map(Some).map_err(|error| refusal(path, &error))
}

/// Reads a file of the older kind.
pub(super) fn read_legacy(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let attempt = || -> Result<_> {
        let mut rest = bytes;
        let mut next = || -> Result<Pickle> {
            let pickle = pickle::read(rest)?;
            rest = rest.get(pickle.length..).unwrap_or_default();
            Ok(pickle)
        };
        let magic = next()?;
        if *magic.get(magic.root) != Value::Long(MAGIC.to_vec()) {
            bail!("it is a pickle, but not one of torch.save");
        }
        let (_protocol, _system, contents, keys) = (next()?, next()?, next()?, next()?);
        let sizes = storages(&contents)?;
        let mut data = BTreeMap::new();
        for &key in keys.sequence(keys.root).context("it has no list of storages")? {
            let key = keys.text(key).context("it has no list of storages")?;
            let (count, after) = rest.split_first_chunk::<8>().context("it is truncated")?;
            let (kind, size) = *sizes.get(key).with_context(|| format!("its storage '{key}' is unused"))?;
            if u64::from_le_bytes(*count) != size as u64 {
                bail!("the size of its storage '{key}' does not match its tensors");
            }
            let length = byte_length(kind, size)?;
            data.insert(key.to_owned(), after.get(..length).context("it is truncated")?);
            rest = after.get(length..).unwrap_or_default();
        }
        let mut fetch = |key: &str, _: usize| {
            data.get(key).map(|bytes| bytes.to_vec()).with_context(|| format!("its storage '{key}' is missing"))
        };
        state_dict(&contents, &mut fetch)
    };
    attempt().map_err(|error| refusal(path, &error))
}

fn refusal(path: &Path, error: &anyhow::Error) -> anyhow::Error {
    anyhow!("cannot read the weights in '{}': {error:#}", path.display())
}

/// The bytes of an entry, at most `limit`.
fn entry(archive: &mut ZipArchive<File>, name: &str, limit: usize) -> Result<Vec<u8>> {
    let file = archive.by_name(name).with_context(|| format!("its entry '{name}' is missing or damaged"))?;
    if file.compression() != zip::CompressionMethod::Stored {
        bail!("its entry '{name}' is compressed, which torch.save never does");
    }
    let mut bytes = Vec::new();
    let damaged = || format!("its entry '{name}' is damaged");
    file.take(limit as u64 + 1).read_to_end(&mut bytes).with_context(damaged)?;
    if bytes.len() > limit {
        bail!("its entry '{name}' is longer than {limit} bytes");
    }
    Ok(bytes)
}
