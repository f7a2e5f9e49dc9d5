//! CSV and TSV: a column of images and one of captions, named in the first line.

use super::record::{CAPTION_KEYS, IMAGE_KEYS};
use super::{Captions, Separator};
use anyhow::{Result, anyhow, bail};
use serde_json::Value;

/// Adds the captions of every row. The first column of each kind counts, in the order of the keys.
pub(super) fn add(captions: &mut Captions, text: &str, separator: Separator) -> Result<()> {
    let delimiter = match separator {
        Separator::Comma => b',',
        Separator::Tab => b'\t',
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| anyhow!("{error}"))?.clone();
    let find = |keys: &[&str]| {
        keys.iter().find_map(|key| header.iter().position(|name| name.trim().eq_ignore_ascii_case(key)))
    };
    let (Some(image), Some(caption)) = (find(&IMAGE_KEYS), find(&CAPTION_KEYS)) else {
        bail!(
            "its first line must name the columns, such as image_id and caption; if each line is a caption, give it a \
             name that ends in .txt"
        );
    };
    for row in reader.records() {
        let row = row.map_err(|error| anyhow!("{error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let (Some(id), Some(text)) = (row.get(image), row.get(caption)) else {
            bail!("line {line}: expected {} columns, found {}", header.len(), row.len());
        };
        captions.add(Value::from(id), [text.to_owned()]);
    }
    Ok(())
}
