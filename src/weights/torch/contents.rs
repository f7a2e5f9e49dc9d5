//! The tensors that the pickle of a file describes: where the state dict is, and what each tensor is made of.

use super::pickle::{Id, Pickle, Value, element};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use tch::{Kind, Tensor};

/// Keys under which training programs put the state dict beside other things, the most telling first.
const WRAPPED: [&str; 6] = ["state_dict", "model_state_dict", "model", "module", "net", "weights"];
/// A state dict inside a wrapper inside a wrapper is the deepest seen.
const DEEPEST: usize = 3;

/// A storage as a tensor names it.
struct Storage<'a> {
    kind: Kind,
    key: &'a str,
    /// Elements of the whole.
    count: usize,
    /// First element and number of elements of the part that is meant: PyTorch before 0.4 had views of storages.
    part: (usize, usize),
}

fn storage(pickle: &Pickle, id: Id) -> Option<Storage<'_>> {
    let Value::Persistent(description) = pickle.get(id) else { return None };
    let [tag, class, key, _location, count, view @ ..] = pickle.sequence(*description)? else { return None };
    let Value::Global(class) = pickle.get(*class) else { return None };
    let kind = match element(class)? {
        "float32" => Kind::Float,
        "float64" => Kind::Double,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "int64" => Kind::Int64,
        "int32" => Kind::Int,
        "int16" => Kind::Int16,
        "int8" => Kind::Int8,
        "uint8" => Kind::Uint8,
        "bool" => Kind::Bool,
        _ => return None,
    };
    let number = |id: Id| usize::try_from(pickle.integer(id)?).ok();
    let count = number(*count)?;
    let part = match view.first().and_then(|view| pickle.sequence(*view)) {
        Some([_key, offset, size, ..]) => (number(*offset)?, number(*size)?),
        _ => (0, count),
    };
    let inside = part.0.checked_add(part.1).is_some_and(|end| end <= count);
    (inside && pickle.text(*tag)? == "storage").then_some(Storage { kind, key: pickle.text(*key)?, count, part })
}

/// Element type and number of elements of every storage, by key.
pub(super) fn storages(pickle: &Pickle) -> Result<BTreeMap<String, (Kind, usize)>> {
    let persistent = (0..pickle.values.len()).filter(|&id| matches!(pickle.get(id), Value::Persistent(_)));
    persistent
        .map(|id| {
            let Storage { kind, key, count, .. } =
                storage(pickle, id).context("it has a storage of an unknown type")?;
            Ok((key.to_owned(), (kind, count)))
        })
        .collect()
}

pub(super) fn byte_length(kind: Kind, count: usize) -> Result<usize> {
    count.checked_mul(kind.elt_size_in_bytes()).context("a storage has an implausible size")
}

/// Gives the bytes of a storage, by its key and their number.
pub(super) type Fetch<'a> = dyn FnMut(&str, usize) -> Result<Vec<u8>> + 'a;

/// The tensors of the state dict, wherever in the contents it is.
pub(super) fn state_dict(pickle: &Pickle, fetch: &mut Fetch) -> Result<BTreeMap<String, Tensor>> {
    if pickle.module(pickle.root).is_some() {
        return modules(pickle, fetch);
    }
    if !matches!(pickle.get(pickle.root), Value::Dict(_)) {
        bail!("it contains no state dict; save one: torch.save(model.state_dict(), ...)");
    }
    let mut loaded: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (key, value) in dict(pickle, find(pickle)?) {
        let (Some(name), Some(parts)) = (pickle.text(*key), tensor_parts(pickle, *value)) else { continue };
        let tensor = tensor(pickle, parts, &mut loaded, fetch).with_context(|| format!("tensor '{name}'"))?;
        tensors.insert(name.to_owned(), tensor);
    }
    if tensors.is_empty() {
        let items = dict(pickle, pickle.root);
        let keys: Vec<&str> = items.iter().filter_map(|(key, _)| pickle.text(*key)).take(5).collect();
        let found = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        bail!("it contains no named tensors (found: {found})");
    }
    Ok(tensors)
}

/// The tensors of a TorchScript module and those in it, by the names that its state dict would have.
fn modules(pickle: &Pickle, fetch: &mut Fetch) -> Result<BTreeMap<String, Tensor>> {
    let (mut loaded, mut tensors, mut seen) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut ahead = vec![(String::new(), pickle.root)];
    while let Some((prefix, module)) = ahead.pop() {
        // Each once, so that circular ones end.
        let Some(state) = pickle.module(module).filter(|_| seen.insert(module)) else { continue };
        for (key, value) in dict(pickle, state) {
            let Some(name) = pickle.text(*key).map(|name| format!("{prefix}{name}")) else { continue };
            if pickle.module(*value).is_some() {
                ahead.push((format!("{name}."), *value));
            } else if let Some(parts) = tensor_parts(pickle, *value) {
                let tensor = tensor(pickle, parts, &mut loaded, fetch).with_context(|| format!("tensor '{name}'"))?;
                tensors.insert(name, tensor);
            }
        }
    }
    Ok(tensors)
}

