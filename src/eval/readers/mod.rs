//! Captions and references from files: coco JSON, JSON lines, plain text.

mod record;

use anyhow::{Context, Result, anyhow, bail};
use record::{IMAGE_KEYS, Record};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// coco results or annotations, or an object of image: captions.
    Json,
    /// One object a line.
    JsonLines,
    /// One caption a line.
    Text,
}

impl Format {
    /// By the name's ending, else by how the text begins.
    pub fn of(path: &Path, text: &str) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        match (ending.as_str(), text.trim_start().chars().next()) {
            ("jsonl" | "ndjson", _) => Self::JsonLines,
            ("json", _) => Self::Json,
            ("txt", _) => Self::Text,
            (_, Some('[')) => Self::Json,
            (_, Some('{')) if text.lines().next().is_some_and(|line| serde_json::from_str::<Value>(line).is_ok()) => {
                Self::JsonLines
            }
            (_, Some('{')) => Self::Json,
            _ => Self::Text,
        }
    }
}

/// Captions by image, in the file's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Captions {
    items: Vec<Item>,
    places: FxHashMap<String, usize>,
}

/// An image and its captions.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// As the file has it: a number or a string.
    pub id: Value,
    pub captions: Vec<String>,
}

impl Captions {
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The captions of an image; numbers and strings of the same digits are the same image.
    pub fn get(&self, id: &Value) -> Option<&[String]> {
        let place = *self.places.get(&plain(id))?;
        self.items.get(place).map(|item| item.captions.as_slice())
    }

    /// Adds captions to an image.
    fn add(&mut self, id: Value, captions: impl IntoIterator<Item = String>) {
        // The captions of an image mostly follow one another.
        if let Some(last) = self.items.last_mut().filter(|last| last.id == id) {
            return last.captions.extend(captions);
        }
        let place = *self.places.entry(plain(&id)).or_insert_with(|| {
            self.items.push(Item { id, captions: Vec::new() });
            self.items.len() - 1
        });
        if let Some(item) = self.items.get_mut(place) {
            item.captions.extend(captions);
        }
    }
}

/// An id as text.
pub fn plain(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// Reads the captions of a file, however many an image has.
pub fn read(path: &Path) -> Result<Captions> {
    let text = rsic_util::fs::read_text(path)?;
    parse(&text, Format::of(path, &text)).with_context(|| format!("cannot use '{}'", path.display()))
}

/// Reads one caption an image.
///
/// # Errors
/// An image that comes twice, besides what cannot be read.
pub fn read_hypotheses(path: &Path) -> Result<Captions> {
    let captions = read(path)?;
    if let Some(item) = captions.items.iter().find(|item| item.captions.len() != 1) {
        let (id, count) = (plain(&item.id), item.captions.len());
        bail!("image '{id}' has {count} captions in '{}'; give one caption per image", path.display());
    }
    if captions.items.is_empty() {
        bail!("no captions in '{}'", path.display());
    }
    Ok(captions)
}

/// Reads references: one JSON file, or text files with one reference an item each (an empty line is no reference).
pub fn read_references(paths: &[std::path::PathBuf]) -> Result<Captions> {
    let mut all = Captions::default();
    let mut lines: Option<(usize, &Path)> = None;
    for path in paths {
        let text = rsic_util::fs::read_text(path)?;
        let format = Format::of(path, &text);
        let captions = parse(&text, format).with_context(|| format!("cannot use '{}'", path.display()))?;
        if format == Format::Text {
            let count = captions.items.len();
            match lines {
                Some((first, other)) if first != count => bail!(
                    "'{}' has {count} lines and '{}' has {first}: plain text references need one line per item",
                    path.display(),
                    other.display()
                ),
                _ => lines = Some((count, path)),
            }
        }
        if all.items.is_empty() && format != Format::Text {
            all = captions;
            continue;
        }
        for item in captions.items {
            let wanted = |caption: &String| format != Format::Text || !caption.trim().is_empty();
            all.add(item.id, item.captions.into_iter().filter(wanted));
        }
    }
    Ok(all)
}

/// Parses captions.
pub fn parse(text: &str, format: Format) -> Result<Captions> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut captions = Captions::default();
    match format {
        Format::Text => {
            for (line, caption) in (1..).zip(text.lines()) {
                captions.add(Value::from(line), [caption.to_owned()]);
            }
        }
        Format::JsonLines => {
            for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                let record = serde_json::from_str(line)
                    .map_err(|error| anyhow!("line {number} is not JSON: {}", reason(&error)))?;
                captions.add_value(record).with_context(|| format!("line {number}"))?;
            }
        }
        Format::Json => match records(text) {
            Some(records) => {
                for (number, record) in (1..).zip(records) {
                    captions.add_record(record).with_context(|| format!("entry {number}"))?;
                }
            }
            None => captions.add_json(text)?,
        },
    }
    Ok(captions)
}

/// The records of a coco file in one pass; nothing where it is written in another way, or has faults to tell of.
fn records(text: &str) -> Option<Vec<Record>> {
    #[derive(Deserialize)]
    struct Annotated {
        annotations: Vec<Record>,
    }
    match text.trim_start().as_bytes().first()? {
        b'{' => serde_json::from_str(text).map(|Annotated { annotations }| annotations).ok(),
        _ => serde_json::from_str(text).ok(),
    }
}

