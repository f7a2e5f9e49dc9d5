//! `rsic train`: trains a model, scores it on the test split.

use super::ExitStatus;
use super::progress::FeatureBar;
use crate::cli::{GlobalArgs, TrainArgs};
use crate::data::{Dataset, Split, Vocabulary};
use crate::experiment::{self, Experiment};
use crate::experiments::encoders::located;
use crate::runs::RunFolder;
use crate::runs::RunLock;
use crate::runtime::{self, Interrupt, Stopped};
use crate::semantic::Semantic;
use crate::session::Session;
use crate::train::parallel::Launch;
use crate::train::{Checkpoints, Done, Outcome, ProcessGroup, TrainConfig, TrainState};
use crate::util::logging;
use crate::util::shell::{continuing, quoted, this_command};
use anyhow::Result;
use std::io::Write;
use std::path::{Path, PathBuf};
use tch::Device;

pub(super) fn run(global: &GlobalArgs, args: &TrainArgs) -> Result<ExitStatus> {
    let experiment = located(experiment::load(&args.config, &args.overrides)?.experiment)?;
    let launch = Launch::from_env()?;
    let device = launch.device(&global.device)?;
    runtime::set_threads(global.threads.or(launch.threads()))?;
    let path = args.run.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(&experiment.name));
    let interrupt = Interrupt::install()?;
    if args.run.dry_run {
        let dataset = Dataset::load(&experiment.data)?;
        let vocabulary = Vocabulary::build(&dataset, &experiment.data.vocabulary)?;
        let mut out = std::io::stdout().lock();
        for split in Split::ALL {
            writeln!(out, "{split}: {} images", dataset.split(split).len())?;
        }
        writeln!(out, "vocabulary: {} words", vocabulary.len())?;
        writeln!(out, "would train in '{}'", path.display())?;
        return Ok(ExitStatus::Success);
    }
    let group = ProcessGroup::join(&launch, device)?;
    let mut lock = None;
    let open = || {
        lock = Some(RunLock::take(&path)?);
        RunFolder::open(&path, &experiment, args.run.resume, args.run.overwrite).map(|folder| folder.resume)
    };
    let folder = RunFolder { resume: group.share(open)?, path };
    let _log = group.leads().then(|| logging::attach_run(&folder.path)).transpose()?;
    let (mut session, state, outcome) = train_in(experiment, &folder, device, &interrupt, &group)?;
    if outcome == Outcome::Interrupted {
        if group.leads() {
            tracing::warn!("interrupted; continue with: {}", continuing(this_command()));
        }
        group.finish();
        return Ok(ExitStatus::Interrupted);
    }
    if group.leads() {
        let decode = session.experiment.decode.clone();
        let (path, none) = (&folder.path, Semantic::default());
        let run = Some((&state, path.as_path()));
        super::eval::evaluate_and_write(&session, (Split::Test, &decode), path, run, &none, &interrupt)?;
        for metric in chosen_beside(&session.experiment.train) {
            let name = Checkpoints::best_by(&metric);
            session.take_weights(&Checkpoints::of_run(path).path(&name))?;
            writeln!(std::io::stdout().lock(), "of the epoch with the best {metric}:")?;
            let folder = path.join(name);
            super::eval::evaluate_and_write(&session, (Split::Test, &decode), &folder, None, &none, &interrupt)?;
        }
        writeln!(std::io::stdout().lock(), "for an HTML page: rsic report {}", quoted(&path.to_string_lossy()))?;
    }
    drop(lock);
    group.finish();
    Ok(ExitStatus::Success)
}

/// Scores of a further split by which checkpoints are kept: each is a choice of its own, and its test scores belong
/// beside those of the first.
fn chosen_beside(train: &TrainConfig) -> Vec<String> {
    let of_split = |metric: &&String| train.early_stop.beside.is_some_and(|split| split.metric(metric).is_some());
    train.keep_best.iter().filter(of_split).cloned().collect()
}

/// Trains in an opened folder, with its status and descriptions kept, and a bar a run's epoch. Every process of the
/// group does so; the first one writes.
pub(super) fn train_in(
    experiment: Experiment,
    folder: &RunFolder,
    device: Device,
    interrupt: &Interrupt,
    group: &ProcessGroup,
) -> Result<(Session, TrainState, Outcome)> {
    let attempt = || -> Result<(Session, TrainState, Outcome)> {
        let mut progress = FeatureBar::new(interrupt);
        let mut session = Session::new(experiment, device, &mut |p| progress.update(p))?;
        group.share(|| {
            folder.describe(&session.data_used()?)?;
            folder.set_status("running")
        })?;
        let mut bar: Option<logging::Bar> = None;
        let mut on_step = |Done { done, of, loss }: Done| {
            if !group.leads() {
                return;
            }
            let shown = bar.get_or_insert_with(|| logging::progress(of, "epoch"));
            if let Some(loss) = loss {
                shown.message(&format!("loss {loss:.3}"));
            }
            shown.set(done);
            if done == of {
                bar = None; // the next epoch has its own
            }
        };
        let (state, outcome) = session.train(&folder.path, folder.resume, interrupt, group, &mut on_step)?;
        Ok((session, state, outcome))
    };
    let result = attempt();
    match &result {
        _ if !group.leads() => {}
        Ok((_, _, Outcome::Finished)) => folder.set_done()?,
        Ok((_, _, Outcome::Interrupted)) => folder.set_status("interrupted")?,
        Err(error) if error.is::<Stopped>() => folder.set_status("interrupted")?,
        Err(error) => note_failure(folder, &folder.path, error),
    }
    result
}

/// The error itself is what the user must see, so a folder that cannot be written is only logged.
fn note_failure(folder: &RunFolder, path: &Path, error: &anyhow::Error) {
    if let Err(second) = folder.set_status(&format!("failed: {error:#}")) {
        tracing::debug!("cannot record the failure in '{}': {second:#}", path.display());
    }
}
