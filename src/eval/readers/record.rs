//! One record of a file of captions: which image, and what is said of it.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Names under which a record may carry its image, the most telling first: in coco annotations `id` is the
/// annotation's, `image_id` the image's.
pub(super) const IMAGE_KEYS: [&str; 6] = ["image_id", "id", "image", "filename", "file", "path"];
/// Names under which a record may carry its captions.
pub(super) const CAPTION_KEYS: [&str; 4] = ["caption", "captions", "references", "refs"];

/// The image and the captions of an object, as they are written; its other keys are passed over unread, which makes
/// large files quick to open.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub image: Option<Value>,
    pub captions: Option<Value>,
}

/// What a key of a record is, with its place among the names above.
enum Key {
    Image(usize),
    Captions(usize),
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                let place = |names: &[&str]| names.iter().position(|known| *known == name);
                let image = place(&IMAGE_KEYS).map(Key::Image);
                Ok(image.or_else(|| place(&CAPTION_KEYS).map(Key::Captions)).unwrap_or(Key::Other))
            }
        }
        from.deserialize_identifier(Name)
    }
}

/// A value under the most telling name so far.
#[derive(Default)]
struct Best(Option<(usize, Value)>);

impl Best {
    fn take<'de, A: MapAccess<'de>>(&mut self, place: usize, map: &mut A) -> Result<(), A::Error> {
        if self.0.as_ref().is_none_or(|(best, _)| place <= *best) {
            self.0 = Some((place, map.next_value()?));
        } else {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn value(self) -> Option<Value> {
        self.0.map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let (mut image, mut captions) = (Best::default(), Best::default());
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Image(place) => image.take(place, &mut map)?,
                        Key::Captions(place) => captions.take(place, &mut map)?,
                        Key::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Record { image: image.value(), captions: captions.value() })
            }
        }
        from.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_name_wins_wherever_it_stands() {
        for text in [
            r#"{"id": 9, "path": "x", "image_id": 7, "refs": ["b"], "caption": "a", "score": [1, {"id": 2}]}"#,
            r#"{"caption": "a", "image_id": 7, "id": 9, "refs": ["b"]}"#,
        ] {
            let record: Record = serde_json::from_str(text).unwrap();
            assert_eq!((record.image, record.captions), (Some(Value::from(7)), Some(Value::from("a"))));
        }
        assert!(serde_json::from_str::<Record>("[1]").is_err());
    }
}
