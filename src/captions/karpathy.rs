//! Karpathy-style JSON: `{"dataset": name, "images": [{"filename", "imgid", "split", "sentences": [{"tokens",
//! "raw"}]}]}`.

use super::values::Id;
use super::{CaptionFile, Format, Record, Sentence, Split, json};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::fmt;

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

/// A sentence as an object, or its text alone.
struct Text {
    tokens: Option<Vec<String>>,
    raw: Option<String>,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            tokens: Option<Vec<Id>>, // a word may be a number
            raw: Option<String>,
        }
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sentence with tokens or raw, or its text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text { tokens: None, raw: Some(text.to_owned()) })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                let Fields { tokens, raw } = Fields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Text { tokens: tokens.map(|words| words.into_iter().map(|Id(word)| word).collect()), raw })
            }
        }
        deserializer.deserialize_any(Any)
    }
}

pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<CaptionFile> {
    let document: Document = json::parse(bytes)?;
    let records = document
        .images
        .into_iter()
        .enumerate()
        .map(|(position, image)| Record {
            id: image.imgid.as_ref().and_then(Id::number).unwrap_or(position as u64),
            given_id: image.imgid.map(|Id(id)| id),
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
    fn sentences_may_be_texts_alone_and_words_may_be_numbers() {
        let text = r#"{"images": [{"filename": "1.tif", "sentences": ["two planes", {"tokens": [4, "planes"]}]}]}"#;
        let sentences = &parse_captions(text.as_bytes()).unwrap().records[0].sentences;
        assert_eq!(sentences[0], Sentence { tokens: None, raw: Some("two planes".into()) });
        assert_eq!(sentences[1].tokens, Some(vec!["4".into(), "planes".into()]));
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
