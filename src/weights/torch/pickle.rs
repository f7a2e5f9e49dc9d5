//! A reader of the pickles that PyTorch writes: it builds plain values and calls nothing.
//!
//! A pickle is a program for a stack machine. The few classes that state dicts need are known by name and stand for
//! data; any other class, and any instruction beyond those of such files, refuses the file. Values lie in one list and
//! refer to each other by number, so neither deep nor circular data can exhaust the stack.

use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;

/// Number of a value in [`Pickle::values`].
pub(super) type Id = usize;

/// Instructions of the longest pickle that is read: state dicts of a thousand tensors need some 10^5.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float,
    /// Too large for 64 bits, by its little-endian bytes.
    Long(Vec<u8>),
    Text(String),
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function, by module and name.
    Global(String),
    /// What a persistent id stands for: a storage.
    Persistent(Id),
    /// A call that was not made: function and arguments.
    Call(String, Id),
}

/// Classes and functions of state dicts; beside them the classes of tensors and storages and the element types, which
/// [`known`] adds.
const KNOWN: [&str; 11] = [
    ORDERED_DICT,
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
    "torch.nn.parameter.Parameter",
    "torch.Tensor",
    "torch.Size",
    "torch.device",
    "torch.serialization._get_layout",
];
const ORDERED_DICT: &str = "collections.OrderedDict";
/// How the classes of TorchScript's modules begin. Their programs lie beside the pickle, unread.
const MODULE: &str = "__torch__.";

/// Element types by their names in `torch.float32`, and in the classes `torch.FloatStorage` and `torch.FloatTensor`.
const ELEMENTS: [(&str, &str); 10] = [
    ("float32", "Float"),
    ("float64", "Double"),
    ("float16", "Half"),
    ("bfloat16", "BFloat16"),
    ("int64", "Long"),
    ("int32", "Int"),
    ("int16", "Short"),
    ("int8", "Char"),
    ("uint8", "Byte"),
    ("bool", "Bool"),
];

/// Whether the class or function `full` is data to state dicts.
fn known(full: &str) -> bool {
    let Some(name) = full.strip_prefix("torch.").filter(|_| !KNOWN.contains(&full)) else {
        return KNOWN.contains(&full) || full.starts_with(MODULE);
    };
    let class = name.strip_prefix("cuda.").unwrap_or(name);
    let class = class.strip_suffix("Storage").or(class.strip_suffix("Tensor"));
    ELEMENTS.iter().any(|(element, upper)| name == *element || class == Some(*upper))
}

/// Everything that one pickle said.
#[derive(Debug)]
pub(super) struct Pickle {
    pub values: Vec<Value>,
    /// The result.
    pub root: Id,
    /// Length of the pickle, bytes.
    pub length: usize,
}

impl Pickle {
    pub(super) fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(integer) => Some(*integer),
            _ => None,
        }
    }

    /// The elements of a list or tuple.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The state of a TorchScript module.
    pub(super) fn module(&self, id: Id) -> Option<Id> {
        match self.get(id) {
            Value::Call(class, state) if class.starts_with(MODULE) => Some(*state),
            _ => None,
        }
    }

    pub(super) fn integers(&self, id: Id) -> Option<Vec<i64>> {
        self.sequence(id)?.iter().map(|&item| self.integer(item)).collect()
    }
}

