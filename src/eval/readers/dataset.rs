//! A dataset's own captions as references.

use super::Captions;
use anyhow::{Context, Result, anyhow, bail};
use rsic_captions::{CaptionFile, Sentence};
use serde_json::Value;
use std::collections::BTreeSet;

/// Rows of images and captions, in columns that the first line names, or of Flickr8k's form.
pub(super) fn table(text: &str) -> Result<Captions> {
    let first = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
    if !rsic_captions::is_flickr(first) && !rsic_captions::names_columns(first) {
        bail!(
            "its first line must name the columns, such as image_id and caption; if each line is a caption, give it a \
             name that ends in .txt"
        );
    }
    let numbered = |error: anyhow::Error| match error.to_string() {
        fault if fault.starts_with(|c: char| c.is_ascii_digit()) => anyhow!("line {fault}"),
        fault => anyhow!(fault),
    };
    captions(rsic_captions::parse_captions(text.as_bytes()).map_err(numbered)?)
}

/// The captions of a dataset, raw where there is raw text: by the file's ids where they are different, else by the
/// images' names.
pub(super) fn captions(file: CaptionFile) -> Result<Captions> {
    let mut records = file.records;
    rsic_captions::join(&mut records);
    let ids = || records.iter().filter_map(|record| record.given_id.as_ref());
    let numbered = ids().collect::<BTreeSet<_>>().len() == ids().count();
    let mut captions = Captions::default();
    for record in records {
        let file = match record.folder {
            Some(folder) => format!("{folder}/{}", record.file_name),
            None => record.file_name,
        };
        let id = record.given_id.filter(|_| numbered).unwrap_or_else(|| file.clone());
        let texts: Option<Vec<String>> = record.sentences.into_iter().map(text).collect();
        let texts = texts.with_context(|| format!("image '{id}' has no 'raw' or 'tokens' in a sentence"))?;
        let place = captions.add(Value::String(id), texts);
        captions.describe(place, Some(file), record.split);
    }
    Ok(captions)
}

/// The raw text, else the tokens with spaces between.
fn text(sentence: Sentence) -> Option<String> {
    sentence.raw.or_else(|| Some(sentence.tokens?.join(" ")))
}
