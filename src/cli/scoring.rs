//! `rsic score`: captions against references, as coco-caption scores them.

use super::{ExitStatus, GlobalArgs, ScoreArgs};
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use rsic_metrics::bootstrap::{self, Difference, Interval};
use rsic_metrics::readers::{self, Captions, plain};
use rsic_metrics::{MetricSet, References, Scores, Segment, tokenize_all};
use rsic_util::fs::write_renamed_with;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

pub fn run(args: &ScoreArgs, global: &GlobalArgs) -> Result<ExitStatus> {
    match global.threads {
        None => score(args),
        Some(0) => bail!("--threads is 0; it must be at least 1"),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .context("cannot start the number of threads given by --threads")?
            .install(|| score(args)),
    }
}

/// One system's captions against the references.
struct Scored<'c> {
    ids: Vec<&'c Value>,
    segments: Vec<Segment>,
}

fn score(args: &ScoreArgs) -> Result<ExitStatus> {
    let mut metrics = chosen(&args.metrics)?;
    // Word ids have no parts of speech.
    metrics.spice &= !args.ids;
    if args.ids && metrics == MetricSet::NONE {
        bail!("SPICE needs words, not word ids; omit --ids or choose other metrics");
    }
    if args.spice_details {
        if !metrics.spice {
            bail!("--spice-details needs SPICE among the metrics and cannot be combined with --ids");
        }
        metrics.spice_details = true;
    }
    if args.compare.is_some() && args.bootstrap == Some(0) {
        bail!("--bootstrap is 0; a comparison needs at least 1 resample");
    }
    let (hypotheses, references) =
        rayon::join(|| readers::read_hypotheses(&args.hypotheses), || readers::read_references(&args.references));
    let (hypotheses, references) = (hypotheses?, references?);
    let groups = matched(&args.hypotheses, &hypotheses, &references, args.subset)?;
    let images: Vec<&Value> = hypotheses.items().iter().map(|item| &item.id).collect();
    let other = args.compare.as_ref().map(|path| second_system(path, &images, &references, args)).transpose()?;
    let prepared = prepare(&images, &groups, args.ids)?;
    let scored = scored(&prepared, images, &hypotheses, metrics, args)?;
    let corpus = prepared.corpus(&scored.segments, metrics);
    if scored.ids.len() == 1 && metrics.cider {
        tracing::warn!("CIDEr of a single image is 0 (its weights are document frequencies over the images)");
    }
    if !metrics.meteor && prepared.spice_has_resources() == Some(false) {
        tracing::info!("SPICE matches identical words only; 'make metrics-data' adds synonyms");
    }
    if prepared.meteor_has_resources() == Some(false) {
        tracing::info!("METEOR uses exact and stem matches only; 'make metrics-data' adds synonyms and paraphrases");
    }

    let mut out = std::io::stdout().lock();
    let resamples = args.bootstrap.unwrap_or(0);
    let intervals = bootstrap::intervals(&prepared, &scored.segments, metrics, resamples, args.seed);
    table(&mut out, &corpus, &intervals)?;
    let bootstrap = (resamples > 0).then(|| json!({"resamples": resamples, "seed": args.seed, "intervals": intervals}));
    let mut compare = None;
    if let (Some(other), Some(captions)) = (&args.compare, &other) {
        let resamples = args.bootstrap.unwrap_or(1000);
        let second = self::scored(&prepared, scored.ids.clone(), captions, metrics, args)?;
        let differences =
            bootstrap::compare(&prepared, &scored.segments, &second.segments, metrics, resamples, args.seed);
        differences_table(&mut out, &args.hypotheses, other, &differences, resamples)?;
        compare = Some(json!({"with": other, "resamples": resamples, "seed": args.seed, "differences": differences}));
    }
    statement(&mut out, &prepared, &scored, metrics, args)?;
    out.flush()?;
    if let Some(path) = &args.out {
        let images = image_scores(&prepared, &scored, metrics)?;
        let output = Output { corpus: &corpus, images, bootstrap, compare };
        write_renamed_with(path, |file| {
            serde_json::to_writer_pretty(&mut *file, &output)?;
            Ok(writeln!(file)?)
        })?;
    }
    // The process ends here; giving back thousands of captions one by one would take a tenth of its time.
    std::mem::forget((hypotheses, references, prepared, other));
    Ok(ExitStatus::Success)
}

fn chosen(names: &[String]) -> Result<MetricSet> {
    if names.is_empty() {
        return Ok(MetricSet::ALL);
    }
    names.iter().try_fold(MetricSet::NONE, |set, name| Ok(set.union(name.trim().parse()?)))
}