/// Reads one pickle from the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle> {
    let mut machine =
        Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: BTreeMap::new() };
    let root = machine.run()?;
    Ok(Pickle { values: machine.values, root, length: machine.at })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id> {
        loop {
            if self.at > MAX_BYTES {
                bail!("its pickle is longer than {MAX_BYTES} bytes");
            }
            let op = self.array::<1>()?[0];
            match op {
                0x80 => {
                    let [protocol] = self.array()?;
                    if !(2..=5).contains(&protocol) {
                        bail!("its pickle has protocol {protocol}; protocols 2 to 5 are supported");
                    }
                }
                0x95 => {
                    self.array::<8>()?;
                }
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'N' => self.push(Value::None),
                0x88 => self.push(Value::Bool(true)),
                0x89 => self.push(Value::Bool(false)),
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                b'K' => {
                    let [value] = self.array()?;
                    self.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                0x8a => {
                    let [length] = self.array()?;
                    let value = long(self.take(length.into())?);
                    self.push(value);
                }
                b'G' => {
                    self.array::<8>()?;
                    self.push(Value::Float);
                }
                b'X' | b'T' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                0x8c | b'U' => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (self.values.get(module), self.values.get(name)) {
                        (Some(Value::Text(module)), Some(Value::Text(name))) => {
                            let (module, name) = (module.clone(), name.clone());
                            self.global(&module, &name)?;
                        }
                        _ => bail!("its pickle has a class name that is not text"),
                    }
                }
                b'q' => {
                    let [key] = self.array()?;
                    self.memoise(key.into())?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.memoise(key.into())?;
                }
                0x94 => self.memoise(self.memo.len() as u64)?,
                b'h' => {
                    let [key] = self.array()?;
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key.into())?;
                }
                b')' | b']' => self.push(Value::Sequence(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                b't' | b'l' => {
                    let items = self.since_mark()?;
                    self.push(Value::Sequence(items));
                }
                0x85..=0x87 => {
                    let count = usize::from(op - 0x84);
                    let start =
                        self.stack.len().checked_sub(count).context("its pickle reads past the end of its stack")?;
                    let items = self.stack.split_off(start);
                    self.push(Value::Sequence(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend_sequence(&[item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.extend_sequence(&items)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.extend_dict(&[key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.extend_dict(&items)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Value::Persistent(id));
                }
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.call(function, arguments)?;
                }
                b'b' => {
                    let state = self.pop()?;
                    self.build(state)?;
                }
                other => bail!("its pickle has the unsupported opcode 0x{other:02x}"),
            }
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id> {
        self.stack.pop().context("its pickle reads past the end of its stack")
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.context("it is truncated inside its pickle")?;
        let taken = self.bytes.get(self.at..end).unwrap_or_default();
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| anyhow!("it is truncated inside its pickle"))
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let text = std::str::from_utf8(self.take(length)?).context("its pickle has text that is not UTF-8")?.to_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').context("it is truncated inside its pickle")?;
        let line = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let full = format!("{module}.{name}");
        if !known(&full) {
            bail!(
                "its pickle requires '{}', which weight files do not need and which is never executed; save only the \
                state dict (torch.save(model.state_dict(), ...)) or convert the file where you trust it",
                full.escape_debug().to_string().chars().take(80).collect::<String>()
            );
        }
        self.push(Value::Global(full));
        Ok(())
    }

    fn memoise(&mut self, key: u64) -> Result<()> {
        let top = *self.stack.last().context("its pickle reads past the end of its stack")?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<()> {
        let id = *self.memo.get(&key).context("its pickle refers to an undefined value")?;
        self.stack.push(id);
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.stack.split_off(mark.context("its pickle reads past the end of its stack")?))
    }

    fn top(&mut self) -> Result<&mut Value> {
        let top = *self.stack.last().context("its pickle reads past the end of its stack")?;
        self.values.get_mut(top).context("its pickle reads past the end of its stack")
    }

    fn extend_sequence(&mut self, items: &[Id]) -> Result<()> {
        match self.top()? {
            Value::Sequence(sequence) => sequence.extend(items),
            _ => bail!("its pickle appends to a value that is not a list"),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<()> {
        match self.top()? {
            Value::Dict(dict) => {
                dict.extend(items.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))))
            }
            _ => bail!("its pickle sets items of a value that is not a dict"),
        }
        Ok(())
    }

    fn call(&mut self, function: Id, arguments: Id) -> Result<()> {
        let Some(Value::Global(name)) = self.values.get(function) else {
            bail!("its pickle calls a value that is not a function");
        };
        let inner = match self.values.get(arguments) {
            Some(Value::Sequence(items)) => items.first().copied(),
            _ => None,
        };
        let value = match name.as_str() {
            ORDERED_DICT => Value::Dict(self.pairs(inner)),
            // A size is the tuple that it is made of.
            "torch.Size" => {
                self.stack.push(inner.context("its pickle has an empty size")?);
                return Ok(());
            }
            name => Value::Call(name.to_owned(), arguments),
        };
        self.push(value);
        Ok(())
    }

    /// What Python 2 makes an ordered dict of: a list of lists of two. Later versions set its items.
    fn pairs(&self, list: Option<Id>) -> Vec<(Id, Id)> {
        let items = |id: Id| match self.values.get(id) {
            Some(Value::Sequence(items)) => items.as_slice(),
            _ => &[],
        };
        let pair = |id: &Id| match items(*id) {
            [key, value] => Some((*key, *value)),
            _ => None,
        };
        list.map(items).unwrap_or_default().iter().filter_map(pair).collect()
    }

    /// Sets the state of the object on top: all that a tensor of PyTorch 0.1 is made of, whose class ends so, and a
    /// module of TorchScript. Of no use in others, such as the `_metadata` of a state dict.
    fn build(&mut self, state: Id) -> Result<()> {
        if let Value::Call(class, parts) = self.top()?
            && (class.ends_with("Tensor") || class.starts_with(MODULE))
        {
            *parts = state;
        }
        Ok(())
    }
}

/// The element type that a class of storages names, by its name in [`ELEMENTS`].
pub(super) fn element(class: &str) -> Option<&'static str> {
    let upper = class.strip_prefix("torch.")?.strip_suffix("Storage")?;
    let upper = upper.strip_prefix("cuda.").unwrap_or(upper);
    ELEMENTS.iter().find(|(_, known)| *known == upper).map(|(element, _)| *element)
}

fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Long(bytes.to_vec());
    }
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xFF } else { 0 };
    let mut whole = [fill; 8];
    for (slot, byte) in whole.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    Value::Int(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn plain_values_are_read() {
        // {"a": (1, -2)}
        let pickle = read(b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01J\xfe\xff\xff\xff\x86s.").unwrap();
        let Value::Dict(items) = pickle.get(pickle.root) else { panic!() };
        assert_eq!(pickle.text(items[0].0), Some("a"));
        assert_eq!(pickle.integers(items[0].1), Some(vec![1, -2]));
    }

    #[test]
    fn code_is_refused_by_name() {
        assert!(refusal(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").contains("requires 'os.system'"));
        assert!(refusal(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").contains("requires 'builtins.eval'"));
        assert!(refusal(b"\x80\x02ctorch\nload\n.").contains("requires 'torch.load'"));
        assert!(known("torch.cuda.HalfTensor") && known("torch.bfloat16") && !known("torch.hub.Tensor"));
    }

    #[test]
    fn broken_pickles_are_refused_whatever_is_wrong() {
        assert!(refusal(b"").contains("truncated"));
        assert!(refusal(b"\x80\x02X\xff\xff\xff\xffabc").contains("truncated"));
        assert!(refusal(b"\x80\x02.").contains("reads past the end of its stack"));
        assert!(refusal(b"\x80\x02t.").contains("reads past the end of its stack"));
        assert!(refusal(b"\x80\x02h\x07.").contains("undefined value"));
        assert!(refusal(b"\x80\x02K\x01K\x02a.").contains("not a list"));
        assert!(refusal(b"\x80\x02i").contains("0x69"));
    }

    #[test]
    fn deep_nesting_is_only_long() {
        let mut bytes = b"\x80\x02)".to_vec();
        bytes.extend(std::iter::repeat_n(0x85, 1_000_000));
        bytes.push(b'.');
        read(&bytes).unwrap();
    }
}
