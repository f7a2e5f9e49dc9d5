//! `rsic score`: captions against references, as coco-caption or another program scores them.

mod output;
mod pairs;
mod protocols;

use super::{ExitStatus, GlobalArgs, ScoreArgs, ScoreFormat};
use anyhow::{Context, Result, bail};
pub use output::memory_table;
use output::{Output, differences_table, image_scores, notes, statement, table, verify};
use pairs::{Files, Pairs, read_second};
use rsic_metrics::memory::{Memory, Training};
use rsic_metrics::readers::{self, Captions, plain};
use rsic_metrics::{MetricSet, Protocol, References, Scores, Split, Tables, bootstrap};
use rsic_util::logging;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A caption, its image and its references.
#[derive(Debug, Clone, Copy)]
pub struct Captioned<'c> {
    pub id: &'c Value,
    pub caption: &'c str,
    pub references: &'c [String],
}

/// Scores beside the metrics' own.
#[derive(Debug, Default)]
pub struct More {
    pub corpus: Scores,
    /// Of each caption.
    pub images: Vec<Scores>,
    /// What readers should know.
    pub notes: Vec<String>,
    /// What follows in the signature.
    pub signature: String,
}

/// Computes such scores of all captions, which come in the order of their file, only those that are scored.
pub type Beside<'b> = dyn Fn(&[Captioned]) -> Result<More> + Sync + 'b;

pub fn run(args: &ScoreArgs, global: &GlobalArgs) -> Result<ExitStatus> {
    run_with(args, global, &|_| Ok(More::default()))
}

/// [`run`] with further scores.
pub fn run_with(args: &ScoreArgs, global: &GlobalArgs, beside: &Beside) -> Result<ExitStatus> {
    let score = |args: &ScoreArgs| score(args, beside);
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

fn score(args: &ScoreArgs, beside: &Beside) -> Result<ExitStatus> {
    let protocols = protocols::chosen(args)?;
    if args.semantic.asked() && protocols == [Protocol::Ids] {
        bail!("--clip and --sentence need words, not word ids");
    }
    let mut metrics = chosen(&args.metrics)?;
    // Word ids have no parts of speech.
    if protocols == [Protocol::Ids] {
        metrics = metrics.without_spice();
    }
    if metrics == MetricSet::NONE {
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
    let Files { hypotheses, references } = Files::read(args)?;
    let pairs = Pairs::new(&args.hypotheses, &hypotheses, &references, args)?;
    let more = beside(&captioned(&pairs))?;
    let status = match protocols.as_slice() {
        [protocol] if protocol.is_coco() => coco(*protocol, args, metrics, &pairs, &references, &more),
        several => protocols::run(several, args, metrics, &pairs, &more),
    };
    // The process ends here; giving back thousands of captions one by one would take a tenth of its time.
    std::mem::forget((hypotheses, references));
    status
}

/// coco-caption's scorers, with all that is made from single images' scores.
fn coco(
    protocol: Protocol,
    args: &ScoreArgs,
    metrics: MetricSet,
    pairs: &Pairs<'_>,
    references: &Captions,
    more: &More,
) -> Result<ExitStatus> {
    let other = args.compare.as_ref().map(|path| read_second(path)).transpose()?;
    let second = match (&args.compare, &other) {
        (Some(path), Some(captions)) => Some(pairs.same_images(path, captions, references, args)?),
        _ => None,
    };
    let prepared = prepare(protocol, pairs)?;
    let captions = captions(protocol, pairs)?;
    let segments = with_progress(|progress| prepared.segments_while(&captions, metrics, progress))?;
    let corpus = prepared.corpus(&segments, metrics);
    notices(&prepared, pairs.ids.len(), metrics);

    let memory = args.train.as_ref().map(|path| training(protocol, path)).transpose()?;
    let memory = memory.map(|training| Memory::new(&training, &prepared, &captions, &segments, metrics));
    let signature =
        pairs.signature(protocol, args.smoothing.parse()?, metrics, Tables::of(&prepared)) + &more.signature;
    let mut out = std::io::stdout().lock();
    let resamples = args.bootstrap.unwrap_or(0);
    let intervals = bootstrap::intervals(&prepared, &segments, metrics, resamples, args.seed);
    let all = with(&corpus, &more.corpus);
    let text = args.format == ScoreFormat::Text;
    let images = match (&args.out, text) {
        (None, true) => Vec::new(),
        _ => image_scores(&prepared, &pairs.ids, &segments, metrics, &more.images)?,
    };
    if text {
        table(&mut out, &all, &intervals)?;
    }
    let bootstrap = (resamples > 0).then(|| json!({"resamples": resamples, "seed": args.seed, "intervals": intervals}));
    let mut compare = None;
    if let (Some(other), Some(pairs)) = (&args.compare, &second) {
        let resamples = args.bootstrap.unwrap_or(1000);
        let theirs = prepared.segments(&self::captions(protocol, pairs)?, metrics)?;
        let differences = bootstrap::compare(&prepared, &segments, &theirs, metrics, resamples, args.seed);
        if text {
            differences_table(&mut out, &args.hypotheses, other, &differences, resamples)?;
        }
        compare = Some(json!({"with": other, "resamples": resamples, "seed": args.seed, "differences": differences}));
    }
    let output = Output { signature: &signature, corpus: &all, images, memory, bootstrap, compare };
    if text {
        output.memory.iter().try_for_each(|memory| memory_table(&mut out, memory))?;
        statement(&mut out, protocol, &prepared, pairs, metrics, args)?;
        notes(&mut out, more)?;
        writeln!(out, "{signature}")?;
    } else {
        output.lines(&mut out)?;
    }
    out.flush()?;
    let status = args.verify.as_ref().map(|path| verify(path, &all, &signature, &more.corpus)).transpose()?;
    args.out.iter().try_for_each(|path| output.write(path))?;
    std::mem::forget((prepared, other));
    Ok(status.unwrap_or(ExitStatus::Success))
}

/// Each caption with its references.
fn captioned<'c>(pairs: &Pairs<'c>) -> Vec<Captioned<'c>> {
    let images = pairs.ids.iter().zip(&pairs.captions).zip(&pairs.groups);
    images.map(|((id, caption), references)| Captioned { id, caption, references }).collect()
}

