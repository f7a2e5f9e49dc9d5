//! Statistics and faults of datasets as text.

use crate::data::Split;
use crate::data::attributes::{Attributes, Rules};
use crate::data::stats::{Part, Stats};
use crate::data::verify::Report;
use anyhow::Result;
use std::collections::BTreeMap;
use std::io::Write;

pub(super) fn stats(out: &mut impl Write, stats: &Stats) -> Result<()> {
    writeln!(out, "{}: {} images, {} captions", stats.name, stats.total.images, stats.total.captions)?;
    for file in &stats.caption_files {
        writeln!(out, "captions  {file}")?;
    }
    writeln!(out, "images    {} ({} of {} found)", stats.images_dir, stats.total.found, stats.total.images)?;
    writeln!(out, "splits    {}", if stats.splits_given { "of the file" } else { "split by the settings" })?;
    writeln!(
        out,
        "\n{:<6} {:>7} {:>7} {:>9} {:>19} {:>9} {:>17}",
        "split", "images", "found", "captions", "distinct per image", "distinct", "words min/mean/max"
    )?;
    for (split, part) in &stats.splits {
        row(out, split.name(), part)?;
    }
    row(out, "all", &stats.total)?;
    let per_image: Vec<String> =
        stats.captions_per_image.iter().map(|(captions, images)| format!("{captions} ({images} images)")).collect();
    writeln!(out, "\ncaptions per image: {}", per_image.join(", "))?;
    writeln!(out, "empty captions, dropped: {}", stats.empty_captions)?;
    for (split, overlap) in &stats.overlap {
        writeln!(out, "overlap: {}", overlap.sentence(*split))?;
    }
    if !stats.classes.is_empty() {
        let classes: Vec<String> = stats.classes.iter().map(|(class, images)| format!("{class} {images}")).collect();
        writeln!(out, "classes: {}: {}", classes.len(), classes.join(", "))?;
    }
    vocabularies(out, stats)?;
    writeln!(out, "\nwords in a caption")?;
    histogram(out, &stats.lengths)
}

pub(super) fn attributes(
    out: &mut impl Write,
    dataset: &str,
    attributes: &Attributes,
    rules: &Rules,
    mean: f64,
) -> Result<()> {
    let tagger = rules.tagger.as_ref().map_or_else(
        || {
            "built-in tables (agree with NLTK on noun, adjective or neither for 99.0 % of the words of unseen \
            captions)"
                .into()
        },
        |folder| format!("NLTK's tables in '{}'", folder.display()),
    );
    let counted = match rules.splits.as_slice() {
        [Split::Train] => "the training captions".to_owned(),
        splits => format!("the captions of {}", splits.iter().map(|split| split.name()).collect::<Vec<_>>().join(", ")),
    };
    writeln!(
        out,
        "{dataset}: {} attributes: nouns and adjectives that occur more than {} times in {counted}; {mean:.1} per \
         image",
        attributes.len(),
        rules.above
    )?;
    writeln!(out, "tagger    {tagger}\n")?;
    for (word, count) in attributes.words().iter().zip(attributes.counts()) {
        writeln!(out, "{count:>7} {word}")?;
    }
    Ok(())
}

fn row(out: &mut impl Write, name: &str, part: &Part) -> Result<()> {
    let per_image = if part.images == 0 { 0.0 } else { part.distinct_per_image as f64 / part.images as f64 };
    let distinct = format!("{} ({per_image:.2})", part.distinct_per_image);
    let lengths = format!("{}/{:.1}/{}", part.shortest, part.mean_length, part.longest);
    writeln!(
        out,
        "{name:<6} {:>7} {:>7} {:>9} {distinct:>19} {:>9} {lengths:>17}",
        part.images, part.found, part.captions, part.distinct
    )?;
    Ok(())
}

fn vocabularies(out: &mut impl Write, stats: &Stats) -> Result<()> {
    writeln!(out, "\nvocabulary size by minimum count (without special tokens)")?;
    let mut counts: Vec<usize> = stats.vocabularies.iter().map(|size| size.min_count).collect();
    counts.sort_unstable();
    counts.dedup();
    write!(out, "{:<24}", "")?;
    for count in &counts {
        write!(out, " {:>6}", format!(">= {count}"))?;
    }
    writeln!(out)?;
    for (lowercase, case) in [(true, "lower-case"), (false, "case kept")] {
        for counted in ["train", "all"] {
            write!(out, "{:<24}", format!("{case}, {counted}"))?;
            let sizes = stats.vocabularies.iter().filter(|size| (size.lowercase, size.counted) == (lowercase, counted));
            for size in sizes {
                write!(out, " {:>6}", size.words)?;
            }
            writeln!(out)?;
        }
    }
    let vocabulary = &stats.vocabulary;
    let rules = &vocabulary.rules;
    writeln!(
        out,
        "\nvocabulary of the settings: {} ids including 4 special tokens (count >= {} in {}, {}, {}), longest caption \
        {}",
        vocabulary.ids,
        rules.min_count,
        rules.splits.join("+"),
        if rules.lowercase { "lower-case" } else { "case kept" },
        if rules.strip_punctuation { "no punctuation" } else { "punctuation kept" },
        vocabulary.max_length
    )?;
    for split in Split::ALL {
        if let Some(outside) = vocabulary.outside.get(&split) {
            writeln!(
                out,
                "  {split:<5} out of vocabulary: {} distinct words, {} in total ({:.2} %); longer captions: {}",
                outside.distinct,
                outside.words,
                100.0 * outside.share,
                outside.too_long
            )?;
        }
    }
    Ok(())
}

/// One bar a length, the longest 50 characters.
fn histogram(out: &mut impl Write, lengths: &BTreeMap<usize, usize>) -> Result<()> {
    let most = lengths.values().copied().max().unwrap_or(1).max(1);
    for (length, &count) in lengths {
        writeln!(out, "{length:>4} {count:>7} {}", "#".repeat((count * 50).div_ceil(most)))?;
    }
    Ok(())
}

/// Faults of one kind that are listed.
const MOST_FAULTS: usize = 100;

pub(super) fn report(out: &mut impl Write, report: &Report) -> Result<()> {
    let count = |split| report.splits.get(&split).copied().unwrap_or_default();
    let [train, val, test] = Split::ALL.map(count);
    writeln!(
        out,
        "{}: {} images in the caption file ({train} train, {val} val, {test} test), {} decoded",
        report.name,
        train + val + test,
        report.decoded
    )?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for (kind, count) in report.summary() {
        for fault in report.faults.iter().filter(|fault| fault.kind == kind).take(MOST_FAULTS) {
            writeln!(out, "{kind}: {}", fault.message)?;
        }
        if count > MOST_FAULTS {
            writeln!(out, "{kind}: {} more; --format json lists all", count - MOST_FAULTS)?;
        }
    }
    if report.faults.is_empty() {
        let compared = report.published.map_or(String::new(), |published| format!(", counts as in {}", published.name));
        writeln!(out, "no faults{compared}")?;
    } else {
        let kinds: Vec<String> = report.summary().iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let plural = if report.faults.len() == 1 { "" } else { "s" };
        writeln!(out, "{} fault{plural}: {}", report.faults.len(), kinds.join(", "))?;
    }
    Ok(())
}
