//! Segment Anything's records: JSON with one binary mask for each object.

use super::rle::Rle;
use anyhow::{Context, Result};
use serde::Deserialize;

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub mask: Rle,
}

/// A list, as its automatic mask generator gives it, or the same under `annotations`, as in SA-1B.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Annotations { annotations: Vec<Entry> },
    List(Vec<Entry>),
}

/// Areas, boxes and scores, which stand there too, are not needed.
#[derive(Deserialize)]
struct Entry {
    segmentation: Segmentation,
}

#[derive(Deserialize)]
struct Segmentation {
    /// Height, then width.
    size: [u32; 2],
    counts: Counts,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Counts {
    Compressed(String),
    Plain(Vec<u32>),
}

/// Reads the text of a record file.
pub fn parse_records(text: &str) -> Result<Vec<Record>> {
    let value: serde_json::Value = serde_json::from_str(text).context("it is no JSON")?;
    let file = serde_json::from_value(value).context(
        "it is no list of Segment Anything's records, each with `segmentation: {size: [height, width], counts: ..}`",
    )?;
    let (File::Annotations { annotations: entries } | File::List(entries)) = file;
    let record = |(index, entry): (usize, Entry)| {
        let Segmentation { size: [height, width], counts } = entry.segmentation;
        let mask = match counts {
            Counts::Compressed(text) => Rle::parse(height, width, &text),
            Counts::Plain(counts) => Rle::new(height, width, counts),
        };
        Ok(Record { mask: mask.with_context(|| format!("in its record {}", index + 1))? })
    };
    entries.into_iter().enumerate().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_codes_and_both_forms_of_file_are_read() {
        let plain = r#"{"segmentation": {"size": [3, 4], "counts": [1, 1, 3, 2, 5]}, "area": 3, "bbox": [0, 0, 1, 1]}"#;
        let compressed = r#"{"segmentation": {"size": [3, 4], "counts": "11312"}, "predicted_iou": 0.9}"#;
        let list = parse_records(&format!("[{plain}, {compressed}]")).unwrap();
        assert_eq!(list[0], list[1]);
        assert_eq!(list[0].mask.area(), 3);
        let whole = parse_records(&format!(r#"{{"image": {{"width": 4}}, "annotations": [{plain}]}}"#)).unwrap();
        assert_eq!(whole, list[..1]);
    }

    #[test]
    fn faults_are_named() {
        let error = |text: &str| format!("{:#}", parse_records(text).unwrap_err());
        assert!(error("[").contains("no JSON"));
        assert!(error("[{\"box\": 1}]").contains("Segment Anything"));
        let wrong = r#"[{"segmentation": {"size": [2, 2], "counts": [1]}}]"#;
        assert!(error(wrong).contains("record 1") && error(wrong).contains("holds 1 pixels"));
    }
}
