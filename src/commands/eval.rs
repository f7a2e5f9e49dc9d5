//! `rsic eval`: captions a split with a trained run and scores it.

use super::progress::FeatureBar;
use super::{ExitStatus, semantic};
use crate::cli::{EnsembleMean, EvalArgs, GlobalArgs};
use crate::data::Split;
use crate::decode::DecodeConfig;
use crate::eval::Scores;
use crate::models::ensemble::Mean;
use crate::runs::{RunFolder, reinforce_folder};
use crate::runtime::{self, Interrupt};
use crate::semantic::{Semantic, mean};
use crate::session::record;
use crate::session::{Session, SessionEnsemble, SplitEvaluation, Trained};
use crate::train::TrainState;
use crate::train::checkpoint::STATE;
use crate::train::checkpoints::LAST;
use crate::util::fs::{read_text, write_atomic_with};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) fn run(global: &GlobalArgs, args: &EvalArgs) -> Result<ExitStatus> {
    let device = runtime::device(&global.device)?;
    runtime::set_threads(global.threads)?;
    let split: Split = args.split.parse()?;
    let interrupt = Interrupt::install()?;
    let mut progress = FeatureBar::new(&interrupt);
    let semantic = Semantic::open(&semantic::settings(&args.semantic), device)?;
    let (further, overrides) = args.further_runs_and_overrides();
    let mut session = |run: &Path| {
        let trained = Trained::load(run, &overrides, device)?;
        Session::with_trained(trained, &mut |p| progress.update(p))
    };
    if !further.is_empty() {
        let runs = std::iter::once(args.run.as_path()).chain(further.iter().map(PathBuf::as_path));
        return ensemble(runs.map(&mut session).collect::<Result<_>>()?, args, split, &semantic, &interrupt);
    }
    if !args.member_weights.is_empty() {
        bail!("--member-weights are those of an ensemble; name further runs");
    }
    let session = session(&args.run)?;
    let output = args.output.clone().unwrap_or_else(|| args.run.clone());
    let decode = session.experiment.decode.clone();
    if args.oracle_attributes {
        // A diagnostic: no result of the run.
        let result = session.evaluate_with_true_attributes(split, &decode, &interrupt)?;
        let label = format!("{}, true attributes", decode.label());
        write(&session, &result, (split, &label), &output, None, &semantic)?;
        return Ok(ExitStatus::Success);
    }
    let state = if args.output.is_none() { finished(&args.run)? } else { None };
    let run = state.as_ref().map(|state| (state, args.run.as_path()));
    evaluate_and_write(&session, (split, &decode), &output, run, &semantic, &interrupt)?;
    Ok(ExitStatus::Success)
}

/// Captions and scores a split by several models together.
fn ensemble(
    sessions: Vec<Session>,
    args: &EvalArgs,
    split: Split,
    semantic: &Semantic,
    interrupt: &Interrupt,
) -> Result<ExitStatus> {
    let Some(output) = &args.output else {
        bail!("an ensemble has no run folder to write to; name a folder with --output");
    };
    if args.oracle_attributes {
        bail!("--oracle-attributes is for one run at a time");
    }
    let count = sessions.len();
    let mean = match args.mean {
        EnsembleMean::Probabilities => Mean::Probabilities,
        EnsembleMean::LogProbabilities => Mean::LogProbabilities,
    };
    let ensemble = SessionEnsemble::new(sessions, args.member_weights.clone(), mean)?;
    let session = ensemble.session()?;
    let decode = session.experiment.decode.clone();
    let result = ensemble.evaluate(split, &decode, interrupt)?;
    write(session, &result, (split, &format!("{}, ensemble of {count}", decode.label())), output, None, semantic)?;
    Ok(ExitStatus::Success)
}

/// The end of a training; `None` in a folder that is not a finished run's.
fn finished(folder: &Path) -> Result<Option<TrainState>> {
    let stages = [reinforce_folder(folder), folder.to_owned()].map(|stage| stage.join("checkpoints").join(LAST));
    let Some(path) = stages.iter().map(|last| last.join(STATE)).find(|path| path.is_file()) else { return Ok(None) };
    if !RunFolder::is_done(folder) {
        return Ok(None);
    }
    let state = serde_json::from_str(&read_text(&path)?).map_err(crate::util::json::error);
    Ok(Some(state.with_context(|| format!("'{}' is not a training state", path.display()))?))
}