/// Scores, and others behind them.
fn with(scores: &Scores, more: &Scores) -> Scores {
    Scores(scores.0.iter().chain(&more.0).cloned().collect())
}

/// Shows how far `work` is, on a terminal, once it has taken two seconds.
fn with_progress<T>(work: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> T) -> T {
    const SILENT: Duration = Duration::from_secs(2);
    let (started, bar, terminal) = (Instant::now(), OnceLock::new(), std::io::stderr().is_terminal());
    work(&|done, all| {
        if terminal && started.elapsed() >= SILENT {
            bar.get_or_init(|| logging::progress(all, "captions scored")).set(done);
        }
    })
}

/// What a reader of the scores should know and a table does not show.
fn notices(prepared: &References, images: usize, metrics: MetricSet) {
    if images == 1 && metrics.cider {
        tracing::warn!("CIDEr of a single image is 0 (its weights are document frequencies over the images)");
    }
    if !metrics.meteor && prepared.spice_has_resources() == Some(false) {
        tracing::info!("SPICE matches identical words only; 'make metrics-data' adds synonyms");
    }
    if prepared.meteor_has_resources() == Some(false) {
        tracing::info!("METEOR uses exact and stem matches only; 'make metrics-data' adds synonyms and paraphrases");
    }
}

/// The captions of the training images.
fn training(protocol: Protocol, path: &Path) -> Result<Training> {
    let captions = readers::read(path)?;
    let captions = if captions.has_splits() { captions.only(Split::Train)? } else { captions };
    let texts: Vec<&String> = captions.items().iter().flat_map(|item| &item.captions).collect();
    Ok(Training::of_cleaned(protocol.hypotheses(&texts)))
}

fn chosen(names: &[String]) -> Result<MetricSet> {
    if names.is_empty() {
        return Ok(MetricSet::ALL);
    }
    names.iter().try_fold(MetricSet::NONE, |set, name| Ok(set.union(name.trim().parse()?)))
}

fn prepare(protocol: Protocol, pairs: &Pairs<'_>) -> Result<References> {
    if protocol == Protocol::Ids {
        let captions = pairs.ids.iter().zip(&pairs.groups);
        only_ids(captions.flat_map(|(id, group)| group.iter().map(move |caption| (*id, caption))))?;
    }
    Ok(protocol.references(&pairs.groups))
}

/// The captions in the protocol's words.
fn captions(protocol: Protocol, pairs: &Pairs<'_>) -> Result<Vec<String>> {
    if protocol == Protocol::Ids {
        only_ids(pairs.ids.iter().copied().zip(pairs.captions.iter().copied()))?;
    }
    Ok(protocol.hypotheses(&pairs.captions))
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
