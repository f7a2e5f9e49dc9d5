//! Finished runs as their folders hold them, for reports: grouped by experiment, beside the published rows they stand
//! for.

use super::baselines;
use super::compare::{ComparedRow, Comparison, Footnotes, MeasuredRow, RunRecord, RunState, encoders_used};
use super::plan::Load;
use super::published::{PublishedRow, published_row};
use super::worth;
use crate::experiment::Experiment;
use crate::runs::RunFolder;
use crate::runs::result::{self, RunResult};
use crate::util::fs::read_text;
use crate::util::shell::continuing;
use crate::util::walk;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The settings of a run, in its folder.
pub const CONFIG: &str = "config.yaml";

/// A finished run.
#[derive(Debug, Clone)]
pub struct ReportedRun {
    pub folder: PathBuf,
    pub experiment: Experiment,
    /// The resolved settings as the folder holds them.
    pub config: String,
    /// The command that made it.
    pub command: Option<String>,
    pub result: RunResult,
}

/// The runs of one experiment, a seed each.
#[derive(Debug, Clone)]
pub struct RunGroup {
    pub name: String,
    /// In the order of their seeds.
    pub runs: Vec<ReportedRun>,
}

impl ReportedRun {
    /// Reads a run folder. Errors name the folder, and say what makes a result.
    pub fn load(folder: &Path, load: &Load) -> Result<Self> {
        let shown = folder.display();
        let Some(result) = RunResult::load(folder)? else {
            bail!(without_result(folder));
        };
        let path = folder.join(CONFIG);
        let experiment = load(&path, &[]).with_context(|| format!("cannot report on '{shown}'"))?;
        let command = RunFolder::command(folder);
        Ok(Self { folder: folder.to_owned(), experiment, config: read_text(&path)?, command, result })
    }
}

/// What is to be done about a run folder that holds no result.
fn without_result(folder: &Path) -> String {
    let shown = folder.display();
    match RunFolder::is_done(folder) {
        true => format!("'{shown}' has no {}; score the run with 'rsic eval {shown}'", result::FILE),
        false => {
            let command = RunFolder::command(folder).unwrap_or_default();
            let words: Vec<String> = command.split(' ').map(String::from).collect();
            let how = match words.iter().any(|word| word == "train") {
                true => format!("with: {}", continuing(words)),
                false => "by rerunning the original command".into(),
            };
            format!("the run in '{shown}' did not finish; continue it {how}")
        }
    }
}

/// The run folders that paths mean: themselves, or the finished runs below them, in order of their names.
///
/// # Errors
/// A path that is no folder, or with no finished run in it.
pub fn find_runs(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let shown = path.display();
        if !path.is_dir() {
            bail!("run folder '{shown}' does not exist");
        }
        let before = found.len();
        search(path, &mut found)?;
        if found.len() == before {
            let started = path.join(CONFIG).is_file() && path.join("checkpoints").is_dir();
            match started {
                true => bail!(without_result(path)),
                false => bail!("no finished run in '{shown}' (a folder with {})", result::FILE),
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|folder| seen.insert(folder.clone()));
    Ok(found)
}

/// The folders of finished runs, not through links; runs hold no runs.
fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let enter = |below: &Path| {
        let linked = below != folder && below.is_symlink();
        let finished = !linked && below.join(result::FILE).is_file();
        found.extend(finished.then(|| below.to_owned()));
        !linked && !finished
    };
    walk::files(folder, enter).with_context(|| format!("cannot read the folder '{}'", folder.display())).map(drop)
}

/// Runs by experiment, in the order of their first ones.
pub fn grouped(runs: Vec<ReportedRun>) -> Vec<RunGroup> {
    let mut groups: Vec<RunGroup> = Vec::new();
    for run in runs {
        let same = |group: &&mut RunGroup| {
            let first = group.runs.first();
            first.is_some_and(|first| first.result.experiment == run.result.experiment)
                && group.runs.iter().all(|other| other.result.seed != run.result.seed)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.runs.push(run),
            None => groups.push(RunGroup { name: run.experiment.name.clone(), runs: vec![run] }),
        }
    }
    let names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
    for group in &mut groups {
        group.runs.sort_by_key(|run| run.result.seed);
        if names.iter().filter(|name| **name == group.name).count() > 1
            && let Some(first) = group.runs.first()
        {
            group.name = first.folder.display().to_string();
        }
    }
    groups
}

