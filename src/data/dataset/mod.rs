//! A dataset as the rest of the program sees it: images on disk with their split, class and captions.

use super::captions::{self, CaptionFile, Record};
use super::locate::{Fault, Locator};
use super::{Split, split, words};
use crate::data::{DataConfig, MissingPolicy};
use crate::util::fs::sha256;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Captions and images of one dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What the caption file calls itself, else the name of the folder.
    pub name: String,
    /// The caption file, or the files of a COCO folder.
    pub caption_files: Vec<PathBuf>,
    /// SHA-256 over the bytes of the caption files.
    pub captions_sha256: String,
    /// Folder below which the images lie.
    pub images_dir: PathBuf,
    /// The images that are used, in the order of the file.
    pub images: Vec<ImageEntry>,
    /// The images of the file that are not used.
    pub skipped: Vec<Skipped>,
    /// File name of each image once for every caption without a word (those captions are dropped).
    pub empty_captions: Vec<String>,
    /// File name of each entry of the file whose image an earlier entry has: its captions count there.
    pub repeated: Vec<String>,
    /// Whether the file names the splits; else they are drawn by `data.split`.
    pub splits_given: bool,
}

/// One image with its captions.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageEntry {
    /// The file's number of the image; the position in the file where it gives none, or the same one twice.
    pub id: u64,
    /// As written in the caption file.
    pub file_name: String,
    /// The file on disk: of this name, or of the same stem with another image extension.
    pub path: PathBuf,
    pub split: Split,
    pub class: Option<String>,
    pub captions: Vec<Caption>,
}

/// One reference caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Caption {
    /// Its words by the vocabulary's rules; never none.
    pub words: Vec<String>,
    /// What the scorers get: the chosen field as it stands in the file.
    pub text: String,
}

/// An image of the caption file that is not used.
#[derive(Debug, Clone, PartialEq)]
pub struct Skipped {
    pub file_name: String,
    pub split: Split,
    pub fault: Fault,
}

impl Dataset {
    /// Reads captions and finds the images. Absent and empty images are skipped and counted, or an error, as
    /// `config.missing` says; a dataset without any image is an error.
    pub fn load(config: &DataConfig) -> Result<Self> {
        let (mut dataset, faults) = Self::find_images(config)?;
        let mut faults = faults.into_iter();
        dataset.images.retain(|_| faults.next().is_none_or(|fault| fault.is_none()));
        dataset.judge_skipped(config)?;
        Ok(dataset)
    }

    /// Like [`Self::load`], but all images of the file stay in `images`, whether they are usable or not: `skipped`
    /// names those that are not, and their path is where they are expected. For statistics and checks.
    pub fn survey(config: &DataConfig) -> Result<Self> {
        Ok(Self::find_images(config)?.0)
    }

    /// Reads captions alone: every image of the file is listed, with the path where it is expected.
    pub fn load_captions(config: &DataConfig) -> Result<Self> {
        Ok(Self::read(config)?.0)
    }

    /// Indices of the images of a split, in the order of the file.
    pub fn split(&self, split: Split) -> Vec<usize> {
        self.images.iter().enumerate().filter(|(_, image)| image.split == split).map(|(i, _)| i).collect()
    }

