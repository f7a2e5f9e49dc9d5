//! JSON helpers: errors with their place, and the shape of a document by its top-level keys alone.

use anyhow::{Error, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// What a JSON object at the top of a caption file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Karpathy,
    Nwpu,
    Coco,
    /// One object a line.
    Lines,
}

/// Finds the shape without keeping anything but the keys; a document that is no JSON fails here, with its place.
pub(super) fn shape(bytes: &[u8]) -> Result<Shape> {
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<TopKeys>();
    let keys = match stream.next() {
        Some(Ok(TopKeys(keys))) => keys,
        Some(Err(error)) => return Err(fault(&error)),
        None => bail!("the caption file is empty"),
    };
    let has = |name: &str| keys.iter().any(|(key, _)| key == name);
    let more_follows =
        bytes.get(stream.byte_offset()..).is_some_and(|rest| rest.iter().any(|byte| !byte.is_ascii_whitespace()));
    if has("images") {
        return Ok(if has("annotations") { Shape::Coco } else { Shape::Karpathy });
    }
    if more_follows || super::rows::IMAGE_KEYS.iter().any(|key| has(key)) {
        return Ok(Shape::Lines);
    }
    if !keys.is_empty() && keys.iter().all(|(_, is_list)| *is_list) {
        return Ok(Shape::Nwpu);
    }
    let found: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).take(8).collect();
    bail!(
        "unknown caption file format: expected 'images' (Karpathy), 'images' and 'annotations' (COCO), lists keyed by \
         class (NWPU-Captions) or rows with 'image' and 'caption', found keys: {}",
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )
}

/// Parses a whole document into `T`.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| fault(&error))
}

/// `LINE:COLUMN: what is wrong`; a document that ends too early is called cut short.
pub(super) fn fault(error: &serde_json::Error) -> Error {
    fault_at(error, 0)
}

/// [`fault`] in a text that begins after `lines_before` lines.
pub(super) fn fault_at(error: &serde_json::Error, lines_before: usize) -> Error {
    let (line, column) = (error.line() + lines_before, error.column());
    if error.is_eof() {
        return anyhow!("{line}:{column}: unexpected end of JSON, the file is truncated");
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    anyhow!("{line}:{column}: {}", rsic_util::json::reason(text))
}

/// Keys of an object, and for each whether its value is a list.
struct TopKeys(Vec<(String, bool)>);

impl<'de> Deserialize<'de> for TopKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = TopKeys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopKeys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    let IsList(is_list) = map.next_value()?;
                    keys.push((key, is_list));
                }
                Ok(TopKeys(keys))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

struct IsList(bool);

impl<'de> Deserialize<'de> for IsList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = IsList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<IsList, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(IsList(true))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IsList, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(IsList(false))
            }
            fn visit_bool<E>(self, _: bool) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_i64<E>(self, _: i64) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_u64<E>(self, _: u64) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_f64<E>(self, _: f64) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_str<E>(self, _: &str) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_unit<E>(self) -> Result<IsList, E> {
                Ok(IsList(false))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A split name whose error carries the place in the file.
pub(super) fn split_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<super::Split>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| name.parse().map_err(serde::de::Error::custom)).transpose()
}
