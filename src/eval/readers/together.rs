//! Captions and their references in one file, as vision-language models write them.

use super::record::Record;
use super::{Captions, Format, plain, reason, strings};
use anyhow::{Context, Result, anyhow, bail};
use rsic_util::json::without_nan;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// Both sides of one file.
#[derive(Debug, Clone, Default)]
pub struct Together {
    pub hypotheses: Captions,
    pub references: Captions,
    /// The keys that captions and references stood under.
    pub keys: (&'static str, &'static str),
}

/// Reads a file whose records hold a caption and its references: JSON lines, a list, a list under any key, or an object
/// keyed by image. Records without an image are numbered from 1; records of one image add to its references.
///
/// # Errors
/// A record without either, or two captions of an image.
pub fn read_together(path: &Path) -> Result<Together> {
    let text = rsic_util::fs::read_text(path)?;
    let format = Format::of(path, &text);
    parse_together(&text, format).with_context(|| format!("cannot use '{}'", path.display()))
}

fn parse_together(text: &str, format: Format) -> Result<Together> {
    let text = without_nan(text.strip_prefix('\u{FEFF}').unwrap_or(text));
    let mut together = Together::default();
    for (number, record) in (1..).zip(records(&text, format)?) {
        together.add(number, record).with_context(|| format!("entry {number}"))?;
    }
    if together.hypotheses.items().is_empty() {
        bail!("it has no captions");
    }
    Ok(together)
}

fn records(text: &str, format: Format) -> Result<Vec<Record>> {
    const UNKNOWN: &str = "it holds no captions with their references; give a reference file or a dataset as well";
    let json = |error: &serde_json::Error| anyhow!("it is not JSON: {}", reason(error));
    match format {
        Format::Text | Format::Table => bail!(UNKNOWN),
        Format::JsonLines => {
            let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
            lines
                .map(|(number, line)| {
                    serde_json::from_str(line).map_err(|error| anyhow!("line {number} is not JSON: {}", reason(&error)))
                })
                .collect()
        }
        Format::Json => match serde_json::from_str(text).map_err(|error| json(&error))? {
            Value::Array(list) => list.into_iter().map(record).collect(),
            Value::Object(object) if object.len() == 1 && object.values().all(Value::is_array) => {
                object.into_iter().flat_map(|(_, list)| as_list(list)).map(record).collect()
            }
            Value::Object(object) if object.values().all(Value::is_object) => {
                object.into_iter().map(|(id, value)| Ok(keyed(id, record(value)?))).collect()
            }
            _ => bail!(UNKNOWN),
        },
    }
}

fn record(value: Value) -> Result<Record> {
    Record::deserialize(value).map_err(|_| anyhow!("a record of it is not an object"))
}

fn as_list(value: Value) -> Vec<Value> {
    if let Value::Array(list) = value { list } else { Vec::new() }
}

fn keyed(id: String, mut record: Record) -> Record {
    record.image = Some(Value::String(id));
    record
}

impl Together {
    fn add(&mut self, number: usize, mut record: Record) -> Result<()> {
        let image = record.image.take().filter(|id| id.is_string() || id.is_number());
        let image = image.unwrap_or_else(|| Value::from(number));
        let (file, split) = (record.file.take(), record.split);
        let ((made, hypothesis), (given, references)) =
            record.pair().context("it has no caption with references (keys such as answer and ground_truth)")?;
        self.keys = (made, given);
        let id = || format!("image '{}'", plain(&image));
        let hypothesis = strings(hypothesis).with_context(id)?;
        let [hypothesis] = hypothesis.as_slice() else {
            bail!("{} has {} captions under '{made}'; give one caption per image", id(), hypothesis.len());
        };
        match self.hypotheses.get(&image) {
            Some([known]) if known == hypothesis => {}
            Some(_) => bail!("{} has two different captions; give one caption per image", id()),
            None => {
                let place = self.hypotheses.add(image.clone(), [hypothesis.clone()]);
                self.hypotheses.describe(place, file, split);
            }
        }
        let references = strings(references).with_context(id)?;
        let place = self.references.add(image, references.into_iter().filter(|text| !text.trim().is_empty()));
        self.references.describe(place, None, split);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_with_their_references_are_read_from_lists_lines_and_objects() {
        let list = r#"[{"image_id": 4, "answer": "h", "ground_truth": ["a", "b"]},
            {"image_id": 5, "answer": "k", "ground_truth": "c"}]"#;
        let lines = "{\"image_id\": 4, \"answer\": \"h\", \"ground_truth\": \"a\"}\n\
                     {\"image_id\": 4, \"answer\": \"h\", \"ground_truth\": \"b\"}\n\
                     {\"image_id\": 5, \"caption0\": \"c\", \"caption1\": \"\", \"answer\": \"k\"}";
        let object = r#"{"4": {"pred": "h", "gt": ["a", "b"]}, "5": {"pred": "k", "gt": ["c"]}}"#;
        let under = format!("{{\"results\": {list}}}");
        for (text, format) in
            [(list, Format::Json), (lines, Format::JsonLines), (object, Format::Json), (under.as_str(), Format::Json)]
        {
            let both = parse_together(text, format).unwrap();
            let of = |captions: &Captions, id: u64| captions.get(&Value::from(id)).unwrap().join("|");
            assert_eq!((of(&both.hypotheses, 4), of(&both.references, 4)), ("h".into(), "a|b".into()), "{text}");
            assert_eq!((of(&both.hypotheses, 5), of(&both.references, 5)), ("k".into(), "c".into()), "{text}");
        }
        let unnamed = parse_together(r#"[{"pred": "h", "gt": ["a"]}]"#, Format::Json).unwrap();
        assert_eq!(unnamed.references.items()[0].id, Value::from(1));
    }

    #[test]
    fn what_cannot_be_told_apart_is_said() {
        let fault = |text, format| format!("{:#}", parse_together(text, format).unwrap_err());
        assert!(fault(r#"[{"id": 1, "caption": "a"}]"#, Format::Json).starts_with("entry 1: it has no caption with"));
        assert!(fault("a road", Format::Text).contains("give a reference file"));
        let two = "{\"id\": 1, \"pred\": \"a\", \"gt\": \"x\"}\n{\"id\": 1, \"pred\": \"b\", \"gt\": \"y\"}";
        assert!(fault(two, Format::JsonLines).contains("image '1' has two different captions"));
    }
}
