//! One record of a file of captions: which image, and what is said of it.

use rsic_captions::Split;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Names under which a record may carry its image, the most telling first: in coco annotations `id` is the
/// annotation's, `image_id` the image's. From the fourth on they are names of files.
pub(super) const IMAGE_KEYS: [&str; 9] =
    ["image_id", "id", "question_id", "image", "filename", "file_name", "file", "path", "image_path"];
const FIRST_FILE: usize = 3;
/// Names under which programs write the caption that they made, the most telling first.
const HYPOTHESIS_KEYS: [&str; 11] = [
    "caption",
    "prediction",
    "predicted",
    "pred",
    "hypothesis",
    "generated",
    "generated_caption",
    "model_output",
    "response",
    "output",
    "text",
];
/// Names of references.
const REFERENCE_KEYS: [&str; 8] =
    ["references", "refs", "ground_truth", "ground_truths", "gt", "gts", "gt_answers", "reference"];
/// What a number follows where each reference has a key of its own: `caption0`, `raw_1`.
const NUMBERED: [&str; 4] = ["caption", "reference", "raw", "gt"];

/// The image and the captions of an object, as they are written; its other keys are passed over unread, which makes
/// large files quick to open.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub image: Option<Value>,
    /// The name of the image's file, where there is one.
    pub file: Option<String>,
    pub split: Option<Split>,
    hypothesis: Option<(&'static str, Value)>,
    references: Option<(&'static str, Value)>,
    numbered: Vec<Value>,
    /// References or captions, as their company tells.
    captions: Option<Value>,
    /// The caption made, or with another key for that the reference.
    answer: Option<Value>,
}

/// A caption, and its references, each with the key that they stood under.
pub(super) type Pair = ((&'static str, Value), (&'static str, Value));

impl Record {
    /// All that is said of the image, by the most telling key.
    pub(super) fn captions(self) -> Option<Value> {
        let numbered = (!self.numbered.is_empty()).then_some(Value::Array(self.numbered));
        let first = self.hypothesis.map(|(_, value)| value).or(self.captions).or(self.answer);
        first.or(self.references.map(|(_, value)| value)).or(numbered)
    }

    /// The caption that was made and its references, where the record has both.
    pub(super) fn pair(self) -> Option<Pair> {
        let numbered = (!self.numbered.is_empty()).then_some(("numbered keys", Value::Array(self.numbered)));
        let mut references = self.references.or(numbered);
        let (mut captions, mut answer) =
            (self.captions.map(|value| ("captions", value)), self.answer.map(|value| ("answer", value)));
        let hypothesis = self.hypothesis.or_else(|| answer.take());
        let hypothesis = hypothesis.or_else(|| captions.take_if(|_| references.is_some()))?;
        references = references.or(captions).or(answer);
        Some((hypothesis, references?))
    }
}

/// What a key of a record is, with its place among the names above.
enum Key {
    Image(usize),
    Hypothesis(usize),
    References(usize),
    Numbered,
    Captions,
    Answer,
    Split,
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
                Ok(match name {
                    "captions" => Key::Captions,
                    "answer" => Key::Answer,
                    "split" => Key::Split,
                    _ => place(&IMAGE_KEYS)
                        .map(Key::Image)
                        .or_else(|| place(&HYPOTHESIS_KEYS).map(Key::Hypothesis))
                        .or_else(|| place(&REFERENCE_KEYS).map(Key::References))
                        .or_else(|| is_numbered(name).then_some(Key::Numbered))
                        .unwrap_or(Key::Other),
                })
            }
        }
        from.deserialize_identifier(Name)
    }
}

/// Whether a key is one of several alike: `caption0`, `caption_1`.
fn is_numbered(name: &str) -> bool {
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    word.len() < name.len() && NUMBERED.contains(&word.trim_end_matches('_'))
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

    /// The value and its name.
    fn named(self, names: &[&'static str]) -> Option<(&'static str, Value)> {
        self.0.and_then(|(place, value)| Some((*names.get(place)?, value)))
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
                let mut record = Record::default();
                let (mut id, mut file) = (Best::default(), Best::default());
                let (mut hypothesis, mut references) = (Best::default(), Best::default());
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Image(place) if place < FIRST_FILE => id.take(place, &mut map)?,
                        Key::Image(place) => file.take(place, &mut map)?,
                        Key::Hypothesis(place) => hypothesis.take(place, &mut map)?,
                        Key::References(place) => references.take(place, &mut map)?,
                        Key::Numbered => record.numbered.push(map.next_value()?),
                        Key::Captions => record.captions = Some(map.next_value()?),
                        Key::Answer => record.answer = Some(map.next_value()?),
                        Key::Split => {
                            record.split = map.next_value::<Value>()?.as_str().and_then(|name| name.parse().ok());
                        }
                        Key::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let file = file.0.map(|(_, value)| value);
                record.file = file.as_ref().and_then(Value::as_str).map(str::to_owned).filter(|_| id.0.is_some());
                record.image = id.0.map(|(_, value)| value).or(file);
                record.hypothesis = hypothesis.named(&HYPOTHESIS_KEYS);
                record.references = references.named(&REFERENCE_KEYS);
                Ok(record)
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
            assert_eq!((record.image.clone(), record.captions()), (Some(Value::from(7)), Some(Value::from("a"))));
        }
        assert!(serde_json::from_str::<Record>("[1]").is_err());
    }

    #[test]
    fn a_caption_and_its_references_are_told_apart_by_their_keys() {
        for (text, hypothesis, references) in [
            (r#"{"answer": "h", "ground_truth": ["a", "b"]}"#, "answer", "ground_truth"),
            (r#"{"answer": "a", "prediction": "h"}"#, "prediction", "answer"),
            (r#"{"caption0": "a", "caption1": "b", "answer": "h"}"#, "answer", "numbered keys"),
            (r#"{"caption": "h", "references": ["a", "b"]}"#, "caption", "references"),
            (r#"{"pred": "h", "captions": ["a", "b"], "answer": "c"}"#, "pred", "captions"),
            (r#"{"captions": ["h"], "gt": "a"}"#, "captions", "gt"),
        ] {
            let record: Record = serde_json::from_str(text).unwrap();
            let ((made, _), (given, _)) = record.pair().unwrap();
            assert_eq!((made, given), (hypothesis, references), "{text}");
        }
        assert!(serde_json::from_str::<Record>(r#"{"caption": "h", "id": 1}"#).unwrap().pair().is_none());
    }
}
