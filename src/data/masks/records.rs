//! Segment Anything's records: JSON with one binary mask for each object.

use super::rle::Rle;
use crate::util::json::error;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

/// One object as Segment Anything found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub rle: Rle,
    /// First and last column and row of its pixels: left, upper, right, lower.
    pub bounds: [i64; 4],
    /// How well the model expects the mask to fit.
    pub iou: f32,
    /// The point that it was asked at, `(x, y)`, pixels.
    pub point: [f64; 2],
    /// IoU of the mask at a higher threshold with that at a lower one.
    pub stability: f32,
    /// The crop that was looked at: left, upper, right, lower edge.
    pub crop: [i64; 4],
}

impl Found {
    /// The record as Segment Anything writes it; boxes are left, upper, width, height.
    pub fn to_json(&self, compressed: bool) -> Value {
        let sized = |[left, top, right, bottom]: [i64; 4]| [left, top, right - left, bottom - top];
        let counts = if compressed { json!(self.rle.compressed()) } else { json!(self.rle.counts) };
        json!({
            "segmentation": {"size": [self.rle.height, self.rle.width], "counts": counts},
            "area": self.rle.area(),
            "bbox": sized(self.bounds),
            "predicted_iou": f64::from(self.iou),
            "point_coords": [self.point],
            "stability_score": f64::from(self.stability),
            "crop_box": sized(self.crop),
        })
    }
}

/// The records of an image as the text of a JSON file, one a line.
pub fn records_text(found: &[Found], compressed: bool) -> String {
    let lines: Vec<String> = found.iter().map(|found| found.to_json(compressed).to_string()).collect();
    if lines.is_empty() { "[]\n".into() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub mask: Rle,
}

/// Areas, boxes and scores, which stand there too, are not needed.
#[derive(Deserialize)]
#[serde(expecting = "a record with 'segmentation'")]
struct Entry {
    segmentation: Segmentation,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with 'size' and 'counts'")]
struct Segmentation {
    /// Height, then width.
    size: [u32; 2],
    counts: Counts,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "'counts' are neither text nor a list of lengths")]
enum Counts {
    Compressed(String),
    Plain(Vec<u32>),
}

/// Reads the text of a record file: a list, as Segment Anything's automatic mask generator gives it, or the same under
/// `annotations`, as in SA-1B. An empty list is an image without objects.
pub fn parse_records(text: &str) -> Result<Vec<Record>> {
    let entries = match serde_json::from_str(text).map_err(error).context("it is not JSON")? {
        Value::Array(entries) => Some(entries),
        Value::Object(mut file) => match file.remove("annotations") {
            Some(Value::Array(entries)) => Some(entries),
            _ => None,
        },
        _ => None,
    };
    let entries = entries.context(EXPECTED)?;
    let record = |(number, entry): (usize, Value)| {
        if let Some(Value::Array(rows)) = entry.get("segmentation") {
            return Ok(Record { mask: of_rows(rows).with_context(|| format!("in record {number}"))? });
        }
        let entry: Entry =
            serde_json::from_value(entry).map_err(error).with_context(|| format!("{EXPECTED}; record {number}"))?;
        let Segmentation { size: [height, width], counts } = entry.segmentation;
        let mask = match counts {
            Counts::Compressed(text) => Rle::parse(height, width, &text),
            Counts::Plain(counts) => Rle::new(height, width, counts),
        };
        Ok(Record { mask: mask.with_context(|| format!("in record {number}"))? })
    };
    (1..).zip(entries).map(record).collect()
}

/// A mask as rows of `true` and `false`: the generator's `binary_mask`, as lists.
fn of_rows(rows: &[Value]) -> Result<Rle> {
    let row = |row: &Value| row.as_array()?.iter().map(Value::as_bool).collect::<Option<Vec<bool>>>();
    let rows: Option<Vec<Vec<bool>>> = rows.iter().map(row).collect();
    let width = rows.iter().flatten().next().map_or(0, Vec::len);
    let Some(rows) = rows.filter(|rows| rows.iter().all(|row| row.len() == width)) else {
        bail!("its segmentation is a list of polygons or numbers, which is not read; write run-length codes");
    };
    let (mut counts, mut inside) = (vec![0], false);
    for column in 0..width {
        for pixel in rows.iter().filter_map(|row| row.get(column)) {
            if *pixel != inside {
                inside = *pixel;
                counts.push(0);
            }
            if let Some(last) = counts.last_mut() {
                *last += 1;
            }
        }
    }
    Rle::new(u32::try_from(rows.len())?, u32::try_from(width)?, counts)
}

const EXPECTED: &str =
    "it is not a list of Segment Anything records, each with `segmentation: {size: [height, width], counts: ..}`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_true_and_false_are_a_mask_and_polygons_are_refused() {
        let rows = r#"[{"segmentation": [[false, true, true], [false, false, true]]}]"#;
        let code = r#"[{"segmentation": {"size": [2, 3], "counts": [2, 1, 1, 2]}}]"#;
        assert_eq!(parse_records(rows).unwrap(), parse_records(code).unwrap());
        let polygons = parse_records(r#"[{"segmentation": [[0, 0, 9, 0, 9.5, 9]]}]"#).unwrap_err();
        assert!(format!("{polygons:#}").contains("polygons"), "{polygons:#}");
    }

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
    fn what_is_written_is_read() {
        let rle = Rle::new(3, 4, vec![1, 1, 3, 2, 5]).unwrap();
        let [bounds, crop] = [[0, 0, 2, 2], [0, 0, 4, 3]];
        let found = Found { rle: rle.clone(), bounds, iou: 0.9, point: [1.5, 0.5], stability: 1.0, crop };
        for compressed in [false, true] {
            let text = records_text(&[found.clone(), found.clone()], compressed);
            assert_eq!(parse_records(&text).unwrap(), [Record { mask: rle.clone() }, Record { mask: rle.clone() }]);
        }
        assert!(parse_records(&records_text(&[], true)).unwrap().is_empty());
        let record = found.to_json(true).to_string();
        let expected = r#"{"segmentation":{"size":[3,4],"counts":"11312"},"area":3,"bbox":[0,0,2,2],"predicted_iou":0.8999999761581421,"point_coords":[[1.5,0.5]],"stability_score":1.0,"crop_box":[0,0,4,3]}"#;
        assert_eq!(record, expected);
    }

    #[test]
    fn faults_are_named() {
        let error = |text: &str| format!("{:#}", parse_records(text).unwrap_err());
        assert!(error("[").contains("not JSON"));
        assert!(error("[{\"box\": 1}]").contains("Segment Anything"));
        let odd = [r#"{"segmentation": 1}"#, "3", r#"[{"segmentation": {"size": [2, 2], "counts": 1}}]"#];
        for text in odd.map(error) {
            assert!(text.contains("Segment Anything") && !text.contains("struct") && !text.contains("enum"), "{text}");
        }
        let wrong = r#"[{"segmentation": {"size": [2, 2], "counts": [1]}}]"#;
        assert!(error(wrong).contains("record 1") && error(wrong).contains("covers 1 pixels"));
    }
}