    /// Hash of everything a run takes from the captions: names, splits and words of the images in use.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        for image in &self.images {
            text += &format!("{}\t{}\t{}\n", image.id, image.file_name, image.split);
            for caption in &image.captions {
                text += &format!("\t{}\t{}\n", caption.words.join(" "), caption.text);
            }
        }
        sha256(text.as_bytes())
    }

    /// All images of the file, and for each why it is not usable.
    fn find_images(config: &DataConfig) -> Result<(Self, Vec<Option<Fault>>)> {
        let (mut dataset, records) = Self::read(config)?;
        let mut locator = Locator::new(&dataset.images_dir);
        let mut faults = Vec::with_capacity(records.len());
        for (image, record) in dataset.images.iter_mut().zip(&records) {
            let fault = match locator.find(record.folder.as_deref(), &record.file_name)? {
                Ok(path) => {
                    image.path = path;
                    image.captions.is_empty().then_some(Fault::NoCaption)
                }
                Err(fault) => Some(fault),
            };
            if let Some(fault) = fault {
                let file_name = image.file_name.clone();
                dataset.skipped.push(Skipped { file_name, split: image.split, fault });
            }
            faults.push(fault);
        }
        Ok((dataset, faults))
    }

    fn read(config: &DataConfig) -> Result<(Self, Vec<Record>)> {
        let captions::Files { paths, sha256, file } = captions::read(captions::find(&config.root, &config.captions)?)?;
        let CaptionFile { name, mut records, .. } = file;
        let repeated = captions::join(&mut records);
        let splits_given = settle_splits(&mut records, config, &paths)?;
        keep_first(&mut records, config.limit);
        settle_ids(&mut records);
        let classes = classes(&records);
        let images_dir = images_dir(config, &records)?;
        let locator = Locator::new(&images_dir);
        let mut empty_captions = Vec::new();
        let mut images = Vec::with_capacity(records.len());
        for (record, class) in records.iter().zip(classes) {
            let mut captions = Vec::with_capacity(record.sentences.len());
            for sentence in &record.sentences {
                let words = words::words(sentence, config.text, &config.vocabulary);
                if words.is_empty() {
                    empty_captions.push(record.file_name.clone());
                } else {
                    captions.push(Caption { words, text: words::text(sentence, config.text) });
                }
            }
            images.push(ImageEntry {
                id: record.id,
                file_name: record.file_name.clone(),
                path: locator.expected(record.folder.as_deref(), &record.file_name),
                split: record.split.unwrap_or(Split::Train),
                class,
                captions,
            });
        }
        let name = name.or_else(|| folder_name(&config.root)).unwrap_or_else(|| "dataset".into());
        let dataset = Self {
            name,
            caption_files: paths,
            captions_sha256: sha256,
            images_dir,
            images,
            skipped: Vec::new(),
            empty_captions,
            repeated,
            splits_given,
        };
        Ok((dataset, records))
    }

    fn judge_skipped(&self, config: &DataConfig) -> Result<()> {
        if self.skipped.is_empty() {
            return Ok(());
        }
        let all = self.images.len() + self.skipped.len();
        let examples: Vec<String> =
            self.skipped.iter().take(3).map(|skipped| format!("'{}' {}", skipped.file_name, skipped.fault)).collect();
        let examples = examples.join(", ");
        let place = self.images_dir.display();
        if self.images.is_empty() {
            bail!(
                "none of the {all} images of the caption file is usable in '{place}' ({examples}); put the images \
                there or set data.images"
            );
        }
        let count = self.skipped.len();
        if config.missing == MissingPolicy::Fail {
            bail!(
                "{count} of {all} images are not usable in '{place}': {examples}{}; add them, or skip them with \
                 data.missing=skip",
                if count > 3 { ", ..." } else { "" }
            );
        }
        tracing::warn!(
            "skipping {count} of {all} images of '{place}': {examples}{}",
            if count > 3 { ", ..." } else { "" }
        );
        Ok(())
    }
}

fn folder_name(root: &Path) -> Option<String> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(root).or_else(|| name(&root.canonicalize().ok()?))
}

/// Keeps at most `limit` images of each split.
fn keep_first(records: &mut Vec<Record>, limit: Option<usize>) {
    let mut seen = BTreeMap::<Option<Split>, usize>::new();
    records.retain(|record| {
        let count = seen.entry(record.split).or_default();
        *count += 1;
        limit.is_none_or(|limit| *count <= limit)
    });
}

