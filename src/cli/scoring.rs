//! `rsic score`: captions against references, as coco-caption or another program scores them.

mod output;
mod protocols;

use super::{ExitStatus, GlobalArgs, ScoreArgs};
use anyhow::{Context, Result, bail};
use output::{Output, differences_table, image_scores, notes, statement, table, verify};
use rsic_metrics::readers::{self, Captions, plain};
use rsic_metrics::{MetricSet, Protocol, References, Scores, Segment, Signature, Tables, bootstrap};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

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

/// Computes such scores of all captions, which come in the order of their file.
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

/// One system's captions against the references.
struct Scored<'c> {
    ids: Vec<&'c Value>,
    segments: Vec<Segment>,
}

fn score(args: &ScoreArgs, beside: &Beside) -> Result<ExitStatus> {
    let protocols = protocols::chosen(args)?;
    if args.semantic.asked() && protocols == [Protocol::Ids] {
        bail!("--clip and --sentence need words, not word ids");
    }
    let mut metrics = chosen(&args.metrics)?;
    // Word ids have no parts of speech.
    metrics.spice &= protocols != [Protocol::Ids];
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
    let (hypotheses, references) =
        rayon::join(|| readers::read_hypotheses(&args.hypotheses), || readers::read_references(&args.references));
    let (hypotheses, references) = (hypotheses?, references?);
    let groups = matched(&args.hypotheses, &hypotheses, &references, args.subset)?;
    let images: Vec<&Value> = hypotheses.items().iter().map(|item| &item.id).collect();
    let more = beside(&captioned(&hypotheses, &groups))?;
    let status = match protocols.as_slice() {
        [protocol] if protocol.is_coco() => {
            coco(*protocol, args, metrics, images, &groups, (&hypotheses, &references), &more)
        }
        several => protocols::run(several, args, metrics, &images, &groups, &hypotheses, &more),
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
    images: Vec<&Value>,
    groups: &[&[String]],
    (hypotheses, references): (&Captions, &Captions),
    more: &More,
) -> Result<ExitStatus> {
    let other = args.compare.as_ref().map(|path| second_system(path, &images, references, args)).transpose()?;
    let prepared = prepare(protocol, &images, groups)?;
    let scored = scored(protocol, &prepared, images, hypotheses, metrics)?;
    let corpus = prepared.corpus(&scored.segments, metrics);
    notices(&prepared, scored.ids.len(), metrics);

    let mut out = std::io::stdout().lock();
    let resamples = args.bootstrap.unwrap_or(0);
    let intervals = bootstrap::intervals(&prepared, &scored.segments, metrics, resamples, args.seed);
    let all = with(&corpus, &more.corpus);
    table(&mut out, &all, &intervals)?;
    let bootstrap = (resamples > 0).then(|| json!({"resamples": resamples, "seed": args.seed, "intervals": intervals}));
    let mut compare = None;
    if let (Some(other), Some(captions)) = (&args.compare, &other) {
        let resamples = args.bootstrap.unwrap_or(1000);
        let second = self::scored(protocol, &prepared, scored.ids.clone(), captions, metrics)?;
        let differences =
            bootstrap::compare(&prepared, &scored.segments, &second.segments, metrics, resamples, args.seed);
        differences_table(&mut out, &args.hypotheses, other, &differences, resamples)?;
        compare = Some(json!({"with": other, "resamples": resamples, "seed": args.seed, "differences": differences}));
    }
    statement(&mut out, protocol, &prepared, &scored, metrics, args)?;
    notes(&mut out, more)?;
    let ids = scored.ids.iter().map(|id| plain(id));
    let smoothing = args.smoothing.parse()?;
    let signature =
        Signature::new(protocol, smoothing, metrics, ids.zip(groups.iter().copied()), Tables::of(&prepared))
            .to_string()
            + &more.signature;
    writeln!(out, "{signature}")?;
    out.flush()?;
    let status = args.verify.as_ref().map(|path| verify(path, &all, &signature, &more.corpus)).transpose()?;
    if let Some(path) = &args.out {
        let images = image_scores(&prepared, &scored, metrics, &more.images)?;
        Output { signature: &signature, corpus: &all, images, bootstrap, compare }.write(path)?;
    }
    std::mem::forget((prepared, other));
    Ok(status.unwrap_or(ExitStatus::Success))
}

/// Each caption with its references.
fn captioned<'c>(hypotheses: &'c Captions, groups: &[&'c [String]]) -> Vec<Captioned<'c>> {
    let of = |(item, references): (&'c readers::Item, &&'c [String])| {
        let caption = item.captions.first().map_or("", String::as_str);
        Captioned { id: &item.id, caption, references }
    };
    hypotheses.items().iter().zip(groups).map(of).collect()
}

/// Scores, and others behind them.
fn with(scores: &Scores, more: &Scores) -> Scores {
    Scores(scores.0.iter().chain(&more.0).cloned().collect())
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

fn prepare(protocol: Protocol, images: &[&Value], groups: &[&[String]]) -> Result<References> {
    if protocol == Protocol::Ids {
        let captions =
            images.iter().zip(groups).flat_map(|(id, group)| group.iter().map(move |caption| (*id, caption)));
        only_ids(captions)?;
    }
    Ok(protocol.references(groups))
}

/// The caption of each image.
fn captions_of<'h>(images: &[&Value], hypotheses: &'h Captions) -> Vec<&'h String> {
    images.iter().filter_map(|id| hypotheses.get(id).and_then(<[String]>::first)).collect()
}

fn scored<'c>(
    protocol: Protocol,
    prepared: &References,
    images: Vec<&'c Value>,
    hypotheses: &Captions,
    metrics: MetricSet,
) -> Result<Scored<'c>> {
    let captions = captions_of(&images, hypotheses);
    if protocol == Protocol::Ids {
        only_ids(images.iter().copied().zip(captions.iter().copied()))?;
    }
    Ok(Scored { ids: images, segments: prepared.segments(&protocol.hypotheses(&captions), metrics)? })
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
