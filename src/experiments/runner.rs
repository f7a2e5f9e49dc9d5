//! Runs a plan: finished runs are skipped, a failing one does not stop the others.

use super::plan::{Plan, PlannedRun};
use crate::decode::DecodeConfig;
use crate::experiment::Experiment;
use crate::runs::RunLock;
use crate::runs::result::{EncoderUsed, RunResult};
use crate::runtime::Stopped;
use crate::util::fs::{sha256_file, write_atomic};
use anyhow::{Context, Error, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// File in a run folder that says why the last attempt failed.
pub const FAILURE_FILE: &str = "failure.txt";

/// One run to be made: what a [`Runner`] is given.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `train.seed` is already `seed`.
    pub experiment: &'a Experiment,
    /// Identity to be put into the result.
    pub id: &'a str,
    pub seed: u64,
    /// Run folder; a training that was interrupted there is to be continued, a finished one to be used as it is.
    pub folder: &'a Path,
    /// How to decode the test split; decodings that an earlier result holds are not asked again.
    pub decodings: &'a [DecodeConfig],
}

/// How one run ended, when it did not fail.
#[derive(Debug)]
pub enum RunOutcome {
    Finished(Box<RunResult>),
    /// Stopped by a signal after a checkpoint was written; nothing further is started.
    Interrupted,
}

/// Trains and evaluates one run: the seam between tables and training.
pub trait Runner {
    /// Trains in `request.folder` unless that is done, and decodes and scores the test split.
    fn run(&mut self, request: &Request) -> Result<RunOutcome>;
}

/// What became of a plan's runs.
#[derive(Debug, Default)]
pub struct Executed {
    /// Results by (index of the run in the plan, seed).
    pub results: BTreeMap<(usize, u64), RunResult>,
    /// Why runs failed, by the same key.
    pub failures: BTreeMap<(usize, u64), String>,
    /// Runs that another process was making, by the same key.
    pub elsewhere: BTreeSet<(usize, u64)>,
    pub interrupted: bool,
}

impl Executed {
    /// Whether a run that the plan could make is missing.
    pub fn complete(&self) -> bool {
        self.failures.is_empty() && self.elsewhere.is_empty() && !self.interrupted
    }
}

/// Makes every run of the plan that is not finished. A run that cannot be made for want of weights counts as failed;
/// one that another process is making is left to it, so that several may work through one plan.
pub fn execute(plan: &Plan, runner: &mut dyn Runner) -> Executed {
    let mut executed = Executed::default();
    let mut hashes = BTreeMap::new();
    let mut without_weights: BTreeMap<String, usize> = BTreeMap::new();
    let total: usize = plan.runs.iter().map(|run| run.seeds.len()).sum();
    let jobs =
        plan.runs.iter().enumerate().flat_map(|(index, run)| run.seeds.iter().map(move |seed| (index, run, *seed)));
    for (number, (index, run, seed)) in jobs.enumerate() {
        let folder = run.seed_folder(seed);
        let (number, shown) = (number + 1, folder.display());
        let stopped = |error: Error| if error.is::<Stopped>() { Ok(Attempt::Interrupted) } else { Err(error) };
        match run_one(run, seed, runner, &mut hashes).or_else(stopped) {
            Ok(Attempt::Kept(result)) => {
                tracing::info!("run {number} of {total}: {shown} is finished");
                executed.results.insert((index, seed), *result);
            }
            Ok(Attempt::Made(result)) => {
                tracing::info!("run {number} of {total}: {shown} finished");
                executed.results.insert((index, seed), *result);
            }
            Ok(Attempt::Elsewhere) => {
                tracing::info!("run {number} of {total}: {shown} is running in another process");
                executed.elsewhere.insert((index, seed));
            }
            Ok(Attempt::Interrupted) => {
                tracing::warn!(
                    "run {number} of {total}: {shown} was interrupted; rerun the same command to continue it"
                );
                executed.interrupted = true;
                break;
            }
            Err(error) => {
                let reason = format!("{error:#}");
                if run.missing.is_empty() {
                    tracing::error!("run {number} of {total}: {shown} failed: {reason}");
                } else {
                    *without_weights.entry(reason.clone()).or_default() += 1;
                }
                // A note for whoever looks into the folder; a folder that cannot be written is the very fault reported.
                if run.missing.is_empty()
                    && let Err(error) = write_atomic(&folder.join(FAILURE_FILE), format!("{reason}\n").as_bytes())
                {
                    tracing::debug!("{error:#}");
                }
                executed.failures.insert((index, seed), reason);
            }
        }
    }
    for (reason, count) in without_weights {
        tracing::error!("{count} of {total} runs cannot be made: {reason}");
    }
    executed
}