/// The items of a dict; none of another value.
fn dict(pickle: &Pickle, id: Id) -> &[(Id, Id)] {
    match pickle.get(id) {
        Value::Dict(items) => items,
        _ => &[],
    }
}

/// The dict with the weights. One under a telling key comes before tensors beside it, such as a stored accuracy; one
/// under a key of its own serves where it is the only one with tensors.
fn find(pickle: &Pickle) -> Result<Id> {
    let holds_tensors = |id: Id| dict(pickle, id).iter().any(|(_, value)| tensor_parts(pickle, *value).is_some());
    let mut here = pickle.root;
    for _ in 0..DEEPEST {
        let inner = |name: &&str| {
            let named = dict(pickle, here).iter().find(|(key, _)| pickle.text(*key) == Some(*name));
            named.map(|(_, value)| *value).filter(|value| !dict(pickle, *value).is_empty())
        };
        if let Some(inner) = WRAPPED.iter().find_map(inner) {
            here = inner;
            continue;
        }
        if holds_tensors(here) {
            break;
        }
        let holders: Vec<&(Id, Id)> = dict(pickle, here).iter().filter(|(_, value)| holds_tensors(*value)).collect();
        match holders.as_slice() {
            [] => break,
            [(_, only)] => here = *only,
            several => {
                let keys: Vec<&str> = several.iter().filter_map(|(key, _)| pickle.text(*key)).collect();
                bail!("it contains several state dicts ({}); save the one that is meant alone", keys.join(", "));
            }
        }
    }
    Ok(here)
}

/// What a tensor is made of (storage, offset, shape, stride), or the tensor in a parameter.
fn tensor_parts(pickle: &Pickle, id: Id) -> Option<&[Id]> {
    let Value::Call(function, arguments) = pickle.get(id) else { return None };
    let arguments = pickle.sequence(*arguments)?;
    let (function, arguments) = match (function.as_str(), arguments) {
        (
            "torch._utils._rebuild_parameter"
            | "torch._utils._rebuild_parameter_with_state"
            | "torch.nn.parameter.Parameter",
            [data, ..],
        ) => match pickle.get(*data) {
            Value::Call(function, arguments) => (function.as_str(), pickle.sequence(*arguments)?),
            _ => return None,
        },
        // A tensor with attributes of its own: the function that rebuilds it, its class, and what that is given.
        ("torch._tensor._rebuild_from_type_v2", [function, _class, arguments, ..]) => match pickle.get(*function) {
            Value::Global(function) => (function.as_str(), pickle.sequence(*arguments)?),
            _ => return None,
        },
        other => other,
    };
    let rebuilds = matches!(function, "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2");
    // A class of tensors stands for PyTorch 0.1, whose tensors came with their parts as state.
    (rebuilds || function.ends_with("Tensor")).then_some(arguments)
}

fn tensor(pickle: &Pickle, parts: &[Id], loaded: &mut BTreeMap<String, Tensor>, fetch: &mut Fetch) -> Result<Tensor> {
    let [place, offset, size, stride, ..] = parts else { bail!("its description is incomplete") };
    let Storage { kind, key, count, part: (start, length) } =
        storage(pickle, *place).context("its storage is of an unknown type")?;
    let offset = pickle.integer(*offset).context("its offset is not a number")?;
    let (size, stride) = (pickle.integers(*size), pickle.integers(*stride));
    let (size, stride) = size.zip(stride).context("its shape is not a list of numbers")?;
    check_inside(length, offset, &size, &stride)?;
    if !loaded.contains_key(key) {
        let length = byte_length(kind, count)?;
        let bytes = fetch(key, length)?;
        if bytes.len() != length {
            bail!("its storage has {} bytes and should have {length}", bytes.len());
        }
        loaded.insert(key.to_owned(), Tensor::f_from_data_size(&bytes, &[count as i64], kind)?);
    }
    let storage = loaded.get(key).filter(|storage| storage.kind() == kind).context("its storage has two types")?;
    Ok(storage.f_as_strided(&size, &stride, start as i64 + offset)?.f_contiguous()?.copy())
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
