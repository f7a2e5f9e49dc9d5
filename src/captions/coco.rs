//! COCO captions JSON: `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`.
//!
//! One file is usually one split and does not name it; a `split` key at an image is read where it is there.

use super::values::{Id, Texts};
use super::{CaptionFile, Format, Record, Sentence, Split, json};
use anyhow::{Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(expecting = "an object with 'images' and 'annotations'")]
struct Document {
    info: Option<Info>,
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Info {
    dataset: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an image with id and file_name")]
struct Image {
    id: Id,
    #[serde(alias = "filename")]
    file_name: String,
    #[serde(default, deserialize_with = "json::split_name")]
    split: Option<Split>,
    class: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an annotation with image_id and caption")]
struct Annotation {
    image_id: Id,
    caption: Texts,
}

pub(super) fn parse(bytes: &[u8]) -> Result<CaptionFile> {
    let document: Document = json::parse(bytes)?;
    let mut position = BTreeMap::new();
    let mut records = Vec::with_capacity(document.images.len());
    for image in document.images {
        let id = image.id.number().unwrap_or(records.len() as u64);
        if let Some(at) = position.insert(image.id.clone(), records.len()) {
            let Id(id) = image.id;
            let first = records.get(at).map_or("", |record: &Record| record.file_name.as_str());
            if first != image.file_name {
                bail!("two entries of 'images' have the id {id}; ids must be unique");
            }
            position.insert(Id(id), at);
            continue;
        }
        records.push(Record {
            id,
            given_id: Some(image.id.0),
            file_name: image.file_name,
            split: image.split,
            class: image.class,
            ..Record::default()
        });
    }
    for (number, annotation) in document.annotations.into_iter().enumerate() {
        let record = position.get(&annotation.image_id).and_then(|&at| records.get_mut(at));
        let Some(record) = record else {
            bail!("annotation {number} belongs to image_id {}, which 'images' does not have", annotation.image_id.0);
        };
        let Texts(captions) = annotation.caption;
        record.sentences.extend(captions.into_iter().map(|raw| Sentence { tokens: None, raw: Some(raw) }));
    }
    Ok(CaptionFile { format: Format::Coco, name: document.info.and_then(|info| info.dataset), records })
}

#[cfg(test)]
mod tests {
    use super::super::parse_captions;
    use super::*;

    const FILE: &str = r#"{"info":{},"images":[{"id":5,"file_name":"b.jpg"},{"id":2,"file_name":"a.jpg"}],
        "annotations":[{"image_id":2,"caption":"one","id":1},{"image_id":5,"caption":"two"},{"image_id":2,"caption":"three"}]}"#;

    #[test]
    fn captions_go_to_their_images_in_file_order() {
        let file = parse_captions(FILE.as_bytes()).unwrap();
        assert_eq!(file.format, Format::Coco);
        assert_eq!(file.records[0].file_name, "b.jpg");
        let raw: Vec<_> = file.records[1].sentences.iter().filter_map(|s| s.raw.as_deref()).collect();
        assert_eq!(raw, ["one", "three"]);
    }

    #[test]
    fn a_caption_without_its_image_is_an_error() {
        let error = parse_captions(FILE.replace("\"image_id\":5", "\"image_id\":9").as_bytes()).unwrap_err();
        assert!(error.to_string().contains("image_id 9"), "{error}");
    }
}
