//! What `rsic score` prints and writes, and the comparison with what it wrote before.

use super::{ExitStatus, More, Pairs, ScoreArgs};
use anyhow::{Result, bail};
use rayon::prelude::*;
use rsic_metrics::bootstrap::{Difference, Interval};
use rsic_metrics::memory::Memory;
use rsic_metrics::{MetricSet, Protocol, References, Scores, Segment};
use rsic_util::fs::{read_text, write_renamed_with};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::io::Write;
use std::path::Path;

/// What `--out` writes.
#[derive(Serialize)]
pub(super) struct Output<'o> {
    pub(super) signature: &'o str,
    pub(super) corpus: &'o Scores,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bootstrap: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compare: Option<Value>,
}

impl<'o> Output<'o> {
    pub(super) fn of_corpus(signature: &'o str, corpus: &'o Scores) -> Self {
        Self { signature, corpus, images: Vec::new(), memory: None, bootstrap: None, compare: None }
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        write_renamed_with(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            Ok(writeln!(file)?)
        })
    }

    /// A line an image, and a last one with all the rest.
    pub(super) fn lines(&self, out: &mut impl Write) -> Result<()> {
        for image in &self.images {
            writeln!(out, "{image}")?;
        }
        let Self { signature, corpus, memory, bootstrap, compare, .. } = self;
        let (memory, bootstrap, compare) = (memory.clone(), bootstrap.clone(), compare.clone());
        let rest = Output { signature, corpus, images: Vec::new(), memory, bootstrap, compare };
        serde_json::to_writer(&mut *out, &rest)?;
        Ok(writeln!(out)?)
    }
}

/// The scores of images with and without a reference that training had.
pub fn memory_table(out: &mut impl Write, memory: &Memory) -> Result<()> {
    let Memory { seen, unseen, all_seen, .. } = memory;
    let names: Vec<&str> = if seen.images > 0 { seen.scores.names() } else { unseen.scores.names() }.collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0).max(22);
    writeln!(out, "\n{:width$}  {:>8}  {:>8}", "references in training", "seen", "unseen")?;
    writeln!(out, "{:width$}  {:>8}  {:>8}", "images", seen.images, unseen.images)?;
    let shown =
        |scores: &Scores, name: &str| scores.get(name).map_or_else(|| "-".into(), |value| format!("{value:.4}"));
    for name in names {
        writeln!(out, "{name:width$}  {:>8}  {:>8}", shown(&seen.scores, name), shown(&unseen.scores, name))?;
    }
    writeln!(out, "seen: a reference is a training caption (of {all_seen} images every one); {}", memory.sentence())?;
    Ok(())
}

/// What of such a file is compared.
#[derive(Deserialize)]
struct Earlier {
    signature: Option<String>,
    corpus: Scores,
}

/// Compares with the scores of an earlier file, to what its digits can show; those of `tensors`, to what their
/// arithmetic can, which differs from machine to machine.
pub(super) fn verify(path: &Path, corpus: &Scores, signature: &str, tensors: &Scores) -> Result<ExitStatus> {
    let same = |name: &str| if tensors.get(name).is_some() { 1e-5 } else { 1e-9 };
    let text = read_text(path)?;
    let Ok(earlier) = serde_json::from_str::<Earlier>(&text) else {
        bail!("'{}' is not a file of scores as --out writes it", path.display());
    };
    let mut faults = Vec::new();
    if let Some(theirs) = earlier.signature.filter(|theirs| theirs != signature) {
        faults.push(format!("signature {theirs} there, {signature} here"));
    }
    for (name, value) in &earlier.corpus.0 {
        match corpus.get(name) {
            Some(ours) if (ours - value).abs() <= same(name) => {}
            Some(ours) => faults.push(format!("{name} {value:.6} there, {ours:.6} here")),
            None => faults.push(format!("{name} is not among these metrics")),
        }
    }
    for fault in &faults {
        tracing::error!("'{}': {fault}", path.display());
    }
    if faults.is_empty() {
        tracing::info!("the scores are those of '{}'", path.display());
    }
    Ok(if faults.is_empty() { ExitStatus::Success } else { ExitStatus::Failure })
}

