//! Looking for faults in a dataset: captions, images, splits.

use super::overlap::Overlap;
use super::published::Published;
use super::{Dataset, ImageEntry, Split, image, locate};
use crate::data::DataConfig;
use crate::util::fs::sha256;
use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// What was looked at and what is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub name: String,
    /// The published dataset that it was compared with.
    pub published: Option<Published>,
    /// Images of the caption file by split.
    pub splits: BTreeMap<Split, usize>,
    /// Images that were decoded without a fault.
    pub decoded: usize,
    pub faults: Vec<Found>,
    /// What is worth knowing but no fault.
    pub notes: Vec<String>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub kind: FindingKind,
    pub message: String,
}

/// Kinds of faults, in the order in which they are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    Counts,
    EmptyCaption,
    NoCaption,
    DuplicateName,
    MissingImage,
    UnreadableImage,
    DuplicateImage,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counts => "counts",
            Self::EmptyCaption => "empty caption",
            Self::NoCaption => "no caption",
            Self::DuplicateName => "name twice",
            Self::MissingImage => "missing image",
            Self::UnreadableImage => "unreadable image",
            Self::DuplicateImage => "same image in two splits",
        })
    }
}

impl Report {
    fn fault(&mut self, kind: FindingKind, message: String) {
        self.faults.push(Found { kind, message });
    }

    /// Faults by kind.
    pub fn summary(&self) -> BTreeMap<FindingKind, usize> {
        let mut summary = BTreeMap::new();
        for fault in &self.faults {
            *summary.entry(fault.kind).or_default() += 1;
        }
        summary
    }
}

/// Checks a dataset; all images are decoded, on all cores. `progress` is told the number of images to decode once, then
/// called after each.
pub fn verify(config: &DataConfig, progress: &(dyn Fn(VerifyProgress) + Sync)) -> Result<Report> {
    let dataset = Dataset::survey(config)?;
    let mut report = Report {
        name: dataset.name.clone(),
        published: Published::of(&dataset).copied(),
        splits: Split::ALL.map(|split| (split, dataset.split(split).len())).into(),
        decoded: 0,
        faults: Vec::new(),
        notes: Vec::new(),
    };
    if !dataset.splits_given {
        let rule = &config.split;
        report.notes.push(format!(
            "the caption file has no splits; images are split at random with seed {}: {} train, {} val, the rest test",
            rule.seed, rule.train, rule.val
        ));
    }
    let overlap = Overlap::of(&dataset, Split::Test).filter(|overlap| overlap.any > 0);
    report.notes.extend(overlap.map(|overlap| overlap.sentence(Split::Test)));
    counts(&dataset, &mut report);
    captions(&dataset, &mut report);
    names(&dataset, &mut report);
    let present = missing(&dataset, &mut report);
    images(&present, &mut report, progress);
    report.faults.sort_by_key(|fault| fault.kind); // stable: file order within a kind
    Ok(report)
}

/// How far [`verify`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyProgress {
    Total(usize),
    OneMore,
}

/// Compares with the published counts, where the name says which.
fn counts(dataset: &Dataset, report: &mut Report) {
    let Some(published) = report.published else { return };
    let found = Split::ALL.map(|split| dataset.split(split).len());
    let expected = Split::ALL.map(|split| published.images(split));
    if found != expected {
        let list = |counts: [usize; 3]| format!("{} train, {} val, {} test", counts[0], counts[1], counts[2]);
        let message = format!(
            "the caption file has {} images ({}); {} has {} ({})",
            dataset.images.len(),
            list(found),
            published.name,
            published.total(),
            list(expected)
        );
        report.fault(FindingKind::Counts, message);
    }
    for image in &dataset.images {
        let empty = dataset.empty_captions.iter().filter(|name| **name == image.file_name).count();
        let count = image.captions.len() + empty;
        if count != published.captions_per_image {
            let message = format!("'{}' has {count} captions, not {}", image.file_name, published.captions_per_image);
            report.fault(FindingKind::Counts, message);
        }
    }
}

fn captions(dataset: &Dataset, report: &mut Report) {
    let known = report.published.map_or(&[][..], |published| published.empty_captions);
    for name in &dataset.empty_captions {
        if known.contains(&name.as_str()) {
            report.notes.push(format!("'{name}' has an empty caption, as in the published file; it is dropped"));
        } else {
            report.fault(FindingKind::EmptyCaption, format!("'{name}' has an empty caption"));
        }
    }
    for image in dataset.images.iter().filter(|image| image.captions.is_empty()) {
        report.fault(FindingKind::NoCaption, format!("'{}' ({}) has no caption", image.file_name, image.split));
    }
}

