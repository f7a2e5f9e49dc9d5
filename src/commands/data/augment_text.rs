//! `rsic data augment-text`: checks and merges files of paraphrases.

use super::settings_of;
use crate::cli::AugmentTextArgs;
use crate::commands::ExitStatus;
use crate::data::augment::Paraphrases;
use crate::data::augment::paraphrases::plain_words;
use crate::data::{Dataset, Split};
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::io::{Write, stdout};

pub(super) fn run(args: &AugmentTextArgs) -> Result<ExitStatus> {
    let captions = training_captions(args)?;
    let mut out = stdout().lock();
    if args.list {
        captions.iter().try_for_each(|caption| writeln!(out, "{caption}"))?;
        return Ok(ExitStatus::Success);
    }
    let mut merged = Paraphrases::default();
    let (mut faults, mut foreign) = (0, 0);
    for path in &args.files {
        let (mut paraphrases, bad) = Paraphrases::parse(&read_text(path)?);
        for line in &bad {
            writeln!(out, "{}, line {}: {}", path.display(), line.line, line.why)?;
        }
        faults += bad.len();
        let unknown = paraphrases.keep(&captions);
        if unknown > 0 {
            writeln!(
                out,
                "{}: {unknown} pairs paraphrase captions that are not in the training split",
                path.display()
            )?;
        }
        foreign += unknown;
        merged.merge(paraphrases);
    }
    writeln!(
        out,
        "{} paraphrases of {} of {} training captions; {faults} invalid lines, {foreign} pairs of unknown captions",
        merged.pairs(),
        merged.captions(),
        captions.len(),
    )?;
    if let Some(path) = &args.output {
        if merged.pairs() == 0 {
            bail!("no paraphrase of a training caption to write to '{}'", path.display());
        }
        write_atomic(path, merged.to_text().as_bytes())?;
        writeln!(out, "written to '{}'", path.display())?;
    }
    Ok(if faults + foreign == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

/// The distinct captions of the train split, as the files of paraphrases name them.
fn training_captions(args: &AugmentTextArgs) -> Result<BTreeSet<String>> {
    let dataset = Dataset::load_captions(&settings_of(&args.dataset)?)?;
    let train = dataset.images.iter().filter(|image| image.split == Split::Train);
    let captions: BTreeSet<String> =
        train.flat_map(|image| &image.captions).map(|caption| plain_words(&caption.text).join(" ")).collect();
    if captions.is_empty() {
        bail!("'{}' has no caption in its train split", dataset.name);
    }
    Ok(captions)
}
