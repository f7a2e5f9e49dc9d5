//! Which caption files a dataset has, and their content.

use crate::{CaptionFile, Split, parse_captions};
use anyhow::{Context, Result, anyhow, bail};
use rsic_util::fs::read_file;
use rsic_util::walk;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The caption file of a dataset folder of which nothing else is said.
pub const DEFAULT: &str = "dataset.json";

/// Caption files, parsed and put together.
pub struct Files {
    pub paths: Vec<PathBuf>,
    /// SHA-256 over the bytes of the files.
    pub sha256: String,
    pub file: CaptionFile,
}

/// Reads one caption file, or several of one dataset (COCO captions: one file a split). Where records name no split,
/// the file's name tells it: `captions_train2017.json`, `val.csv`.
pub fn read(paths: Vec<PathBuf>) -> Result<Files> {
    let mut hasher = Sha256::new();
    let mut whole: Option<CaptionFile> = None;
    for path in &paths {
        let bytes = read_file(path)?;
        hasher.update(&bytes);
        let mut part = parse_captions(&bytes).map_err(|error| locate(path, &error))?;
        if let Some(split) = split_of_name(path).filter(|_| part.records.iter().all(|record| record.split.is_none())) {
            part.records.iter_mut().for_each(|record| record.split = Some(split));
        }
        match &mut whole {
            None => whole = Some(part),
            Some(whole) if whole.format == part.format => whole.records.extend(part.records),
            Some(whole) => bail!(
                "'{}' is {} but the previous files are {}; name one caption file (in an experiment: data.captions)",
                path.display(),
                part.format.name(),
                whole.format.name()
            ),
        }
    }
    let file = whole.context("there is no caption file to read")?;
    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Files { paths, sha256, file })
}

/// `FILE:LINE:COLUMN: ..` where the error begins with a place, else `FILE: ..`.
fn locate(path: &Path, error: &anyhow::Error) -> anyhow::Error {
    let text = format!("{error:#}");
    let space = if text.starts_with(|c: char| c.is_ascii_digit()) { "" } else { " " };
    anyhow!("{}:{space}{text}", path.display())
}

/// The names of files for a message.
pub fn display(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

/// The split in a file name: one of its words (runs of letters) is a split's name.
fn split_of_name(path: &Path) -> Option<Split> {
    let stem = path.file_stem()?.to_str()?;
    let mut found = stem.split(|c: char| !c.is_alphabetic()).filter_map(|word| word.parse().ok());
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// The caption files of a dataset folder: `captions` inside it, all files of it where it is a folder (COCO captions),
/// or where the [`DEFAULT`] is absent the only caption file in `root`.
pub fn find(root: &Path, captions: &Path) -> Result<Vec<PathBuf>> {
    if !root.is_dir() {
        let what = if root.exists() { "is not a folder" } else { "does not exist" };
        bail!("the dataset folder '{}' {what}; put the dataset there or change data.root", root.display());
    }
    let path = root.join(captions);
    if path.is_dir() {
        let mut files = caption_files(&path)?;
        if files.iter().any(|file| begins_with(file, "captions")) {
            files.retain(|file| begins_with(file, "captions")); // beside MS-COCO's instances_*.json
        }
        if files.is_empty() {
            bail!("the folder '{}' has no caption file (.json, .jsonl, .csv, .tsv)", path.display());
        }
        return Ok(files);
    }
    if path.exists() {
        return Ok(vec![path]);
    }
    let mut candidates = caption_files(root)?;
    if captions == Path::new(DEFAULT) {
        if candidates.len() > 1 && candidates.iter().any(|file| begins_with(file, "dataset")) {
            candidates.retain(|file| begins_with(file, "dataset"));
        }
        if candidates.len() == 1 {
            return Ok(candidates);
        }
    }
    let names: Vec<_> = candidates.iter().filter_map(|file| file.file_name()?.to_str()).take(8).collect();
    let found = if names.is_empty() { "no caption file".into() } else { names.join(", ") };
    bail!(
        "caption file '{}' does not exist; the folder has {found}; name one of them (in an experiment: data.captions)",
        path.display()
    )
}

fn begins_with(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().starts_with(start))
}

/// Files of a folder that may be caption files, sorted by name.
fn caption_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = walk::entries(folder).with_context(|| format!("cannot list the folder '{}'", folder.display()))?;
    files.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ["json", "jsonl", "csv", "tsv"].contains(&extension.to_ascii_lowercase().as_str()) && path.is_file()
    });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_its_split_when_one_word_of_it_does() {
        let split = |name: &str| split_of_name(Path::new(name));
        assert_eq!(split("captions_train2017.json"), Some(Split::Train));
        assert_eq!(split("a/Val.csv"), Some(Split::Val));
        assert_eq!(split("dataset.json"), None);
        assert_eq!(split("train_val.json"), None);
        assert_eq!(split("contest.json"), None);
    }
}
