//! Rows of image and caption, for own data: CSV or TSV, JSONL, or a JSON list. Rows of the same image are gathered.
//!
//! Columns (or keys): `image`, `caption`, and if wanted `split` and `class`. A CSV file needs no header when its
//! columns are image, caption and, third, split. In a JSON row `caption` (or
//! `captions`) may be a list. Flickr8k's `NAME#NUMBER<TAB>CAPTION` is read, too.

use super::values::Texts;
use super::{CaptionFile, Format, Record, Sentence, Split, json};
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Names of the image column.
pub(super) const IMAGE_KEYS: [&str; 6] = ["image", "filename", "file_name", "file", "path", "image_name"];
const CAPTION_KEYS: [&str; 8] = ["caption", "captions", "references", "refs", "sentence", "text", "raw", "comment"];
/// Names of a column of ids, which stands for the images where there is none of these.
const ID_KEYS: [&str; 2] = ["image_id", "id"];

#[derive(Deserialize)]
#[serde(expecting = "a row with image and caption")]
struct Row {
    #[serde(alias = "filename", alias = "file_name", alias = "file", alias = "path")]
    image: String,
    #[serde(alias = "sentence", alias = "text", alias = "raw")]
    #[serde(default)]
    caption: Texts,
    #[serde(default)]
    captions: Texts,
    #[serde(default, deserialize_with = "json::split_name")]
    split: Option<Split>,
    class: Option<String>,
    #[serde(skip)]
    id: Option<String>,
}

/// Gathers the rows of each image, in the order of first appearance.
#[derive(Default)]
struct Gatherer {
    position: BTreeMap<String, usize>,
    records: Vec<Record>,
}

impl Gatherer {
    fn add(&mut self, row: Row) -> Result<()> {
        if row.image.trim().is_empty() {
            bail!("a row has an empty image name");
        }
        let captions: Vec<String> = row.caption.0.into_iter().chain(row.captions.0).collect();
        if captions.is_empty() {
            bail!("the row of '{}' has no caption", row.image);
        }
        let at = *self.position.entry(row.image.clone()).or_insert(self.records.len());
        if at == self.records.len() {
            self.records.push(Record {
                id: at as u64,
                given_id: row.id,
                file_name: row.image,
                split: row.split,
                class: row.class.clone(),
                ..Record::default()
            });
        } else if let Some(record) = self.records.get(at).filter(|record| record.split != row.split) {
            let name = |split: Option<Split>| split.map_or("none", Split::name);
            bail!(
                "image '{}' is in two splits, {} and {}; give each image one split",
                record.file_name,
                name(record.split),
                name(row.split)
            );
        }
        if let Some(record) = self.records.get_mut(at) {
            record.class = record.class.take().or(row.class);
            record.sentences.extend(captions.into_iter().map(|raw| Sentence { tokens: None, raw: Some(raw) }));
        }
        Ok(())
    }

    fn finish(self, format: Format) -> CaptionFile {
        CaptionFile { format, name: None, records: self.records }
    }
}

/// One JSON object a line; empty lines are passed over.
pub(super) fn parse_lines(bytes: &[u8]) -> Result<CaptionFile> {
    let mut gatherer = Gatherer::default();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let row: Row = serde_json::from_slice(line).map_err(|error| json::fault_at(&error, number))?;
        gatherer.add(row).map_err(|error| anyhow!("{}: {error}", number + 1))?;
    }
    Ok(gatherer.finish(Format::Rows))
}

/// A JSON list of rows.
pub(super) fn parse_list(bytes: &[u8]) -> Result<CaptionFile> {
    let rows: Vec<Row> = json::parse(bytes)?;
    let mut gatherer = Gatherer::default();
    for (number, row) in rows.into_iter().enumerate() {
        gatherer.add(row).with_context(|| format!("row {}", number + 1))?;
    }
    Ok(gatherer.finish(Format::Rows))
}

/// Where the columns of a CSV file are.
struct Columns {
    id: Option<usize>,
    image: usize,
    caption: usize,
    split: Option<usize>,
    class: Option<usize>,
}

impl Columns {
    /// Those of a file whose first row is no header.
    const UNNAMED: Self = Self { id: None, image: 0, caption: 1, split: Some(2), class: Some(3) };

    /// The columns by the names in the first row; `None` where it is no header.
    fn of_header(header: &csv::StringRecord) -> Option<Self> {
        let find = |names: &[&str]| {
            names.iter().find_map(|name| header.iter().position(|cell| cell.trim().eq_ignore_ascii_case(name)))
        };
        let id = find(&ID_KEYS);
        Some(Self {
            id,
            image: find(&IMAGE_KEYS).or(id)?,
            caption: find(&CAPTION_KEYS)?,
            split: find(&["split"]),
            class: find(&["class"]),
        })
    }
}

/// What separates the columns: a tab or a comma where the first line has one, else a semicolon or a bar (Flickr30k).
fn delimiter(first_line: &[u8]) -> u8 {
    [b'\t', b',', b';', b'|'].into_iter().find(|mark| first_line.contains(mark)).unwrap_or(b',')
}