impl Captions {
    /// Adds any JSON that captions may be written in.
    fn add_json(&mut self, text: &str) -> Result<()> {
        match serde_json::from_str(text).map_err(|error| anyhow!("it is not JSON: {}", reason(&error)))? {
            Value::Array(records) => self.add_values(records),
            Value::Object(mut object) => match object.remove("annotations") {
                Some(Value::Array(records)) => self.add_values(records),
                Some(_) => bail!("its 'annotations' are not a list"),
                None => {
                    for (id, value) in object {
                        let list = strings(value).with_context(|| format!("image '{id}'"))?;
                        self.add(Value::String(id), list);
                    }
                    Ok(())
                }
            },
            _ => bail!("expected a list of objects with image_id and caption, or an object with 'annotations'"),
        }
    }

    fn add_values(&mut self, records: Vec<Value>) -> Result<()> {
        for (number, record) in (1..).zip(records) {
            self.add_value(record).with_context(|| format!("entry {number}"))?;
        }
        Ok(())
    }

    fn add_value(&mut self, record: Value) -> Result<()> {
        self.add_record(Record::deserialize(record).map_err(|_| anyhow!("it is not an object"))?)
    }

    /// Adds an image's caption, or several.
    fn add_record(&mut self, record: Record) -> Result<()> {
        let image = record.image.with_context(|| format!("it has no image key (one of {})", IMAGE_KEYS.join(", ")))?;
        if !(image.is_string() || image.is_number()) {
            bail!("its image is neither a number nor a string");
        }
        let list = record.captions.with_context(|| format!("image '{}' has no 'caption'", plain(&image)))?;
        let list = strings(list).with_context(|| format!("image '{}'", plain(&image)))?;
        self.add(image, list);
        Ok(())
    }
}

/// Why a text is no JSON, and where.
fn reason(error: &serde_json::Error) -> String {
    match error.is_eof() {
        true => format!("{error}: the file is truncated; copy or write it again"),
        false => error.to_string(),
    }
}

fn strings(value: Value) -> Result<Vec<String>> {
    match value {
        Value::String(caption) => Ok(vec![caption]),
        Value::Array(list) => list.into_iter().map(one_string).collect(),
        _ => bail!("its caption is not text"),
    }
}

/// A caption, bare or in an object (`raw` or `caption`).
fn one_string(value: Value) -> Result<String> {
    match value {
        Value::String(caption) => Ok(caption),
        Value::Object(mut object) => match object.remove("caption").or_else(|| object.remove("raw")) {
            Some(Value::String(caption)) => Ok(caption),
            _ => bail!("one of its captions is not text"),
        },
        _ => bail!("one of its captions is not text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(captions: &Captions) -> Vec<String> {
        captions.items().iter().map(|item| plain(&item.id)).collect()
    }

    #[test]
    fn coco_annotations_results_and_json_lines_say_the_same() {
        let annotations = r#"{"images": [], "annotations": [{"image_id": 7, "id": 1, "caption": "a"},
            {"image_id": 3, "id": 2, "caption": "b"}, {"image_id": 7, "id": 3, "caption": "c"}]}"#;
        let annotations = parse(annotations, Format::Json).unwrap();
        assert_eq!(ids(&annotations), ["7", "3"]);
        assert_eq!(annotations.get(&Value::from("7")).unwrap(), ["a", "c"]);
        let lines = "{\"image\": 7, \"captions\": [\"a\", \"c\"]}\n\n{\"id\": 3, \"caption\": \"b\"}\n";
        assert_eq!(parse(lines, Format::JsonLines).unwrap(), annotations);
        let object = parse(r#"{"7": ["a", "c"], "3": ["b"]}"#, Format::Json).unwrap();
        assert_eq!(object.get(&Value::from(7)).unwrap(), ["a", "c"]);
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let fault = |text, format| format!("{:#}", parse(text, format).unwrap_err());
        assert!(fault("{\"id\": 1, \"caption\": \"a\"}\n{oops", Format::JsonLines).starts_with("line 2 is not JSON"));
        assert!(fault(r#"[{"image_id": 1, "cap"#, Format::Json).contains("line 1 column 21: the file is truncated"));
        assert!(fault(r#"[{"image_id": 1}]"#, Format::Json).starts_with("entry 1: image '1' has no 'caption'"));
        assert!(fault(r#"[{"caption": "a"}]"#, Format::Json).starts_with("entry 1: it has no image key"));
        assert!(fault(r#"[{"image_id": [1], "caption": "a"}]"#, Format::Json).contains("neither a number nor"));
        assert!(fault("7", Format::Json).starts_with("expected a list"));
    }

    #[test]
    fn the_format_is_known_by_ending_or_content() {
        let of = |name: &str, text| Format::of(Path::new(name), text);
        assert_eq!(of("a.jsonl", ""), Format::JsonLines);
        assert_eq!(of("a", " [1]"), Format::Json);
        assert_eq!(of("a", "{\"id\": 1}\n{\"id\": 2}"), Format::JsonLines);
        assert_eq!(of("a", "{\n\"annotations\": []}"), Format::Json);
        assert_eq!(of("a.out", "a road"), Format::Text);
    }
}