fn names(dataset: &Dataset, report: &mut Report) {
    for name in &dataset.repeated {
        let message = format!("'{name}' is in the caption file more than once; all its captions count as one image's");
        report.fault(FindingKind::DuplicateName, message);
    }
    // By the place where the image is expected: classes may use the same names in folders of their own.
    let mut seen: BTreeMap<&Path, &ImageEntry> = BTreeMap::new();
    for image in &dataset.images {
        if let Some(first) = seen.get(image.path.as_path()) {
            let message = if first.split == image.split {
                format!("'{}' is in the caption file twice, both in {}", image.file_name, image.split)
            } else {
                format!("'{}' is in two splits, {} and {}", image.file_name, first.split, image.split)
            };
            report.fault(FindingKind::DuplicateName, message);
        } else {
            seen.insert(&image.path, image);
        }
    }
}

/// Reports absent and empty images, and gives the others.
fn missing<'a>(dataset: &'a Dataset, report: &mut Report) -> Vec<&'a ImageEntry> {
    let faults: BTreeMap<&str, locate::Fault> = dataset
        .skipped
        .iter()
        .filter(|skipped| skipped.fault != locate::Fault::NoCaption)
        .map(|skipped| (skipped.file_name.as_str(), skipped.fault))
        .collect();
    let present = |image: &&ImageEntry| image.path.metadata().is_ok_and(|metadata| metadata.len() > 0);
    let present: Vec<&ImageEntry> = dataset.images.iter().filter(present).collect();
    if present.is_empty() && faults.values().all(|fault| *fault == locate::Fault::Absent) {
        let message = format!(
            "none of the {} images is in '{}'; put them there or give their folder with --images",
            dataset.images.len(),
            dataset.images_dir.display()
        );
        report.fault(FindingKind::MissingImage, message);
        return present;
    }
    let known = report.published.map_or(&[][..], |published| published.absent);
    for skipped in dataset.skipped.iter().filter(|skipped| skipped.fault != locate::Fault::NoCaption) {
        let message = format!("'{}' ({}) {}", skipped.file_name, skipped.split, skipped.fault);
        if known.contains(&skipped.file_name.as_str()) {
            report.notes.push(format!("{message}, as in the published archive; it is skipped"));
        } else {
            report.fault(FindingKind::MissingImage, message);
        }
    }
    present
}

/// Decodes every image and compares the bytes of the files.
fn images(present: &[&ImageEntry], report: &mut Report, progress: &(dyn Fn(VerifyProgress) + Sync)) {
    progress(VerifyProgress::Total(present.len()));
    let checked: Vec<(Option<String>, Option<String>)> = present
        .par_iter()
        .map(|entry| {
            let outcome = match std::fs::read(&entry.path) {
                Err(error) => (None, Some(format!("cannot be read: {error}"))),
                Ok(bytes) => (Some(sha256(&bytes)), image::decode(&bytes).err().map(|error| error.to_string())),
            };
            progress(VerifyProgress::OneMore);
            outcome
        })
        .collect();
    let mut by_hash: BTreeMap<&str, Vec<&ImageEntry>> = BTreeMap::new();
    for (entry, (hash, fault)) in present.iter().zip(&checked) {
        match fault {
            Some(fault) => {
                report.fault(
                    FindingKind::UnreadableImage,
                    format!("'{}' ({}) {fault}", entry.path.display(), entry.split),
                );
            }
            None => report.decoded += 1,
        }
        if let Some(hash) = hash {
            by_hash.entry(hash).or_default().push(entry);
        }
    }
    let mut same: Vec<Vec<&ImageEntry>> = by_hash.into_values().filter(|group| group.len() > 1).collect();
    same.sort_by_key(|group| group.first().map(|entry| (entry.id, &entry.path)));
    for group in same {
        let files: Vec<String> = group.iter().map(|entry| format!("'{}' ({})", entry.file_name, entry.split)).collect();
        let message = format!("{} are identical files", files.join(" and "));
        if group.iter().any(|entry| Some(entry.split) != group.first().map(|first| first.split)) {
            report.fault(FindingKind::DuplicateImage, message);
        } else {
            report.notes.push(message);
        }
    }
}
