//! Which images are scored: those of both files, and whether these are all.

use super::ScoreArgs;
use anyhow::{Result, bail};
use rsic_metrics::protocol::Smoothing;
use rsic_metrics::readers::{self, Captions, Item, Matching, Together, plain};
use rsic_metrics::{MetricSet, Protocol, Signature, Split, Tables};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Images that a message names.
const NAMED: usize = 3;

/// Both sides, read.
pub(super) struct Files {
    pub(super) hypotheses: Captions,
    pub(super) references: Captions,
}

impl Files {
    /// Reads two files at once, or one that holds both.
    pub(super) fn read(args: &ScoreArgs) -> Result<Self> {
        let split = args.split.as_deref().map(str::parse::<Split>).transpose()?;
        let (hypotheses, references) = if args.references.is_empty() {
            let Together { hypotheses, references, keys } = readers::read_together(&args.hypotheses)?;
            tracing::info!("captions under '{}', references under '{}'", keys.0, keys.1);
            (hypotheses, references)
        } else {
            let (hypotheses, references) = rayon::join(
                || readers::read_hypotheses(&args.hypotheses),
                || readers::read_references(&args.references),
            );
            (hypotheses?, references?)
        };
        let references = match split {
            Some(split) => references.only(split)?,
            None => references,
        };
        Ok(Self { hypotheses, references })
    }
}

/// Another system's captions.
pub(super) fn read_second(path: &Path) -> Result<Captions> {
    readers::read_hypotheses(path)
}

/// The images that are scored, in the order of the hypotheses.
pub(super) struct Pairs<'c> {
    pub(super) ids: Vec<&'c Value>,
    pub(super) captions: Vec<&'c String>,
    pub(super) groups: Vec<&'c [String]>,
    /// How images were matched, and what was left out.
    pub(super) how: String,
    /// Of each image, its place among the references.
    places: Vec<usize>,
    /// Images with references.
    all: usize,
}

impl<'c> Pairs<'c> {
    /// # Errors
    /// Images without a caption or without references, unless `--partial` was given; no image with both.
    pub(super) fn new(
        path: &Path,
        hypotheses: &'c Captions,
        references: &'c Captions,
        args: &ScoreArgs,
    ) -> Result<Self> {
        let matching = Matching::new(hypotheses, references);
        let mut pairs = Self {
            ids: Vec::new(),
            captions: Vec::new(),
            groups: Vec::new(),
            how: format!("images matched by {}", matching.by.name()),
            places: Vec::new(),
            all: references.items().iter().filter(|item| !item.captions.is_empty()).count(),
        };
        let mut extra = Vec::new();
        for (item, place) in hypotheses.items().iter().zip(matching.places) {
            let found = place.and_then(|place| Some((place, references.items().get(place)?)));
            match (found.filter(|(_, group)| !group.captions.is_empty()), item.captions.first()) {
                (Some((place, group)), Some(caption)) => {
                    pairs.ids.push(&item.id);
                    pairs.captions.push(caption);
                    pairs.groups.push(&group.captions);
                    pairs.places.push(place);
                }
                _ => extra.push(item),
            }
        }
        pairs.judge(path, &extra, &pairs.missing(references), hypotheses.items().len(), args)?;
        if pairs.ids.len() < pairs.all {
            pairs.how += &format!("; {} of {}{} images are captioned", pairs.ids.len(), pairs.all, of_split(args));
        }
        if !extra.is_empty() {
            pairs.how += &format!("; {} captions without references are left out", extra.len());
        }
        Ok(pairs)
    }

    /// Images with references and without a caption.
    fn missing<'r>(&self, references: &'r Captions) -> Vec<&'r Item> {
        if self.places.len() == self.all {
            return Vec::new();
        }
        let captioned: BTreeSet<usize> = self.places.iter().copied().collect();
        let items = references.items().iter().enumerate();
        items
            .filter(|(place, item)| !item.captions.is_empty() && !captioned.contains(place))
            .map(|(_, item)| item)
            .collect()
    }

    /// Refuses captions that are not those of all images.
    fn judge(&self, path: &Path, extra: &[&Item], missing: &[&Item], all: usize, args: &ScoreArgs) -> Result<()> {
        let path = path.display();
        let mut faults = Vec::new();
        if !extra.is_empty() {
            let (count, split) = (extra.len(), of_split(args));
            faults.push(match extra {
                [one] if all == 1 => format!("image '{}' of '{path}' has no{split} references", plain(&one.id)),
                _ => format!("{count} of {all} captions: {} of '{path}' has no{split} references", named(extra)),
            });
        }
        if !missing.is_empty() {
            let (count, split) = (self.ids.len(), of_split(args));
            faults.push(format!(
                "{count} of {}{split} images are captioned: {} has references but no caption in '{path}'",
                self.all,
                named(missing)
            ));
        }
        if self.ids.is_empty() {
            bail!(
                "{}; no image has both by id, file name or stem: give the references that belong to these captions",
                faults.join("; ")
            );
        }
        if faults.is_empty() || args.partial {
            return Ok(());
        }
        let split = if args.split.is_none() { ", choose the captioned split with --split" } else { "" };
        bail!("{}; correct the files{split}, or score only what has both with --partial", faults.join("; "))
    }

    /// Another system's captions of the same images, in the same order; of it only these are used.
    pub(super) fn same_images(
        &self,
        path: &Path,
        hypotheses: &'c Captions,
        references: &'c Captions,
        args: &ScoreArgs,
    ) -> Result<Self> {
        let mut other = Self::new(path, hypotheses, references, args)?;
        if other.places.len() != self.places.len() {
            let (ours, theirs, first) = (self.places.len(), other.places.len(), args.hypotheses.display());
            bail!(
                "'{first}' has {ours} captions and '{}' has {theirs}: both files must caption the same images",
                path.display()
            );
        }
        let captions: BTreeMap<usize, &String> = other.places.iter().copied().zip(other.captions).collect();
        let mut same = Vec::with_capacity(self.ids.len());
        for (id, place) in self.ids.iter().zip(&self.places) {
            match captions.get(place) {
                Some(caption) => same.push(*caption),
                None => bail!("image '{}' has no caption in '{}'", plain(id), path.display()),
            }
        }
        other.captions = same;
        Ok(other)
    }

    pub(super) fn signature(
        &self,
        protocol: Protocol,
        smoothing: Smoothing,
        metrics: MetricSet,
        tables: Tables,
    ) -> String {
        let images = self.ids.iter().map(|id| plain(id)).zip(self.groups.iter().copied());
        let signature = Signature::new(protocol, smoothing, metrics, images, tables);
        if self.ids.len() < self.all { signature.of_more(self.all) } else { signature }.to_string()
    }
}

/// ` test` where that split was asked for.
fn of_split(args: &ScoreArgs) -> String {
    args.split.as_ref().map(|split| format!(" {split}")).unwrap_or_default()
}

/// `image '3', '4', '5' and 12 more`.
fn named(items: &[&Item]) -> String {
    let names: Vec<String> = items.iter().take(NAMED).map(|item| format!("'{}'", plain(&item.id))).collect();
    let more = items.len().saturating_sub(NAMED);
    format!("image {}{}", names.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}
