//! `rsic sweep`: one experiment under many settings, by one process, several, or a cluster's.

mod launch;
mod slurm;

use super::ExitStatus;
use super::runner::Trainer;
use crate::cli::{GlobalArgs, SweepArgs};
use crate::experiment;
use crate::experiments::runner::execute;
use crate::experiments::sweep::{PlannedSweep, Standings};
use crate::report::sweep as report;
use crate::runs::RunResult;
use crate::runtime::{self, Interrupt};
use crate::util::fs::write_atomic;
use anyhow::{Result, bail};
use std::io::Write;

pub(super) fn run(global: &GlobalArgs, args: &SweepArgs) -> Result<ExitStatus> {
    let load = |path: &std::path::Path, overrides: &[String]| Ok(experiment::load(path, overrides)?.experiment);
    let mut planned = PlannedSweep::new(&args.sweep, &args.output, &args.overrides, &load)?;
    if args.jobs == 0 {
        bail!("--jobs is 0; it must be at least 1");
    }
    match (args.launcher.as_str(), args.dry_run) {
        ("slurm", _) => return slurm::submit(&planned, global, args),
        (_, true) => return list(&planned),
        _ => {}
    }
    if let Some(task) = args.task {
        planned.keep(task)?;
    }
    let status = match args.launcher.as_str() {
        "local" if args.jobs == 1 => here(&planned, global)?,
        "local" => launch::workers(global, args)?,
        template => launch::by_template(&planned, template, global, args)?,
    };
    if !args.worker && args.task.is_none() {
        show(&planned)?;
    }
    Ok(status)
}

/// Works through the runs in this process.
fn here(planned: &PlannedSweep, global: &GlobalArgs) -> Result<ExitStatus> {
    let device = runtime::device(&global.device)?;
    runtime::set_threads(global.threads)?;
    let mut trainer = Trainer { device, interrupt: Interrupt::install()? };
    let executed = execute(&planned.plan, &mut trainer);
    Ok(match (executed.interrupted, executed.failures.is_empty()) {
        (true, _) => ExitStatus::Interrupted,
        (false, true) => ExitStatus::Success,
        (false, false) => ExitStatus::Failure,
    })
}

/// `--dry-run`: each run with its settings, and what is done of it.
fn list(planned: &PlannedSweep) -> Result<ExitStatus> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: {} runs, with seeds {}", planned.sweep.name, planned.plan.runs.len(), planned.tasks().len())?;
    for (run, settings) in planned.plan.runs.iter().zip(&planned.settings) {
        let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        writeln!(out, "  {}: {}", run.folder.display(), settings.join(" "))?;
        for &seed in &run.seeds {
            let done = RunResult::load(&run.seed_folder(seed))?.is_some();
            writeln!(out, "    seed {seed}: {}", if done { "finished" } else { "to be trained" })?;
        }
    }
    Ok(ExitStatus::Success)
}

/// Prints how the runs stand, and writes that beside them.
fn show(planned: &PlannedSweep) -> Result<()> {
    let standings = Standings::read(planned)?;
    let text = report::text(&standings);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    write_atomic(&planned.folder.join("sweep.txt"), text.as_bytes())?;
    write_atomic(&planned.folder.join("sweep.csv"), report::csv(&standings)?.as_bytes())
}
