//! Captions and references from files: coco JSON, JSON lines, plain text, and the datasets' own files and folders.

mod captions;
mod dataset;
mod matching;
mod record;
mod together;

pub use captions::{Captions, Item, plain};
pub use matching::{By, Matching};
pub use together::{Together, read_together};

use anyhow::{Context, Result, anyhow, bail};
use record::{IMAGE_KEYS, Record};
use rsic_captions::Split;
use rsic_util::json::without_nan;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// coco results or annotations, or an object of image: captions.
    Json,
    /// One object a line.
    JsonLines,
    /// CSV or TSV, whose first line names the columns, or Flickr8k's rows of image and caption.
    Table,
    /// One caption a line.
    Text,
}

impl Format {
    /// By the name's ending, unless the text is plainly of another form.
    pub fn of(path: &Path, text: &str) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let text = text.trim_start_matches('\u{FEFF}').trim_start();
        match (ending.as_str(), text.chars().next()) {
            _ if text.lines().next().is_some_and(rsic_captions::is_flickr) => Self::Table,
            ("jsonl" | "ndjson", Some('[')) => Self::Json,
            ("jsonl" | "ndjson", _) => Self::JsonLines,
            ("json", _) if !has_lines(text) => Self::Json,
            ("txt", Some('[' | '{')) if !is_json(text) => Self::Text,
            (_, Some('{')) if is_record(text.lines().next().unwrap_or_default()) => Self::JsonLines,
            (_, Some('[' | '{')) | ("json", _) => Self::Json,
            ("csv" | "tsv", _) => Self::Table,
            _ => Self::Text,
        }
    }
}

fn has_lines(text: &str) -> bool {
    text.lines().filter(|line| !line.trim().is_empty()).nth(1).is_some()
}

/// Whether a text, or its first line, is JSON.
fn is_json(text: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<IgnoredAny>(&without_nan(text)).is_ok();
    json(text) || json(text.lines().next().unwrap_or_default())
}

/// Whether a line is an image and its captions.
fn is_record(line: &str) -> bool {
    let record = serde_json::from_str(&without_nan(line));
    record.is_ok_and(|record: Record| record.image.is_some() && record.captions().is_some())
}

/// Reads the captions of a file, or of a dataset's folder, however many an image has.
pub fn read(path: &Path) -> Result<Captions> {
    if path.is_dir() {
        let files = rsic_captions::find(path, Path::new(rsic_captions::DEFAULT))?;
        return dataset::captions(rsic_captions::read(files)?.file);
    }
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

/// Reads references: a dataset's folder, one file, or text files with one reference an item each (an empty line is no
/// reference).
pub fn read_references(paths: &[std::path::PathBuf]) -> Result<Captions> {
    let mut all = Captions::default();
    let mut lines: Option<(usize, &Path)> = None;
    for path in paths {
        if let ([folder], true) = (paths, path.is_dir()) {
            return read(folder);
        }
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
    let json = if matches!(format, Format::Text | Format::Table) { Cow::Borrowed(text) } else { without_nan(text) };
    let text = json.as_ref();
    match format {
        Format::Text => {
            for (line, caption) in (1..).zip(text.lines()) {
                captions.add(Value::from(line), [caption.to_owned()]);
            }
        }
        Format::Table => return dataset::table(text),
        Format::JsonLines => {
            for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                let record = serde_json::from_str(line)
                    .map_err(|error| anyhow!("line {number} is not JSON: {}", reason(&error)))?;
                captions.add_value(record).with_context(|| format!("line {number}"))?;
            }
        }
        Format::Json => match annotated(text) {
            Some(Annotated { images, annotations }) => {
                for (number, record) in (1..).zip(annotations) {
                    captions.add_record(record).with_context(|| format!("entry {number}"))?;
                }
                images.into_iter().for_each(|image| captions.add_name(image));
            }
            None if rsic_captions::is_dataset(text) => {
                return dataset::captions(rsic_captions::parse_captions(text.as_bytes())?);
            }
            None => captions.add_json(text)?,
        },
    }
    Ok(captions)
}

/// A coco file; a list of results is one without images.
#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    images: Vec<Named>,
    annotations: Vec<Record>,
}

/// What a coco file says of an image.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: Value,
    #[serde(alias = "filename")]
    file_name: Option<String>,
    split: Option<String>,
}

/// A coco file in one pass; nothing where it is written in another way, or has faults to tell of.
fn annotated(text: &str) -> Option<Annotated> {
    match text.trim_start().as_bytes().first()? {
        b'{' => serde_json::from_str(text).ok(),
        _ => serde_json::from_str(text).map(|annotations| Annotated { images: Vec::new(), annotations }).ok(),
    }
}

