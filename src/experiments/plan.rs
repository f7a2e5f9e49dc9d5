//! From tables to distinct runs: rows are resolved to experiments, and equal experiments are one run.

use super::catalog::Found;
use super::encoders::Sources;
use super::table::{DecodingName, Row, RunSettings, Table};
use crate::decode::{DecodeConfig, DecodeMethod};
use crate::experiment::Experiment;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Loads an experiment file with `key=value` overrides.
pub type Load<'a> = dyn Fn(&Path, &[String]) -> Result<Experiment> + 'a;

/// What the user may change in every run.
#[derive(Debug, Clone)]
pub struct Options {
    pub sources: Sources,
    /// Seeds in place of the tables' own; the tables' where empty.
    pub seeds: Vec<u64>,
    /// Dotted settings, applied after the rows' own.
    pub overrides: Vec<String>,
    /// Folder under which run folders lie.
    pub output: PathBuf,
}

/// All that is to be run, and which rows use it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub tables: Vec<PlannedTable>,
    pub runs: Vec<PlannedRun>,
}

#[derive(Debug, Clone)]
pub struct PlannedTable {
    pub table: Table,
    pub path: PathBuf,
    pub seeds: Vec<u64>,
    /// One per row of the table.
    pub rows: Vec<PlannedRow>,
}

#[derive(Debug, Clone)]
pub struct PlannedRow {
    /// Index into [`Plan::runs`]; `None` for other papers' methods.
    pub run: Option<usize>,
    /// Encoders that the table asks for, by name.
    pub asked: Vec<String>,
    /// Decodings shown, in order.
    pub decodings: Vec<DecodeConfig>,
}

/// One distinct experiment, for all its seeds.
#[derive(Debug, Clone)]
pub struct PlannedRun {
    /// [`Experiment::identity`].
    pub id: String,
    pub experiment: Experiment,
    /// Folder of the run; each seed has its own below it, [`PlannedRun::seed_folder`].
    pub folder: PathBuf,
    pub seeds: Vec<u64>,
    /// Decodings that some table shows.
    pub decodings: Vec<DecodeConfig>,
    /// What keeps it from running, one sentence each.
    pub missing: Vec<String>,
}

impl PlannedRun {
    pub fn seed_folder(&self, seed: u64) -> PathBuf {
        self.folder.join(format!("seed{seed}"))
    }
}

impl Plan {
    /// Resolves every row of `tables`. Errors name the table file and the row.
    pub fn new(tables: Vec<Found>, options: &Options, load: &Load) -> Result<Self> {
        let mut plan = Self { tables: Vec::new(), runs: Vec::new() };
        for Found { path, table } in tables {
            let seeds = if options.seeds.is_empty() { table.seeds.clone() } else { options.seeds.clone() };
            let mut rows = Vec::new();
            for row in &table.rows {
                let planned = plan
                    .add_row(&path, &table, row, &seeds, options, load)
                    .with_context(|| format!("table file '{}', row '{}'", path.display(), row.method))?;
                rows.push(planned);
            }
            plan.tables.push(PlannedTable { table, path, seeds, rows });
        }
        Ok(plan)
    }

    fn add_row(
        &mut self,
        path: &Path,
        table: &Table,
        row: &Row,
        seeds: &[u64],
        options: &Options,
        load: &Load,
    ) -> Result<PlannedRow> {
        let Some(settings) = &row.run else {
            return Ok(PlannedRow { run: None, asked: Vec::new(), decodings: Vec::new() });
        };
        let (experiment, asked, missing) = resolve(path, table, settings, options, load)?;
        let decodings: Vec<DecodeConfig> = table.decodings.iter().map(|name| decoding(&experiment, *name)).collect();
        let id = experiment.identity()?;
        let index = match self.runs.iter().position(|run| run.id == id) {
            Some(index) => index,
            None => {
                let label = label(&experiment);
                let short = id.get(..10).unwrap_or(&id);
                let folder = options.output.join(&table.paper).join(format!("{label}-{short}"));
                let name = format!("{}/{label}", table.paper);
                let experiment = Experiment { name, ..experiment };
                self.runs.push(PlannedRun { id, experiment, folder, seeds: vec![], decodings: vec![], missing });
                self.runs.len() - 1
            }
        };
        if let Some(run) = self.runs.get_mut(index) {
            run.seeds.extend(seeds);
            run.seeds.sort_unstable();
            run.seeds.dedup();
            for decode in &decodings {
                if !run.decodings.iter().any(|known| known.canonical() == decode.canonical()) {
                    run.decodings.push(decode.clone());
                }
            }
        }
        Ok(PlannedRow { run: Some(index), asked, decodings })
    }
}

/// The experiment of a row, the encoder names that the table asks for, and what is missing to run it.
fn resolve(
    path: &Path,
    table: &Table,
    settings: &RunSettings,
    options: &Options,
    load: &Load,
) -> Result<(Experiment, Vec<String>, Vec<String>)> {
    let base = settings.base.as_ref().unwrap_or(&table.base);
    let base = path.parent().unwrap_or(Path::new("")).join(base);
    let mut overrides = settings.overrides();
    overrides.extend(options.overrides.iter().cloned());
    let mut experiment = load(&base, &overrides)?;
    let asked = if settings.encoders.is_empty() {
        experiment.encoders.iter().map(|encoder| encoder.name.clone()).collect()
    } else {
        settings.encoders.clone()
    };
    let (encoders, missing) = options.sources.resolve(&settings.encoders, &experiment.encoders)?;
    experiment.encoders = encoders;
    Ok((experiment, asked, missing))
}

fn decoding(experiment: &Experiment, name: DecodingName) -> DecodeConfig {
    let method = match name {
        DecodingName::Greedy => DecodeMethod::Greedy,
        DecodingName::Beam => DecodeMethod::Beam,
        DecodingName::Comparison => DecodeMethod::Comparison,
    };
    DecodeConfig { method, ..experiment.decode.clone() }
}

/// What a run folder is called: dataset, model and encoders, from the experiment alone, so that every table that shares
/// the run finds it under one name.
fn label(experiment: &Experiment) -> String {
    let dataset = experiment.data.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let model = experiment.model.variant(experiment.first_stage.is_some());
    let encoders: Vec<&str> = experiment.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
    let text = format!("{dataset}-{model}-{}", encoders.join("+"));
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_+.".contains(c) { c } else { '_' }).collect()
}
