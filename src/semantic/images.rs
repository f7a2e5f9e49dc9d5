//! The images of captions: found in a folder, and prepared as CLIP's are.

use crate::data::image::{Filter, decode_file, resize_by};
use crate::data::is_image_name;
use crate::util::fs::read_text;
use crate::util::json::without_nan;
use crate::util::walk;
use ::image::{RgbImage, imageops};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Keys under which files of captions have an image's id, and its file.
const IDS: [&str; 4] = ["imgid", "image_id", "id", "image"];
const FILES: [&str; 4] = ["file_name", "filename", "file", "path"];

/// The images below a folder, by name, and the names that files of captions give to ids.
#[derive(Debug)]
pub struct ImageFiles {
    folder: PathBuf,
    names: BTreeMap<String, PathBuf>,
    stems: BTreeMap<String, PathBuf>,
    ids: BTreeMap<String, String>,
}

impl ImageFiles {
    /// The images below `folder`; `captions` are files that may say which image an id means.
    pub fn new(folder: &Path, captions: &[&Path]) -> Result<Self> {
        let files = walk::files(folder, |_| true);
        let files = files.with_context(|| format!("cannot read the image folder '{}'", folder.display()))?;
        let (mut names, mut stems) = (BTreeMap::new(), BTreeMap::new());
        for path in files.into_iter().filter(|path| is_image_name(path)) {
            let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
            names.entry(part(path.file_name())).or_insert_with(|| path.clone());
            stems.entry(part(path.file_stem())).or_insert(path);
        }
        let mut ids = BTreeMap::new();
        for path in captions {
            // What is no JSON names no files.
            let text = read_text(path)?;
            let text = without_nan(text.trim_start_matches('\u{FEFF}'));
            for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>().map_while(Result::ok) {
                named(&value, &mut ids);
            }
        }
        Ok(Self { folder: folder.to_owned(), names, stems, ids })
    }

    /// The image of an id: the file that the captions' files name; else, of ids that are text, the file of that name or
    /// stem. A number alone is no name: datasets count their images in one way and name them in another.
    pub fn find(&self, id: &Value) -> Result<&Path> {
        let text = crate::eval::readers::plain(id);
        let name = match self.ids.get(&text) {
            Some(name) => name,
            None if id.is_string() => &text,
            None => bail!(
                "neither the captions nor the references say which file image {text} is; use references with file \
                 names, or file names as ids"
            ),
        };
        let path = Path::new(name);
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let found = self.names.get(&part(path.file_name()));
        let found = found.or_else(|| self.stems.get(&part(path.file_stem())));
        found
            .map(PathBuf::as_path)
            .with_context(|| format!("there is no image '{name}' in '{}'", self.folder.display()))
    }
}

/// Collects the ids and file names of every object, however deep: of records, `images` of COCO and Karpathy.
fn named(value: &Value, ids: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| named(value, ids)),
        Value::Object(object) => {
            let id = IDS.iter().find_map(|key| object.get(*key)).filter(|id| id.is_number() || id.is_string());
            let file = FILES.iter().find_map(|key| object.get(*key)?.as_str());
            match (id, file) {
                (Some(id), Some(file)) => {
                    ids.entry(crate::eval::readers::plain(id)).or_insert_with(|| file.to_owned());
                }
                _ => object.values().filter(|value| value.is_array()).for_each(|value| named(value, ids)),
            }
        }
        _ => {}
    }
}

/// An image file as CLIP takes it: the shorter side to `size` by Pillow's bicubic filter, then the square in the
/// middle. Bytes by row, column, then red, green, blue.
pub fn prepare(path: &Path, size: u32) -> Result<Vec<u8>> {
    let image = decode_file(path)?;
    let (width, height) = image.dimensions();
    let short = width.min(height).max(1);
    let side = |side: u32| (u64::from(size) * u64::from(side) / u64::from(short)) as u32;
    let (width, height) = (side(width), side(height));
    let context = || format!("cannot resize '{}'", path.display());
    let pixels = resize_by(&image, width, height, Filter::Bicubic).with_context(context)?;
    let mut whole = RgbImage::from_raw(width, height, pixels).with_context(context)?;
    let margin = |side: u32| (f64::from(side - size) / 2.0).round_ties_even() as u32;
    Ok(imageops::crop(&mut whole, margin(width), margin(height), size, size).to_image().into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_lead_to_files_by_what_the_captions_say_and_numbers_alone_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("airport")).unwrap();
        for name in ["1.tif", "2.tif", "airport/airport_7.jpg"] {
            std::fs::write(path(name), "x").unwrap();
        }
        std::fs::write(
            path("karpathy.json"),
            r#"{"images": [{"imgid": 0, "filename": "1.tif", "sentences": [{"raw": "a", "imgid": 0}]}]}"#,
        )
        .unwrap();
        std::fs::write(path("lines.jsonl"), "{\"image_id\": 5, \"file\": \"x/2.tif\", \"caption\": \"a\"}\n").unwrap();
        let (karpathy, lines) = (path("karpathy.json"), path("lines.jsonl"));
        let files = ImageFiles::new(folder.path(), &[&karpathy, &lines]).unwrap();
        let found = |id: Value| files.find(&id).map(Path::to_owned);
        assert_eq!(found(json!(0)).unwrap(), path("1.tif"));
        assert_eq!(found(json!(5)).unwrap(), path("2.tif"));
        assert_eq!(found(json!("2.png")).unwrap(), path("2.tif"));
        assert_eq!(found(json!("airport_7")).unwrap(), path("airport/airport_7.jpg"));
        assert!(found(json!(1)).unwrap_err().to_string().contains("say which file image 1 is"));
        assert!(found(json!("3")).unwrap_err().to_string().contains("there is no image '3'"));
    }
}