impl Captions {
    /// The file and split of an image that has captions.
    fn add_name(&mut self, image: Named) {
        if let Some(&place) = self.places.get(&plain(&image.id)) {
            let split = image.split.and_then(|name| name.parse::<Split>().ok());
            self.describe(place, image.file_name, split);
        }
    }

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
    fn add_record(&mut self, mut record: Record) -> Result<()> {
        let image =
            record.image.take().with_context(|| format!("it has no image key (one of {})", IMAGE_KEYS.join(", ")))?;
        if !(image.is_string() || image.is_number()) {
            bail!("its image is neither a number nor a string");
        }
        let (file, split) = (record.file.take(), record.split);
        let list = record.captions().with_context(|| format!("image '{}' has no 'caption'", plain(&image)))?;
        let list = strings(list).with_context(|| format!("image '{}'", plain(&image)))?;
        let place = self.add(image, list);
        self.describe(place, file, split);
        Ok(())
    }
}

/// Why a text is no JSON, and where.
fn reason(error: &serde_json::Error) -> String {
    let said = rsic_util::json::reason(error);
    match error.is_eof() {
        true => format!("{said}: the file is truncated; copy or write it again"),
        false => said,
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
    fn columns_are_read_by_the_names_in_their_first_line() {
        let read = |name: &str, text: &str| parse(text, Format::of(Path::new(name), text));
        let csv = read("a.csv", "\u{feff}file,log_prob,Caption\n1.png,-3,\"a, b\"\n2.png,-4,c\n").unwrap();
        assert_eq!(ids(&csv), ["1.png", "2.png"]);
        assert_eq!(csv.get(&Value::from("1.png")).unwrap(), ["a, b"]);
        let tsv = read("a.tsv", "image_id\tcaption\n7\ta \"b\"\n").unwrap();
        assert_eq!(tsv.get(&Value::from(7)).unwrap(), ["a \"b\""]);
        let unnamed = read("a.tsv", "1\ta field\n2\ttwo\n").unwrap_err().to_string();
        assert!(unnamed.contains("first line must name the columns"), "{unnamed}");
        assert!(read("a.csv", "image,caption\n1.png\n").unwrap_err().to_string().starts_with("line 2"));
        assert_eq!(read("a.txt", "1,a field\n").unwrap().items().len(), 1);
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
    fn ids_are_the_same_however_their_number_is_written_and_nan_beside_a_caption_does_not_matter() {
        let captions =
            parse(r#"[{"image_id": 1.0, "caption": "a NaN", "perplexity": NaN, "e": -Infinity}]"#, Format::Json);
        assert_eq!(captions.unwrap().get(&Value::from(1)).unwrap(), ["a NaN"]);
        let fault = |text| format!("{:#}", parse(text, Format::Json).unwrap_err());
        assert!(fault(r#"[{"image_id": 1, "caption": NaN}]"#).contains("its caption is not text"));
        assert!(fault(r#"[{"image_id": NaN, "caption": "a"}]"#).contains("neither a number nor a string"));
    }

    #[test]
    fn a_dataset_gives_its_references_by_id_and_by_file_name() {
        let text = r#"{"dataset": "t", "images": [
            {"filename": "1.tif", "imgid": 4, "sentences": [{"raw": "a .", "tokens": ["a"]}, {"tokens": ["b", "c"]}]},
            {"filename": "2.tif", "sentences": [{"raw": "d"}]}]}"#;
        let captions = parse(text, Format::Json).unwrap();
        assert_eq!(captions.items().len(), 2);
        assert_eq!(captions.get(&Value::from(4)).unwrap(), ["a .", "b c"]);
        assert_eq!(captions.get(&Value::from("1.tif")), captions.get(&Value::from(4)));
        assert_eq!(captions.get(&Value::from("2.tif")).unwrap(), ["d"]);
        let fault = format!(
            "{:#}",
            parse(r#"{"images": [{"imgid": 1, "filename": "1", "sentences": [{}]}]}"#, Format::Json).unwrap_err()
        );
        assert!(fault.contains("image '1' has no 'raw'"), "{fault}");
    }

    #[test]
    fn the_format_is_known_by_ending_or_content() {
        let of = |name: &str, text| Format::of(Path::new(name), text);
        assert_eq!(of("a.jsonl", ""), Format::JsonLines);
        assert_eq!(of("a", " [1]"), Format::Json);
        let line = "{\"id\": 1, \"caption\": \"a\"}";
        let lines = format!("{line}\n{line}");
        assert_eq!(of("a", &lines), Format::JsonLines);
        assert_eq!(of("a.json", &lines), Format::JsonLines);
        assert_eq!(of("a", line), Format::JsonLines);
        for whole in ["{\"images\": [], \"annotations\": []}", "{\"1\": [\"a\"]}", "[{\"p\": NaN}]"] {
            for name in ["/dev/fd/63", "a.json", "a.txt", "a.results"] {
                assert_eq!(of(name, whole), Format::Json, "{name} {whole}");
            }
        }
        assert_eq!(of("a.txt", "[unk] road"), Format::Text);
        assert_eq!(of("a", "{\n\"annotations\": []}"), Format::Json);
        assert_eq!(of("a.out", "a road"), Format::Text);
    }
}