impl Comparison {
    /// A table of runs: a row for each experiment, beside the row of its paper where there is one.
    pub fn of_runs(groups: &[RunGroup], experiments: &Path, load: &Load) -> Result<Self> {
        let mut footnotes = Footnotes::default();
        let published: Vec<Option<PublishedRow>> = groups
            .iter()
            .filter_map(|group| group.runs.first())
            .map(|run| published_row(&run.experiment, experiments, load))
            .collect::<Result<_>>()?;
        let columns = columns(groups);
        let rows = groups.iter().zip(&published).map(|(group, published)| {
            let results: Vec<&RunResult> = group.runs.iter().map(|run| &run.result).collect();
            let marks = published.as_ref().map(|row| footnotes.add(describe(row)));
            ComparedRow {
                method: group.name.clone(),
                published: columns
                    .iter()
                    .map(|column| published.as_ref().and_then(|row| row.numbers.get(column).copied().flatten()))
                    .collect(),
                measured: measured(&results, &columns, &mut footnotes),
                footnotes: marks.into_iter().collect(),
            }
        });
        let mut rows: Vec<ComparedRow> = rows.collect();
        let results: Vec<&RunResult> = groups.iter().flat_map(|group| &group.runs).map(|run| &run.result).collect();
        rows.extend(baselines::rows(&results, &columns, &mut footnotes));
        let mut datasets: Vec<String> = Vec::new();
        for run in groups.iter().flat_map(|group| &group.runs) {
            let name = run.experiment.data.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !datasets.contains(&name) {
                datasets.push(name);
            }
        }
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        Ok(Self {
            paper: String::new(),
            table: String::new(),
            title: names.join(", "),
            dataset: datasets.join(", "),
            remarks: remarks(groups),
            columns,
            rows,
            footnotes: footnotes.0,
            notes: Vec::new(),
            runs: groups.iter().flat_map(records).collect(),
        })
    }
}

fn describe(row: &PublishedRow) -> String {
    let mut text = format!("published: {}", row.name);
    if !row.differences.is_empty() {
        text.push_str(&format!("; this run differs in {}", row.differences.join(", ")));
    }
    text
}

fn columns(groups: &[RunGroup]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    let results = groups.iter().flat_map(|group| &group.runs).map(|run| &run.result);
    for name in results.flat_map(|result| &result.decodings).flat_map(|decoding| decoding.scores.names()) {
        if !columns.iter().any(|known| known == name) {
            columns.push(name.to_owned());
        }
    }
    columns
}

fn measured(results: &[&RunResult], columns: &[String], footnotes: &mut Footnotes) -> Vec<MeasuredRow> {
    let mut decodings = Vec::new();
    for decoding in results.iter().flat_map(|result| &result.decodings) {
        let canonical = decoding.decode.canonical();
        if !decodings.contains(&canonical) {
            decodings.push(canonical);
        }
    }
    let rows = |decode| {
        let marks: Vec<usize> = worth::notes(decode, results).into_iter().map(|text| footnotes.add(text)).collect();
        super::compare::measured_rows(decode, results, columns, &encoders_used(results), &marks)
    };
    decodings.iter().flat_map(rows).collect()
}

fn remarks(groups: &[RunGroup]) -> Vec<String> {
    let mut remarks = Vec::new();
    let runs = || groups.iter().flat_map(|group| &group.runs);
    if runs().any(|run| run.result.images.is_empty()) {
        remarks.push("Some runs have no captions.".into());
    }
    // Masks and paths may differ: what is scored are the references of an image.
    let scored = |run: &'_ ReportedRun| -> Vec<(String, Vec<String>)> {
        run.result.images.iter().map(|image| (image.name.clone(), image.references.clone())).collect()
    };
    let first = runs().next().map(scored);
    if runs().any(|run| Some(scored(run)) != first) {
        remarks.push("The runs are scored on different images: their scores cannot be compared.".into());
    }
    let random = runs().flat_map(|run| &run.result.encoders).any(|encoder| encoder.weights == super::encoders::RANDOM);
    if random {
        remarks.push("Some encoders have random weights: scores are only a functional check.".into());
    }
    let seeds = groups.iter().map(|group| group.runs.len()).max().unwrap_or(0);
    remarks.push(match seeds {
        0 | 1 => "Measured with one seed: the spread over seeds is not known.".into(),
        _ => "Measured: mean ± sample standard deviation over seeds.".into(),
    });
    remarks
}

fn records(group: &RunGroup) -> Vec<RunRecord> {
    let record = |run: &ReportedRun| RunRecord {
        methods: vec![group.name.clone()],
        folder: run.folder.display().to_string(),
        seed: run.result.seed,
        state: RunState::of(&run.result),
    };
    group.runs.iter().map(record).collect()
}
