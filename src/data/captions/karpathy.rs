//! Karpathy-style JSON: `{"dataset": name, "images": [{"filename", "imgid", "split", "sentences": [{"tokens",
//! "raw"}]}]}`.

use super::values::Id;
use super::{CaptionFile, Format, Record, Sentence, Split, json};
use anyhow::Result;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(expecting = "an object with 'images'")]
struct Document {
    dataset: Option<String>,
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(expecting = "an image with filename and sentences")]
struct Image {
    #[serde(alias = "file_name")]
    filename: String,
    #[serde(alias = "id")]
    imgid: Option<Id>,
    /// Folder below the image folder (MS-COCO's copy of the format).
    filepath: Option<String>,
    #[serde(default, deserialize_with = "json::split_name")]
    split: Option<Split>,
    class: Option<String>,
    sentences: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(expecting = "a sentence with tokens or raw")]
struct Text {
    tokens: Option<Vec<String>>,
    raw: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<CaptionFile> {
    let document: Document = json::parse(bytes)?;
    let records = document
        .images
        .into_iter()
        .enumerate()
        .map(|(position, image)| Record {
            id: image.imgid.and_then(|id| id.number()).unwrap_or(position as u64),
            file_name: image.filename,
            folder: image.filepath.filter(|folder| !folder.is_empty()),
            split: image.split,
            class: image.class,
            sentences: image.sentences.into_iter().map(|Text { tokens, raw }| Sentence { tokens, raw }).collect(),
        })
        .collect();
    Ok(CaptionFile { format: Format::Karpathy, name: document.dataset, records })
}

#[cfg(test)]
mod tests {
    use super::super::parse_captions;
    use super::*;

    const FILE: &str = r#"{"images":[
 {"filename":"1.tif","imgid":7,"split":"restval","sentids":[0],"class":"beach",
  "sentences":[{"tokens":["A","beach"],"raw":"A beach .","imgid":7,"sentid":0}]}],
"dataset":"UCM"}"#;

    #[test]
    fn every_field_is_read() {
        let file = parse_captions(FILE.as_bytes()).unwrap();
        assert_eq!((file.format, file.name.as_deref()), (Format::Karpathy, Some("UCM")));
        let record = &file.records[0];
        assert_eq!((record.id, record.file_name.as_str(), record.split), (7, "1.tif", Some(Split::Train)));
        assert_eq!(record.class.as_deref(), Some("beach"));
        assert_eq!(record.sentences[0].tokens.as_deref().unwrap(), ["A", "beach"]);
        assert_eq!(record.sentences[0].raw.as_deref(), Some("A beach ."));
    }

    #[test]
    fn faults_name_line_and_column() {
        let cut = parse_captions(&FILE.as_bytes()[..FILE.len() / 2]).unwrap_err().to_string();
        assert!(cut.starts_with("3:") && cut.contains("truncated"), "{cut}");
        let wrong = parse_captions(FILE.replace("restval", "tset").as_bytes()).unwrap_err().to_string();
        assert!(wrong.starts_with("2:") && wrong.contains("did you mean 'test'"), "{wrong}");
        let no_name = parse_captions(FILE.replace("\"filename\"", "\"name\"").as_bytes()).unwrap_err().to_string();
        assert!(no_name.contains("'filename' is missing"), "{no_name}");
    }
}
