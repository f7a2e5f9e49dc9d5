//! Files that PyTorch's `torch.save` wrote: zip archives and the older plain pickles.

mod pickle;

use anyhow::{Context, Result, anyhow, bail};
use pickle::{Id, Pickle, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tch::{Kind, Tensor};
use zip::ZipArchive;

/// Keys under which training programs put the state dict beside other things, the most telling first.
const WRAPPED: [&str; 6] = ["state_dict", "model_state_dict", "model", "module", "net", "weights"];
/// First value of a file of the older kind.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Reads a zip archive. `None` where it is an archive of another kind.
pub(super) fn read_zip(path: &Path, archive: &mut ZipArchive<File>) -> Result<Option<BTreeMap<String, Tensor>>> {
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let Some(root) = names.iter().find_map(|name| name.strip_suffix("data.pkl")) else { return Ok(None) };
    let mut attempt = || -> Result<_> {
        if names.iter().any(|name| name.starts_with(&format!("{root}code/"))) {
            bail!("it is a TorchScript program; save its state dict instead: torch.save(model.state_dict(), ...)");
        }
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

/// A storage as a tensor names it: element type, key, number of elements.
fn storage(pickle: &Pickle, id: Id) -> Option<(Kind, &str, usize)> {
    let Value::Persistent(description) = pickle.get(id) else { return None };
    let [tag, class, key, _location, count, ..] = pickle.sequence(*description)? else { return None };
    let Value::Global(class) = pickle.get(*class) else { return None };
    let kind = match *class {
        "torch.FloatStorage" => Kind::Float,
        "torch.DoubleStorage" => Kind::Double,
        "torch.HalfStorage" => Kind::Half,
        "torch.BFloat16Storage" => Kind::BFloat16,
        "torch.LongStorage" => Kind::Int64,
        "torch.IntStorage" => Kind::Int,
        "torch.ShortStorage" => Kind::Int16,
        "torch.CharStorage" => Kind::Int8,
        "torch.ByteStorage" => Kind::Uint8,
        "torch.BoolStorage" => Kind::Bool,
        _ => return None,
    };
    let count = usize::try_from(pickle.integer(*count)?).ok()?;
    (pickle.text(*tag)? == "storage").then_some((kind, pickle.text(*key)?, count))
}

/// Element type and number of elements of every storage, by key.
fn storages(pickle: &Pickle) -> Result<BTreeMap<String, (Kind, usize)>> {
    let persistent = (0..pickle.values.len()).filter(|&id| matches!(pickle.get(id), Value::Persistent(_)));
    persistent
        .map(|id| {
            let (kind, key, count) = storage(pickle, id).context("it has a storage of an unknown type")?;
            Ok((key.to_owned(), (kind, count)))
        })
        .collect()
}

fn byte_length(kind: Kind, count: usize) -> Result<usize> {
    count.checked_mul(kind.elt_size_in_bytes()).context("a storage has an implausible size")
}

type Fetch<'a> = dyn FnMut(&str, usize) -> Result<Vec<u8>> + 'a;

/// The tensors of the state dict, wherever in the contents it is.
fn state_dict(pickle: &Pickle, fetch: &mut Fetch) -> Result<BTreeMap<String, Tensor>> {
    let mut dict = pickle.root;
    // A state dict inside a wrapper inside a wrapper is the deepest seen.
    for _ in 0..3 {
        let Value::Dict(items) = pickle.get(dict) else { break };
        if items.iter().any(|(_, value)| tensor_parts(pickle, *value).is_some()) {
            break;
        }
        let named = |name: &str| items.iter().find(|(key, _)| pickle.text(*key) == Some(name));
        match WRAPPED.iter().find_map(|name| named(name)) {
            Some((_, inner)) => dict = *inner,
            None => break,
        }
    }
    let Value::Dict(items) = pickle.get(dict) else {
        bail!("it contains no state dict; save one: torch.save(model.state_dict(), ...)");
    };
    let mut loaded: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (key, value) in items {
        let (Some(name), Some(parts)) = (pickle.text(*key), tensor_parts(pickle, *value)) else { continue };
        let tensor = tensor(pickle, parts, &mut loaded, fetch).with_context(|| format!("tensor '{name}'"))?;
        tensors.insert(name.to_owned(), tensor);
    }
    if tensors.is_empty() {
        let keys: Vec<&str> = items.iter().filter_map(|(key, _)| pickle.text(*key)).take(5).collect();
        bail!("it contains no named tensors (found: {})", keys.join(", "));
    }
    Ok(tensors)
}

/// The arguments of a tensor, or of the tensor in a parameter.
fn tensor_parts(pickle: &Pickle, id: Id) -> Option<&[Id]> {
    match pickle.get(id) {
        Value::Call("torch._utils._rebuild_tensor_v2", arguments) => pickle.sequence(*arguments),
        Value::Call("torch._utils._rebuild_parameter", arguments) => {
            match pickle.get(*pickle.sequence(*arguments)?.first()?) {
                Value::Call("torch._utils._rebuild_tensor_v2", arguments) => pickle.sequence(*arguments),
                _ => None,
            }
        }
        _ => None,
    }
}

fn tensor(pickle: &Pickle, parts: &[Id], loaded: &mut BTreeMap<String, Tensor>, fetch: &mut Fetch) -> Result<Tensor> {
    let [place, offset, size, stride, ..] = parts else { bail!("its description is incomplete") };
    let (kind, key, count) = storage(pickle, *place).context("its storage is of an unknown type")?;
    let offset = pickle.integer(*offset).context("its offset is not a number")?;
    let (size, stride) = (pickle.integers(*size), pickle.integers(*stride));
    let (size, stride) = size.zip(stride).context("its shape is not a list of numbers")?;
    check_inside(count, offset, &size, &stride)?;
    if !loaded.contains_key(key) {
        let length = byte_length(kind, count)?;
        let bytes = fetch(key, length)?;
        if bytes.len() != length {
            bail!("its storage has {} bytes and should have {length}", bytes.len());
        }
        loaded.insert(key.to_owned(), Tensor::f_from_data_size(&bytes, &[count as i64], kind)?);
    }
    let storage = loaded.get(key).filter(|storage| storage.kind() == kind).context("its storage has two types")?;
    Ok(storage.f_as_strided(&size, &stride, offset)?.f_contiguous()?.copy())
}

/// An error where a tensor reaches outside its storage of `count` elements.
fn check_inside(count: usize, offset: i64, size: &[i64], stride: &[i64]) -> Result<()> {
    let sound =
        size.len() == stride.len() && size.len() <= 8 && size.iter().chain(stride).all(|&n| n >= 0) && offset >= 0;
    // Overlapping strides may ask for far more elements than there are.
    let wanted = size.iter().try_fold(1i64, |product, &n| product.checked_mul(n));
    let last =
        size.iter().zip(stride).try_fold(offset, |last, (&n, &s)| last.checked_add((n - 1).max(0).checked_mul(s)?));
    match (wanted, last) {
        (Some(0), Some(_)) if sound => Ok(()),
        (Some(wanted), Some(last)) if sound && last < count as i64 && wanted <= count as i64 => Ok(()),
        _ => bail!("its shape {size:?} exceeds its storage of {count} elements"),
    }
}
