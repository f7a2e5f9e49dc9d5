//! `rsic reproduce`: trains what a table needs, and prints published, measured and difference.

mod dry_run;

use super::runner::Trainer;
use super::{ExitStatus, this_command};
use crate::cli::{GlobalArgs, ReproduceArgs};
use crate::experiment::{self, Experiment};
use crate::experiments::encoders::Sources;
use crate::experiments::plan::{Load, Options, Plan, PlannedRun, PlannedTable};
use crate::experiments::published::published_row;
use crate::experiments::runner::{Executed, Runner, execute};
use crate::experiments::{Comparison, catalog, reported};
use crate::report::html::{self, Curves, Details, Page, Shown};
use crate::report::{text, write_tables};
use crate::runs::RunFolder;
use crate::runs::{RunResult, result};
use crate::runtime::{self, Interrupt};
use crate::util::fs::write_atomic;
use anyhow::{Result, bail};
use dry_run::all_weights;
use std::io::Write;
use std::path::Path;

pub fn run(global: &GlobalArgs, args: &ReproduceArgs) -> Result<ExitStatus> {
    let device = runtime::device(&global.device)?;
    runtime::set_threads(global.threads)?;
    let mut trainer = Trainer { device, interrupt: Interrupt::install()? };
    reproduce(args, &this_command(), &load, &mut trainer, &mut std::io::stdout().lock())
}

/// The whole command, with the loading of experiments and the making of runs as parameters. `command` is what the page
/// shows as the way to repeat it.
pub fn reproduce(
    args: &ReproduceArgs,
    command: &str,
    load: &Load,
    runner: &mut dyn Runner,
    out: &mut dyn Write,
) -> Result<ExitStatus> {
    let mut tables = catalog::find(&args.experiments, &args.paper, &args.tables, &args.datasets)?;
    for found in &mut tables {
        found.table.keep_rows(&args.rows)?;
    }
    let options = Options {
        sources: Sources::new(&args.weights, &args.encoder)?,
        seeds: args.seeds.clone(),
        overrides: args.overrides.clone(),
        output: args.output.clone(),
    };
    let plan = Plan::new(tables, &options, load)?;
    if args.dry_run {
        dry_run::list(&plan, out)?;
        return Ok(ExitStatus::Success);
    }
    refuse_if_nothing_can_run(&plan)?;
    let executed = execute(&plan, runner);
    for (index, planned) in plan.tables.iter().enumerate() {
        let mut comparison = Comparison::new(&plan, planned, &executed, &args.overrides);
        let same = |run: &PlannedRun| published_row(&run.experiment, &args.experiments, load);
        comparison.add_rows_of_same_encoder(&plan, planned, &same)?;
        if index > 0 {
            writeln!(out)?;
        }
        write!(out, "{}", text::table(&comparison))?;
        let folder = args.output.join("tables");
        let stem = planned.table.file_stem();
        write_tables(&folder, &stem, &comparison)?;
        let page = page(&plan, planned, &executed, &comparison, command);
        let path = folder.join(format!("{stem}.html"));
        write_atomic(&path, html::page(&page).as_bytes())?;
        samples(&page, out)?;
        writeln!(out, "Page: {}", path.display())?;
    }
    Ok(match (executed.interrupted, executed.complete()) {
        (true, _) => ExitStatus::Interrupted,
        (false, true) => ExitStatus::Success,
        (false, false) => ExitStatus::Failure,
    })
}

/// Runs whose weights are absent become footnotes, unless there is nothing else.
fn refuse_if_nothing_can_run(plan: &Plan) -> Result<()> {
    let done = |run: &PlannedRun| run.seeds.iter().any(|seed| run.seed_folder(*seed).join(result::FILE).exists());
    match plan.runs.first() {
        Some(first) if plan.runs.iter().all(|run| !run.missing.is_empty() && !done(run)) => bail!(
            "no row can be run: {}{}; give other files with --weights DIR or --weights NAME=FILE, or use another \
             encoder with --encoder NAME=FILE",
            first.missing.join("; "),
            all_weights(plan)
                .filter(|command| !first.missing.iter().any(|missing| missing.contains(command)))
                .map_or_else(String::new, |command| format!("; for all rows: '{command}'"))
        ),
        _ => Ok(()),
    }
}

fn page<'a>(
    plan: &'a Plan,
    planned: &'a PlannedTable,
    executed: &'a Executed,
    comparison: &'a Comparison,
    command: &'a str,
) -> Page<'a> {
    let mut page =
        Page { comparison, command, differences: None, curves: Vec::new(), shown: Vec::new(), details: Vec::new() };
    let mut seen = Vec::new();
    for place in &planned.rows {
        let Some(index) = place.run.filter(|index| !seen.contains(index)) else { continue };
        seen.push(index);
        let results: Vec<&RunResult> =
            planned.seeds.iter().filter_map(|seed| executed.results.get(&(index, *seed))).collect();
        let Some(first) = results.first().copied().filter(|_| index < plan.runs.len()) else { continue };
        let rows = planned.table.rows.iter().zip(&planned.rows);
        let methods: Vec<&str> =
            rows.filter(|(_, other)| other.run == Some(index)).map(|(row, _)| row.method.as_str()).collect();
        let methods = methods.join(" = ");
        let folder = plan.runs.get(index).map(|run| run.seed_folder(first.seed)).unwrap_or_default();
        page.details.extend(details(&methods, first.seed, &folder));
        for decoding in place.decodings.iter().filter_map(|decode| first.decoding(decode)) {
            page.shown.push(Shown { methods: methods.clone(), result: first, decoding });
        }
        page.curves.push(Curves { methods, results });
    }
    page
}

/// What a run folder says of how it was made; `None` where it says nothing.
pub(super) fn details(methods: &str, seed: u64, folder: &Path) -> Option<Details> {
    Some(Details {
        name: format!("{methods}, seed {seed}"),
        folder: folder.display().to_string(),
        command: RunFolder::command(folder),
        config: std::fs::read_to_string(folder.join(reported::CONFIG)).ok()?,
    })
}

/// A few images with what was said of them, by the last row's last decoding.
fn samples(page: &Page, out: &mut dyn Write) -> Result<()> {
    const SHOWN: usize = 4;
    let Some(Shown { methods, result, decoding }) = page.shown.last() else { return Ok(()) };
    writeln!(out, "Captions by {methods}, {}:", decoding.name)?;
    let pairs: Vec<_> = result.images.iter().zip(&decoding.captions).collect();
    for (image, caption) in pairs.iter().step_by(pairs.len().div_ceil(SHOWN).max(1)) {
        writeln!(out, "  {}: {}", image.path.display(), caption.caption)?;
        if let Some(reference) = image.references.first() {
            writeln!(out, "    reference: {reference}")?;
        }
    }
    Ok(())
}

fn load(path: &Path, overrides: &[String]) -> Result<Experiment> {
    Ok(experiment::load(path, overrides)?.experiment)
}