/// The references of each image to score, in the order of the hypotheses.
fn matched<'r>(
    path: &Path,
    hypotheses: &Captions,
    references: &'r Captions,
    subset: bool,
) -> Result<Vec<&'r [String]>> {
    let mut groups = Vec::with_capacity(hypotheses.items().len());
    for item in hypotheses.items() {
        match references.get(&item.id) {
            Some(captions) if !captions.is_empty() => groups.push(captions),
            _ => bail!(
                "image '{}' of '{}' has no references; give the reference file that belongs to these captions",
                plain(&item.id),
                path.display()
            ),
        }
    }
    let all = references.items().len() == groups.len(); // every image comes once
    if !(subset || all)
        && let Some(missing) = references.items().iter().find(|item| hypotheses.get(&item.id).is_none())
    {
        let (all, ours) = (references.items().len(), groups.len());
        bail!(
            "image '{}' has references but no caption in '{}' ({ours} captions, {all} images with references): caption \
             every image, or use --subset to score only these",
            plain(&missing.id),
            path.display()
        );
    }
    Ok(groups)
}

fn prepare(images: &[&Value], groups: &[&[String]], ids: bool) -> Result<References> {
    if !ids {
        return Ok(References::new(groups));
    }
    let captions = images.iter().zip(groups).flat_map(|(id, group)| group.iter().map(move |caption| (*id, caption)));
    only_ids(captions)?;
    Ok(References::from_tokenized(groups))
}

fn scored<'c>(
    prepared: &References,
    images: Vec<&'c Value>,
    hypotheses: &Captions,
    metrics: MetricSet,
    args: &ScoreArgs,
) -> Result<Scored<'c>> {
    let captions: Vec<&String> =
        images.iter().filter_map(|id| hypotheses.get(id).and_then(<[String]>::first)).collect();
    if args.ids {
        only_ids(images.iter().copied().zip(captions.iter().copied()))?;
    }
    let captions = if args.ids { captions.into_iter().cloned().collect() } else { tokenize_all(&captions) };
    Ok(Scored { ids: images, segments: prepared.segments(&captions, metrics)? })
}

/// With --ids a caption is numbers between spaces.
fn only_ids<'c>(captions: impl Iterator<Item = (&'c Value, &'c String)>) -> Result<()> {
    for (id, caption) in captions {
        if let Some(word) = caption.split_whitespace().find(|word| word.parse::<u64>().is_err()) {
            bail!("'{word}' in a caption of image '{}' is not a word id; omit --ids to score words", plain(id));
        }
    }
    Ok(())
}

/// The captions to compare with: of the same images.
fn second_system(path: &Path, images: &[&Value], references: &Captions, args: &ScoreArgs) -> Result<Captions> {
    let captions = readers::read_hypotheses(path)?;
    let others = matched(path, &captions, references, args.subset)?;
    if let Some(missing) = images.iter().find(|id| captions.get(id).is_none()) {
        bail!("image '{}' has no caption in '{}'", plain(missing), path.display());
    }
    if others.len() != images.len() {
        let (ours, theirs) = (images.len(), others.len());
        bail!(
            "'{}' has {ours} captions and '{}' has {theirs}: both files must caption the same images",
            args.hypotheses.display(),
            path.display()
        );
    }
    Ok(captions)
}

/// What `--out` writes.
#[derive(Serialize)]
struct Output<'o> {
    corpus: &'o Scores,
    images: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare: Option<Value>,
}

#[derive(Serialize)]
struct Image<'o> {
    id: &'o Value,
    #[serde(flatten)]
    scores: Scores,
}

/// Each image's scores as JSON on one line, made in parallel.
fn image_scores(prepared: &References, scored: &Scored<'_>, metrics: MetricSet) -> Result<Vec<Box<RawValue>>> {
    let images = scored.ids.par_iter().zip(&scored.segments);
    let json = images.map(|(id, segment)| to_raw_value(&Image { id, scores: prepared.named(segment, metrics) }));
    Ok(json.collect::<Result<_, _>>()?)
}

fn table(out: &mut impl Write, corpus: &Scores, intervals: &[Interval]) -> Result<()> {
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

fn differences_table(
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

/// What the numbers are: how many captions, tokeniser, variants, scale.
fn statement(
    out: &mut impl Write,
    prepared: &References,
    scored: &Scored<'_>,
    metrics: MetricSet,
    args: &ScoreArgs,
) -> Result<()> {
    let counts = (0..prepared.len()).map(|image| prepared.captions(image).len());
    let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    let each = if least == most { least.to_string() } else { format!("{least} to {most}") };
    writeln!(out, "\n{} captions, {each} references each", scored.ids.len())?;
    if args.ids {
        writeln!(out, "Word ids, not tokenised")?;
    } else {
        writeln!(out, "Tokens: PTB tokenizer, lower case, punctuation removed (as coco-caption)")?;
    }
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