/// Splits of the file, or drawn by the rule where it has none at all; says which it was.
fn settle_splits(records: &mut [Record], config: &DataConfig, paths: &[PathBuf]) -> Result<bool> {
    let without = records.iter().filter(|record| record.split.is_none()).count();
    if without == 0 {
        return Ok(true);
    }
    if without < records.len() {
        let first = records.iter().find(|record| record.split.is_none()).map_or("", |record| record.file_name.as_str());
        bail!(
            "{}: {without} of {} images have no split, e.g. '{first}'; give all images a split (train, val or test) or \
            none",
            captions::display(paths),
            records.len()
        );
    }
    let names: Vec<&str> = records.iter().map(|record| record.file_name.as_str()).collect();
    let splits = split::assign(&names, &config.split);
    for (record, split) in records.iter_mut().zip(splits) {
        record.split = Some(split);
    }
    Ok(false)
}

/// Numbers the images by position where the file has the same id twice.
fn settle_ids(records: &mut [Record]) {
    let distinct: BTreeSet<u64> = records.iter().map(|record| record.id).collect();
    if distinct.len() < records.len() {
        for (position, record) in records.iter_mut().enumerate() {
            record.id = position as u64;
        }
    }
}

/// Class of each image: the file's own, else the folder's name, else the name before `_NUMBER` (`airport_61.jpg`) where
/// that tells at least two classes apart.
fn classes(records: &[Record]) -> Vec<Option<String>> {
    let by_name: Vec<Option<&str>> = records.iter().map(|record| class_of_name(&record.file_name)).collect();
    let distinct: BTreeSet<&str> = by_name.iter().flatten().copied().collect();
    let names_tell = distinct.len() >= 2;
    let class = |(record, by_name): (&Record, Option<&str>)| {
        let given = record.class.as_deref().map(str::trim).filter(|class| !class.is_empty());
        let class = given.or_else(|| class_of_folder(record)).or(by_name.filter(|_| names_tell));
        class.map(str::to_owned)
    };
    records.iter().zip(by_name).map(class).collect()
}

fn class_of_folder(record: &Record) -> Option<&str> {
    let in_name = Path::new(&record.file_name).parent().and_then(Path::file_name);
    let folder = in_name.or_else(|| Path::new(record.folder.as_deref()?).file_name())?.to_str()?;
    let generic = folder.parse::<Split>().is_ok() || ["imgs", "images"].contains(&folder);
    (!generic && is_class_name(folder)).then_some(folder)
}

fn class_of_name(file_name: &str) -> Option<&str> {
    let (class, number) = Path::new(file_name).file_stem()?.to_str()?.rsplit_once('_')?;
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && is_class_name(class)).then_some(class)
}

/// Letters with `_` or `-` between: `COCO_val2014` is none.
fn is_class_name(name: &str) -> bool {
    name.contains(char::is_alphabetic) && name.chars().all(|c| c.is_alphabetic() || "_- ".contains(c))
}

/// The image folder that is set, else of `imgs`, `images` and the root the one that holds most of the images.
fn images_dir(config: &DataConfig, records: &[Record]) -> Result<PathBuf> {
    if let Some(images) = &config.images {
        let folder = config.root.join(images);
        if !folder.is_dir() {
            bail!("the image folder '{}' does not exist; correct data.images or create it", folder.display());
        }
        return Ok(folder);
    }
    let mut best = (0, config.root.join("imgs"));
    for name in ["imgs", "images", ""] {
        let folder = if name.is_empty() { config.root.clone() } else { config.root.join(name) };
        if !folder.is_dir() {
            continue;
        }
        let mut locator = Locator::new(&folder);
        let mut count = 0;
        for record in records {
            let file = locator.find(record.folder.as_deref(), &record.file_name)?;
            count += usize::from(file != Err(Fault::Absent));
        }
        if count > best.0 {
            best = (count, folder);
        }
        if count == records.len() {
            break;
        }
    }
    Ok(best.1)
}
