//! `--dry-run`: tables, rows, distinct runs, what is done of them and what the others take of a GPU.

use crate::experiments::memory::training_mib;
use crate::experiments::plan::{Plan, PlannedRun, PlannedTable};
use crate::runs::RunResult;
use crate::weights;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// Runs with their seeds that are listed one by one; more are counted.
const FEW: usize = 40;

pub(super) fn list(plan: &Plan, out: &mut dyn Write) -> Result<()> {
    let total: usize = plan.runs.iter().map(|run| run.seeds.len()).sum();
    if total > FEW {
        return count(plan, total, out);
    }
    for planned in &plan.tables {
        let seeds: Vec<String> = planned.seeds.iter().map(u64::to_string).collect();
        writeln!(out, "{}: {}", planned.table.label(), planned.table.title)?;
        writeln!(out, "  rows to measure {} of {}, seeds {}", own(planned), planned.rows.len(), seeds.join(" "))?;
        for (row, place) in planned.table.rows.iter().zip(&planned.rows) {
            if let Some(run) = place.run.and_then(|index| plan.runs.get(index)) {
                writeln!(out, "  {} -> {}", row.method, run.folder.display())?;
            }
        }
    }
    writeln!(out, "distinct runs {}, with seeds {total}", plan.runs.len())?;
    for (run, seed) in with_seeds(plan) {
        let state = state(run, seed);
        write!(out, "  {}: {state}", run.seed_folder(seed).display())?;
        match training_mib(&run.experiment).filter(|_| state == TO_TRAIN) {
            Some(mib) => writeln!(out, " (on a GPU: about {:.1} GiB)", mib as f64 / 1024.0)?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// A line a paper, and a line for all runs that stand alike.
fn count(plan: &Plan, total: usize, out: &mut dyn Write) -> Result<()> {
    let mut papers: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for planned in &plan.tables {
        let (tables, rows) = papers.entry(&planned.table.paper).or_default();
        *tables += 1;
        *rows += own(planned);
    }
    for (paper, (tables, rows)) in papers {
        writeln!(out, "{paper}: tables {tables}, rows to measure {rows}")?;
    }
    writeln!(out, "distinct runs {}, with seeds {total}", plan.runs.len())?;
    let without = |run: &PlannedRun, state: &str| !run.missing.is_empty() && state.starts_with(CANNOT);
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for (run, seed) in with_seeds(plan) {
        let state = state(run, seed);
        *states
            .entry(if without(run, &state) { "cannot run for want of weights".into() } else { state })
            .or_default() += 1;
    }
    for (state, count) in states {
        writeln!(out, "  {count} {state}")?;
    }
    if let Some(command) = all_weights(plan) {
        writeln!(out, "  weights that are public: {command}")?;
    }
    let not_public: BTreeSet<&String> =
        plan.runs.iter().flat_map(|run| &run.missing).filter(|m| !is_public(m)).collect();
    for missing in not_public {
        writeln!(out, "  {missing}")?;
    }
    writeln!(out, "single tables, --paper, --datasets and --rows narrow this; {FEW} runs and fewer are listed each")?;
    Ok(())
}

/// How a run that wants weights is told.
const CANNOT: &str = "cannot run: ";
const TO_TRAIN: &str = "to be trained";

fn state(run: &PlannedRun, seed: u64) -> String {
    match RunResult::load(&run.seed_folder(seed)) {
        Ok(Some(result)) if run.decodings.iter().all(|decode| result.decoding(decode).is_some()) => "finished".into(),
        Ok(Some(_)) => "to be decoded".into(),
        Ok(None) if !run.missing.is_empty() => format!("{CANNOT}{}", run.missing.join("; ")),
        Ok(None) => TO_TRAIN.into(),
        Err(error) => format!("{error:#}"),
    }
}

fn with_seeds(plan: &Plan) -> impl Iterator<Item = (&PlannedRun, u64)> {
    plan.runs.iter().flat_map(|run| run.seeds.iter().map(move |seed| (run, *seed)))
}

/// Rows that this paper's models fill.
fn own(planned: &PlannedTable) -> usize {
    planned.rows.iter().filter(|row| row.run.is_some()).count()
}

fn is_public(missing: &str) -> bool {
    missing.contains("rsic weights fetch")
}

/// The one command that gets all public weights which the runs of a plan lack; `None` where it would get none.
pub(super) fn all_weights(plan: &Plan) -> Option<String> {
    let lacking = plan.runs.iter().filter(|run| !run.missing.is_empty()).flat_map(|run| &run.experiment.encoders);
    let names: BTreeSet<String> = lacking
        .filter(|encoder| !Path::new(&encoder.weights).is_file())
        .filter_map(|encoder| {
            weights::fetched_as(&encoder.name, &weights::training_of(&encoder.name, &encoder.weights)?)
        })
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    (!names.is_empty()).then(|| format!("rsic weights fetch {}", names.join(" ")))
}
