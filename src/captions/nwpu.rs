//! NWPU-Captions JSON: `{class: [{"filename", "imgid", "split", "raw", "raw_1", .. "raw_4"}]}`, images in one folder a
//! class.

use super::values::Id;
use super::{CaptionFile, Format, Record, Sentence, Split, json};
use anyhow::Result;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use std::fmt;

#[derive(Deserialize)]
#[serde(expecting = "an image with filename and raw")]
struct Image {
    filename: String,
    imgid: Option<Id>,
    #[serde(default, deserialize_with = "json::split_name")]
    split: Option<Split>,
    raw: Option<String>,
    raw_1: Option<String>,
    raw_2: Option<String>,
    raw_3: Option<String>,
    raw_4: Option<String>,
}

/// The classes in the order of the file.
struct Classes(Vec<(String, Vec<Image>)>);

impl<'de> Deserialize<'de> for Classes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Classes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lists of images keyed by class")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Classes, A::Error> {
                let mut classes = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    classes.push(pair);
                }
                Ok(Classes(classes))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<CaptionFile> {
    let Classes(classes) = json::parse(bytes)?;
    let mut records = Vec::new();
    for (class, images) in classes {
        for image in images {
            let sentences = [image.raw, image.raw_1, image.raw_2, image.raw_3, image.raw_4]
                .into_iter()
                .flatten()
                .map(|raw| Sentence { tokens: None, raw: Some(raw) })
                .collect();
            records.push(Record {
                id: image.imgid.as_ref().and_then(Id::number).unwrap_or(records.len() as u64),
                given_id: image.imgid.map(|Id(id)| id),
                file_name: image.filename,
                folder: Some(class.clone()),
                split: image.split,
                class: Some(class.clone()),
                sentences,
            });
        }
    }
    Ok(CaptionFile { format: Format::Nwpu, name: None, records })
}

#[cfg(test)]
mod tests {
    use super::super::parse_captions;
    use super::*;

    #[test]
    fn the_key_is_class_and_folder_and_all_five_sentences_are_read() {
        let file = parse_captions(
            br#"{"beach":[{"filename":"beach_1.jpg","imgid":3,"split":"val","raw":"a .","sentids":0,"raw_1":"b .",
                "raw_2":"c .","raw_3":"d .","raw_4":"e ."}],"lake":[]}"#,
        )
        .unwrap();
        assert_eq!(file.format, Format::Nwpu);
        let record = &file.records[0];
        assert_eq!((record.folder.as_deref(), record.class.as_deref()), (Some("beach"), Some("beach")));
        assert_eq!(record.sentences.len(), 5);
        assert_eq!(record.sentences[4].raw.as_deref(), Some("e ."));
    }
}