/// Rows whose columns a [`delimiter`] separates, quoted as RFC 4180 says.
pub(super) fn parse_csv(bytes: &[u8]) -> Result<CaptionFile> {
    let first_line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let delimiter = delimiter(first_line);
    let is_flickr = std::str::from_utf8(first_line).is_ok_and(|line| flickr_name(line).is_some());
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .quoting(!is_flickr) // its captions hold single quotation marks
        .from_reader(bytes);
    let mut gatherer = Gatherer::default();
    let mut columns = None;
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let header = Columns::of_header(&row);
                let is_header = header.is_some();
                let columns = columns.insert(header.unwrap_or(Columns::UNNAMED));
                if is_header {
                    continue;
                }
                columns
            }
        };
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).map(str::trim).filter(|cell| !cell.is_empty());
        let (Some(image), Some(caption)) = (cell(Some(columns.image)), row.get(columns.caption)) else {
            bail!(
                "{line}: expected an image and a caption separated by a {}, found {} column{}",
                match delimiter {
                    b'\t' => "tab",
                    b';' => "semicolon",
                    b'|' => "bar",
                    _ => "comma",
                },
                row.len(),
                if row.len() == 1 { "" } else { "s" }
            );
        };
        let image = if is_flickr { without_number(image).unwrap_or(image) } else { image };
        let split = cell(columns.split)
            .map(str::parse)
            .transpose()
            .map_err(|error| anyhow!("{line}: {error} (put captions that contain a comma in double quotes)"))?;
        let row = Row {
            image: image.to_owned(),
            caption: Texts(vec![caption.to_owned()]),
            captions: Texts::default(),
            split,
            class: cell(columns.class).map(str::to_owned),
            id: cell(columns.id).map(str::to_owned),
        };
        gatherer.add(row).map_err(|error| anyhow!("{line}: {error}"))?;
    }
    Ok(gatherer.finish(Format::Csv))
}

/// Whether a first line names the columns.
pub(super) fn names_columns(line: &str) -> bool {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter(line.as_bytes())).has_headers(false).from_reader(line.as_bytes());
    matches!(reader.records().next(), Some(Ok(header)) if Columns::of_header(&header).is_some())
}

/// The image that a line of Flickr8k's form names.
pub(super) fn flickr_name(line: &str) -> Option<&str> {
    line.split_once('\t').and_then(|(cell, _)| without_number(cell))
}

/// The image of Flickr8k's `NAME#NUMBER`, which numbers the captions of an image.
fn without_number(cell: &str) -> Option<&str> {
    let (name, number) = cell.rsplit_once('#')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::parse_captions;
    use super::*;

    fn names(text: &str) -> Vec<(String, Option<Split>, usize)> {
        let file = parse_captions(text.as_bytes()).unwrap();
        file.records.into_iter().map(|r| (r.file_name, r.split, r.sentences.len())).collect()
    }

    #[test]
    fn csv_is_read_with_and_without_header_and_with_quoted_commas() {
        let expected = vec![("a.png".to_owned(), None, 2), ("b.png".to_owned(), None, 1)];
        assert_eq!(names("image,caption\na.png,x\nb.png,\"y, z\"\na.png,w\n"), expected);
        assert_eq!(names("a.png,x\nb.png,\"y, z\"\na.png,w\n"), expected);
        assert_eq!(names("a.png\tx\nb.png\ty, z\na.png\tw\n"), expected);
        let split = names("caption,Split,image\nx,val,a.png\n");
        assert_eq!(split, [("a.png".to_owned(), Some(Split::Val), 1)]);
    }

    #[test]
    fn columns_may_be_separated_by_semicolons_and_as_flickr30k_does_by_bars() {
        let expected = vec![("a.png".to_owned(), None, 2)];
        assert_eq!(names("image;caption\na.png;x, and y\na.png;\"z; w\"\n"), expected);
        assert_eq!(names("image_name| comment_number| comment\na.png| 0| x, and y .\na.png| 1| z .\n"), expected);
    }

    #[test]
    fn a_column_of_ids_stands_beside_that_of_images_or_for_it() {
        let ids = |text: &str| {
            let records = parse_captions(text.as_bytes()).unwrap().records;
            records.into_iter().map(|record| (record.given_id.unwrap(), record.file_name)).collect::<Vec<_>>()
        };
        assert_eq!(ids("id,image_id,file_name,caption\n0,7,a.png,x\n"), [("7".to_owned(), "a.png".to_owned())]);
        assert_eq!(ids("image_id,caption\n7,x\n7,y\n"), [("7".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn jsonl_and_json_lists_are_the_same_rows() {
        let expected = vec![("a.png".to_owned(), Some(Split::Test), 3)];
        assert_eq!(
            names(
                "{\"image\":\"a.png\",\"caption\":\"x\",\"split\":\"test\"}\n\n{\"image\":\"a.png\",\"captions\":[\"y\",\"z\"],\"split\":\"test\"}"
            ),
            expected
        );
        assert_eq!(names("[{\"image\":\"a.png\",\"captions\":[\"x\",\"y\",\"z\"],\"split\":\"test\"}]"), expected);
    }

    #[test]
    fn faults_name_the_line() {
        let error = |text: &str| parse_captions(text.as_bytes()).unwrap_err().to_string();
        assert!(error("a.png,x\nb.png\n").starts_with("2: expected an image and a caption"));
        assert!(error("a.png,x, with a comma\n").contains("in double quotes"));
        assert!(error("a.png,x,train\na.png,y,test\n").starts_with("2: image 'a.png' is in two splits"));
        assert!(error("{\"image\":\"a\",\"caption\":\"x\"}\n{\"image\":\"a\",\n").starts_with("2:"));
        assert!(error(" \n").contains("empty"));
    }
}