/// Decodes and scores a split, writes captions and scores under `folder/predictions`, prints the scores. `run`: how the
/// training ended, and the folder of the run, whose result takes in the captions of the test split.
pub(super) fn evaluate_and_write(
    session: &Session,
    (split, decode): (Split, &DecodeConfig),
    folder: &Path,
    run: Option<(&TrainState, &Path)>,
    semantic: &Semantic,
    interrupt: &Interrupt,
) -> Result<()> {
    let result = session.evaluate(split, decode, interrupt)?;
    if let (Split::Test, Some((state, run))) = (split, run) {
        record::add_decoding(session, state, run, record::decoding(session, decode, &result)?)?;
    }
    write(session, &result, (split, &decode.label()), folder, run.map(|(state, _)| state), semantic)
}

/// Writes captions and scores of a split decoded in the way of that label, and prints the scores.
fn write(
    session: &Session,
    result: &SplitEvaluation,
    (split, label): (Split, &str),
    folder: &Path,
    state: Option<&TrainState>,
    semantic: &Semantic,
) -> Result<()> {
    let by_meaning = semantic::of_split(session, result, semantic)?;
    let mean = mean(&by_meaning);
    let stem = format!("{split}-{}", label.replace([' ', ',', '='], "-").replace("--", "-"));
    let captions = folder.join("predictions").join(format!("{stem}.jsonl"));
    write_captions(session, result, &by_meaning, &captions)?;
    let scores = folder.join("predictions").join(format!("{stem}.scores.json"));
    let mut summary = json!({
        "split": split.name(),
        "decoding": label,
        "images": result.images.len(),
        "unfinished": result.unfinished,
        "seconds": result.seconds,
        "corpus": result.evaluation.corpus,
        "memory": result.memory,
        "signature": result.signature,
        "corpus_on_ids": result.on_ids,
        "attributes": result.attributes,
        "best_epoch": state.and_then(|s| s.best.as_ref()).map(|b| b.epoch),
        "epochs": state.map(|s| s.epoch),
    });
    if !mean.0.is_empty() {
        let signature: BTreeMap<_, _> = semantic.signature().into_iter().collect();
        summary["by_meaning"] = json!({"corpus": mean, "computed_with": signature});
    }
    crate::util::fs::write_atomic(&scores, &serde_json::to_vec_pretty(&summary)?)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} {split}, {} images, {}", session.dataset.name, result.images.len(), label)?;
    let mut scores = result.evaluation.corpus.clone();
    scores.0.extend(result.attributes.iter().flat_map(|attributes| attributes.0.clone()));
    scores.0.extend(mean.0);
    print_scores(&mut out, &scores)?;
    if session.scores_ids() {
        writeln!(out, "the same captions as word ids, which is what the published program scores")?;
        print_scores(&mut out, &result.on_ids)?;
    }
    if let Some(memory) = &result.memory {
        crate::cli::scoring::memory_table(&mut out, memory)?;
    }
    semantic.notes().iter().try_for_each(|note| writeln!(out, "{note}"))?;
    writeln!(out, "{}", result.signature)?;
    let skipped = session.skipped(split);
    if !skipped.is_empty() {
        writeln!(out, "{} images of the split are missing or unreadable and were not scored", skipped.len())?;
    }
    if result.unfinished > 0 {
        writeln!(out, "{} images have no caption that ended and were not scored", result.unfinished)?;
    }
    writeln!(out, "captions: {}", captions.display())?;
    Ok(())
}

/// One line a metric.
pub(super) fn print_scores(out: &mut dyn Write, scores: &Scores) -> Result<()> {
    let width = scores.names().map(str::len).max().unwrap_or(0);
    for (name, value) in &scores.0 {
        writeln!(out, "  {name:width$}  {value:.4}")?;
    }
    Ok(())
}

/// A line an image: file, caption, candidates, references and this image's scores; `rsic score` reads it.
fn write_captions(session: &Session, result: &SplitEvaluation, by_meaning: &[Scores], path: &Path) -> Result<()> {
    write_atomic_with(path, |file| {
        let images = result.images.iter().zip(&result.decoded);
        let scores = result.evaluation.images.iter().zip(by_meaning);
        for ((&image, decoded), (scores, by_meaning)) in images.zip(scores) {
            let entry = &session.dataset.images[image];
            let candidates: Vec<_> =
                decoded.candidates.iter().map(|c| json!({"caption": c.caption, "log_prob": c.log_prob})).collect();
            let references: Vec<&str> = entry.captions.iter().map(|c| c.text.as_str()).collect();
            let mut line = json!({
                "image_id": entry.id,
                "file": entry.file_name,
                "caption": decoded.caption,
                "log_prob": decoded.log_prob,
                "candidates": candidates,
                "references": references,
                "scores": Scores(scores.0.iter().chain(&by_meaning.0).cloned().collect()),
            });
            if !decoded.nouns.is_empty() {
                line["nouns"] = json!(decoded.nouns);
            }
            writeln!(file, "{line}")?;
        }
        Ok(())
    })
}