enum Attempt {
    Kept(Box<RunResult>),
    Made(Box<RunResult>),
    /// Another process is at it.
    Elsewhere,
    Interrupted,
}

fn run_one(
    run: &PlannedRun,
    seed: u64,
    runner: &mut dyn Runner,
    hashes: &mut BTreeMap<PathBuf, String>,
) -> Result<Attempt> {
    let folder = run.seed_folder(seed);
    // Without weights nothing is written, not even a lock.
    let lock = if run.missing.is_empty() { RunLock::try_take(&folder)? } else { None };
    if run.missing.is_empty() && lock.is_none() {
        return Ok(Attempt::Elsewhere);
    }
    let earlier = RunResult::load(&folder)?;
    let mut decodings = run.decodings.clone();
    if let Some(earlier) = &earlier {
        check_same(run, seed, earlier, &folder, hashes)?;
        decodings.retain(|decode| earlier.decoding(decode).is_none());
        if decodings.is_empty() {
            return Ok(Attempt::Kept(Box::new(earlier.clone())));
        }
    }
    if !run.missing.is_empty() {
        bail!("{}", run.missing.join("; "));
    }
    let mut experiment = run.experiment.clone();
    experiment.train.seed = seed;
    let request = Request { experiment: &experiment, id: &run.id, seed, folder: &folder, decodings: &decodings };
    let mut result = match runner.run(&request)? {
        RunOutcome::Finished(result) => result,
        RunOutcome::Interrupted => return Ok(Attempt::Interrupted),
    };
    if let Some(earlier) = earlier {
        result.decodings.splice(0..0, earlier.decodings);
    }
    for decode in &run.decodings {
        if result.decoding(decode).is_none() {
            bail!("the run has no scores for decoding '{}'", decode.label());
        }
    }
    result.save(&folder)?;
    let failure = folder.join(FAILURE_FILE);
    if failure.exists() {
        std::fs::remove_file(&failure).with_context(|| format!("cannot remove '{}'", failure.display()))?;
    }
    Ok(Attempt::Made(result))
}

/// A result is taken over only if it is of this experiment, this seed and these weights.
fn check_same(
    run: &PlannedRun,
    seed: u64,
    earlier: &RunResult,
    folder: &Path,
    hashes: &mut BTreeMap<PathBuf, String>,
) -> Result<()> {
    if earlier.experiment != run.id || earlier.seed != seed {
        bail!("'{}' contains the result of another experiment; remove it or choose another --output", folder.display());
    }
    for EncoderUsed { weights, sha256, .. } in &earlier.encoders {
        let path = PathBuf::from(weights);
        let (Some(recorded), true) = (sha256, path.is_file()) else { continue };
        let now = match hashes.get(&path) {
            Some(hash) => hash.clone(),
            None => {
                let hash = sha256_file(&path)?;
                hashes.insert(path.clone(), hash.clone());
                hash
            }
        };
        if now != *recorded {
            bail!("'{weights}' has changed since the run in '{}'; remove that folder to rerun", folder.display());
        }
    }
    Ok(())
}