#[derive(Serialize)]
struct Image<'o> {
    id: &'o Value,
    #[serde(flatten)]
    scores: Scores,
}

/// Each image's scores as JSON on one line, made in parallel.
pub(super) fn image_scores(
    prepared: &References,
    ids: &[&Value],
    segments: &[Segment],
    metrics: MetricSet,
    more: &[Scores],
) -> Result<Vec<Box<RawValue>>> {
    let images = ids.par_iter().zip(segments).enumerate();
    let json = images.map(|(place, (id, segment))| {
        let mut scores = prepared.named(segment, metrics);
        scores.0.extend(more.get(place).into_iter().flat_map(|more| more.0.iter().cloned()));
        to_raw_value(&Image { id, scores })
    });
    Ok(json.collect::<Result<_, _>>()?)
}

pub(super) fn table(out: &mut impl Write, corpus: &Scores, intervals: &[Interval]) -> Result<()> {
    let width = corpus.names().map(str::len).max().unwrap_or(0);
    for (name, value) in &corpus.0 {
        write!(out, "{name:width$}  {value:.4}")?;
        if let Some(interval) = intervals.iter().find(|interval| interval.metric == *name) {
            write!(out, "  [{:.4}, {:.4}]", interval.low, interval.high)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

pub(super) fn differences_table(
    out: &mut impl Write,
    first: &Path,
    second: &Path,
    differences: &[Difference],
    resamples: usize,
) -> Result<()> {
    writeln!(out, "\n{} minus {}, paired bootstrap of {resamples}:", first.display(), second.display())?;
    let width = differences.iter().map(|difference| difference.metric.len()).max().unwrap_or(0);
    for Difference { metric, difference, low, high, p } in differences {
        writeln!(out, "{metric:width$}  {difference:+.4}  [{low:+.4}, {high:+.4}]  p = {p:.4}")?;
    }
    Ok(())
}

/// What there is to say of further scores.
pub(super) fn notes(out: &mut impl Write, more: &More) -> Result<()> {
    Ok(more.notes.iter().try_for_each(|note| writeln!(out, "{note}"))?)
}

/// What the numbers are: how many captions, tokeniser, variants, scale.
pub(super) fn statement(
    out: &mut impl Write,
    protocol: Protocol,
    prepared: &References,
    pairs: &Pairs<'_>,
    metrics: MetricSet,
    args: &ScoreArgs,
) -> Result<()> {
    let counts = (0..prepared.len()).map(|image| prepared.captions(image).len());
    let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    let each = if least == most { least.to_string() } else { format!("{least} to {most}") };
    writeln!(out, "\n{} captions, {each} references each; {}", pairs.ids.len(), pairs.how)?;
    writeln!(out, "Tokens: {}", protocol.tokens())?;
    let mut variants = vec!["scale 0 to 1"];
    if metrics.meteor {
        variants.push(match prepared.meteor_has_resources() {
            Some(true) => "METEOR 1.5 with exact, stem, synonym and paraphrase matches",
            _ => "METEOR 1.5 with exact and stem matches",
        });
    }
    if metrics.cider {
        variants.push("CIDEr is CIDEr-D, scale 0 to 10");
    }
    if metrics.spice {
        variants.push(match prepared.spice_has_resources() {
            Some(true) => "SPICE uses rsic's own parser (docs/spice.md: agreement with the reference)",
            _ => "SPICE uses rsic's own parser, without synonyms ('make metrics-data' adds them)",
        });
    }
    if metrics.has_sm() {
        variants.push("Sm is the mean of BLEU-4, METEOR, ROUGE_L and CIDEr");
    }
    writeln!(out, "{}", variants.join("; "))?;
    if args.bootstrap.unwrap_or(0) > 0 {
        writeln!(out, "Brackets: 95 % bootstrap confidence intervals (seed {})", args.seed)?;
    }
    Ok(())
}
