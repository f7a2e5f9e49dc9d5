//! A table with measured numbers beside the published ones.

use super::baselines;
use super::plan::{Plan, PlannedRow, PlannedRun, PlannedTable};
use super::published::PublishedRow;
use super::runner::Executed;
use super::worth;
use crate::data::TextField;
use crate::decode::DecodeConfig;
use crate::runs::result::{DecodingResult, EncoderUsed, RunResult};
use crate::train::ScoredAs;
use anyhow::Result;

/// One table, compared: what every form of output prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub paper: String,
    pub table: String,
    pub title: String,
    pub dataset: String,
    /// Lines under the title: what differs from the paper, how to read the numbers.
    pub remarks: Vec<String>,
    /// Metrics: the table's columns, each followed by measured variants of it (`METEOR (exact+stem)`).
    pub columns: Vec<String>,
    pub rows: Vec<ComparedRow>,
    /// Marked a, b, c, ... where rows refer to them.
    pub footnotes: Vec<String>,
    /// The table's own notes.
    pub notes: Vec<String>,
    /// Every run that the table shows, finished or failed.
    pub runs: Vec<RunRecord>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ComparedRow {
    pub method: String,
    /// One per column.
    pub published: Vec<Option<f64>>,
    pub measured: Vec<MeasuredRow>,
    /// Indices of footnotes about the row as a whole (it could not be measured, say).
    pub footnotes: Vec<usize>,
}

/// One decoding of a row's run.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredRow {
    pub decoding: String,
    /// Seeds that finished.
    pub seeds: usize,
    /// One per column.
    pub cells: Vec<Option<Measured>>,
    pub encoders: String,
    /// Indices of footnotes.
    pub footnotes: Vec<usize>,
}

/// Mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    pub mean: f64,
    /// Sample standard deviation (divisor n - 1); `None` for a single seed.
    pub std: Option<f64>,
    pub seeds: usize,
}

/// Where a row's numbers come from.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Rows of this table that show it.
    pub methods: Vec<String>,
    pub folder: String,
    pub seed: u64,
    pub state: RunState,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RunState {
    Finished {
        best_epoch: usize,
        epochs: usize,
        selected_by: String,
        device: String,
        seconds: f64,
        encoders: String,
    },
    /// Why it failed.
    Failed(String),
    /// It was not begun.
    Absent,
}

impl RunState {
    pub fn of(result: &RunResult) -> Self {
        Self::Finished {
            best_epoch: result.best_epoch,
            epochs: result.epochs,
            selected_by: result.selected_by.clone(),
            device: result.device.clone(),
            seconds: result.seconds,
            encoders: encoders_used(&[result]),
        }
    }
}

impl Measured {
    /// `None` where no value is a number.
    pub fn of(values: &[f64]) -> Option<Self> {
        let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Some(Self { mean, std, seeds: values.len() })
    }
}

impl ComparedRow {
    /// Measured minus published, where there are both.
    pub fn difference(&self, measured: &MeasuredRow, column: usize) -> Option<f64> {
        let published = self.published.get(column).copied().flatten()?;
        let measured = measured.cells.get(column).copied().flatten()?;
        Some(measured.mean - published)
    }
}

impl Comparison {
    /// Sets the results beside the published numbers of one table of the plan. `changed`: settings that the user gave
    /// for every run.
    pub fn new(plan: &Plan, planned: &PlannedTable, executed: &Executed, changed: &[String]) -> Self {
        let view = View { plan, planned, executed };
        let mut footnotes = Footnotes::default();
        let columns = view.columns();
        let mut rows: Vec<ComparedRow> = planned
            .table
            .rows
            .iter()
            .zip(&planned.rows)
            .map(|(row, place)| {
                let published =
                    columns.iter().map(|column| row.published.get(column).copied().flatten()).collect::<Vec<_>>();
                let mut marks = Vec::new();
                let measured = view.measured(place, &columns, &mut footnotes, &mut marks);
                ComparedRow { method: row.method.clone(), published, measured, footnotes: marks }
            })
            .collect();
        let remarks = view.remarks(&rows, changed);
        let results: Vec<&RunResult> = planned.rows.iter().flat_map(|place| view.results(place)).collect();
        rows.extend(baselines::rows(&results, &columns, &mut footnotes));
        let table = &planned.table;
        Self {
            paper: table.paper.clone(),
            table: table.table.clone(),
            title: table.title.clone(),
            dataset: table.dataset.clone(),
            remarks,
            columns,
            rows,
            footnotes: footnotes.0,
            notes: table.notes.clone(),
            runs: view.records(),
        }
    }

    /// Says below the rows that were measured with other encoders than the paper's what the paper has for those: the
    /// published row of the same settings, where one of its tables has such. `find` looks for it.
    pub fn add_rows_of_same_encoder(
        &mut self,
        plan: &Plan,
        planned: &PlannedTable,
        find: &dyn Fn(&PlannedRun) -> Result<Option<PublishedRow>>,
    ) -> Result<()> {
        for (row, place) in self.rows.iter_mut().zip(&planned.rows) {
            let Some(run) = place.run.and_then(|index| plan.runs.get(index)) else { continue };
            let used: Vec<&str> = run.experiment.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
            if row.measured.is_empty() || used == place.asked {
                continue;
            }
            let Some(same) = find(run)?.filter(|found| found.differences.is_empty()) else { continue };
            let numbers = self.columns.iter().filter_map(|column| {
                same.numbers.get(column).copied().flatten().map(|value| format!("{column} {value:.4}"))
            });
            let numbers: Vec<String> = numbers.collect();
            let text = format!("published with the same encoder: {}: {}", same.name, numbers.join(", "));
            let place = self.footnotes.iter().position(|known| *known == text).unwrap_or(self.footnotes.len());
            if place == self.footnotes.len() {
                self.footnotes.push(text);
            }
            row.measured.iter_mut().for_each(|measured| measured.footnotes.push(place));
        }
        Ok(())
    }

    /// `fe_lws table XI (ucm): Comparison with other methods`; of runs that are no table's, the title alone.
    pub fn heading(&self) -> String {
        if self.table.is_empty() {
            return format!("{} ({})", self.title, self.dataset);
        }
        format!("{} table {} ({}): {}", self.paper, self.table, self.dataset, self.title)
    }

    pub fn has_published(&self) -> bool {
        self.rows.iter().any(|row| row.published.iter().any(Option::is_some))
    }

    pub fn has_measured(&self) -> bool {
        self.rows.iter().any(|row| !row.measured.is_empty())
    }
}

/// `a`, `b`, ..., `z`, `aa`, ...: the mark of a footnote.
pub fn mark(index: usize) -> String {
    let letter = char::from(b'a' + (index % 26) as u8);
    if index < 26 { letter.to_string() } else { format!("{}{letter}", mark(index / 26 - 1)) }
}

/// Footnotes by first appearance; the same text is one footnote.
#[derive(Debug, Default)]
pub(super) struct Footnotes(pub(super) Vec<String>);

impl Footnotes {
    pub(super) fn add(&mut self, text: String) -> usize {
        self.0.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.0.push(text);
            self.0.len() - 1
        })
    }
}

struct View<'a> {
    plan: &'a Plan,
    planned: &'a PlannedTable,
    executed: &'a Executed,
}

impl<'a> View<'a> {
    fn run(&self, place: &PlannedRow) -> Option<(usize, &'a PlannedRun)> {
        let index = place.run?;
        self.plan.runs.get(index).map(|run| (index, run))
    }

    /// Finished results of a row, by seed.
    fn results(&self, place: &PlannedRow) -> Vec<&'a RunResult> {
        let Some(index) = place.run else { return Vec::new() };
        self.planned.seeds.iter().filter_map(|seed| self.executed.results.get(&(index, *seed))).collect()
    }

    /// The table's columns, each followed by variants of it that were measured under another name: those are never set
    /// against the published numbers. A column that only its variants fill is left out.
    fn columns(&self) -> Vec<String> {
        let mut measured: Vec<&str> = Vec::new();
        let results = self.planned.rows.iter().flat_map(|place| self.results(place));
        for name in results.flat_map(|result| &result.decodings).flat_map(|decoding| decoding.scores.names()) {
            if !measured.contains(&name) {
                measured.push(name);
            }
        }
        let mut columns = Vec::new();
        for column in &self.planned.table.columns {
            let prefix = format!("{column} (");
            let variants: Vec<&str> = measured.iter().copied().filter(|name| name.starts_with(&prefix)).collect();
            let rows = &self.planned.table.rows;
            let published = rows.iter().any(|row| row.published.get(column).is_some_and(Option::is_some));
            if published || variants.is_empty() || measured.contains(&column.as_str()) {
                columns.push(column.clone());
            }
            columns.extend(variants.into_iter().map(str::to_owned));
        }
        columns
    }

    fn measured(
        &self,
        place: &PlannedRow,
        columns: &[String],
        footnotes: &mut Footnotes,
        row_marks: &mut Vec<usize>,
    ) -> Vec<MeasuredRow> {
        let Some((index, run)) = self.run(place) else { return Vec::new() };
        let mut marks = Vec::new();
        let results = self.results(place);
        if run.missing.is_empty() {
            for seed in &self.planned.seeds {
                if let Some(reason) = self.executed.failures.get(&(index, *seed)) {
                    row_marks.push(footnotes.add(format!("seed {seed} failed: {reason}")));
                }
            }
        } else {
            row_marks.push(footnotes.add(format!(
                "not measured: {} (give it with --weights, or run every row with another encoder with --encoder \
                 NAME=FILE)",
                run.missing.join("; ")
            )));
        }
        if results.is_empty() {
            return Vec::new();
        }
        let used = encoders_used(&results);
        let text = if results.iter().all(|result| names(&result.encoders) == place.asked) {
            format!("measured with {used}")
        } else {
            format!("measured with {used} in place of {}", place.asked.join(" + "))
        };
        marks.push(footnotes.add(text));
        for result in results.iter().filter(|result| !result.skipped.is_empty()) {
            let (count, seed) = (result.skipped.len(), result.seed);
            let total = count + result.images.len();
            marks.push(footnotes.add(format!("seed {seed}: {count} of {total} images could not be used")));
        }
        marks.extend(by_seed(&place.decodings, &results, columns).map(|text| footnotes.add(text)));
        let rows = place.decodings.iter().flat_map(|decode| {
            let worth = worth::notes(decode, &results).into_iter().map(|text| footnotes.add(text));
            let marks: Vec<usize> = marks.iter().copied().chain(worth).collect();
            measured_rows(decode, &results, columns, &used, &marks)
        });
        rows.collect()
    }

    /// What holds for the whole table.
    fn remarks(&self, rows: &[ComparedRow], changed: &[String]) -> Vec<String> {
        let mut remarks = Vec::new();
        let own: Vec<(&PlannedRow, Vec<&RunResult>)> = self
            .planned
            .rows
            .iter()
            .map(|place| (place, self.results(place)))
            .filter(|(_, results)| !results.is_empty())
            .collect();
        let mut swaps: Vec<(String, Vec<String>)> = Vec::new();
        for (place, results) in &own {
            let used: Vec<&str> = results.first().map_or(Vec::new(), |r| names(&r.encoders));
            if used != place.asked {
                let (used, asked) = (encoders_used(results), place.asked.join(" + "));
                match swaps.iter_mut().find(|(known, _)| *known == used) {
                    Some((_, list)) if list.contains(&asked) => {}
                    Some((_, list)) => list.push(asked),
                    None => swaps.push((used, vec![asked])),
                }
            }
        }
        for (used, asked) in swaps {
            remarks
                .push(format!("The image encoder differs from the paper's: {used} in place of {}.", asked.join(", ")));
        }
        remarks.extend(self.shared_rows());
        if !changed.is_empty() {
            remarks.push(format!("Settings changed in every run: {}.", changed.join(" ")));
        }
        if let Some((_, run)) = own.first().and_then(|(place, _)| self.run(place)) {
            let data = &run.experiment.data;
            let field = match data.text {
                TextField::Tokens => "tokens",
                TextField::Raw => "raw",
            };
            remarks.push(format!("Captions: {}, field {field}.", data.root.join(&data.captions).display()));
        }
        let seeds = rows.iter().flat_map(|row| &row.measured).map(|measured| measured.seeds).max().unwrap_or(0);
        match seeds {
            0 => remarks.push("No measurements yet.".into()),
            1 => remarks.push("Measured with one seed: the spread over seeds is not known.".into()),
            _ => remarks.push("Measured: mean ± sample standard deviation over seeds.".into()),
        }
        remarks
    }

    /// Rows that a changed encoder or setting has made one and the same run.
    fn shared_rows(&self) -> Vec<String> {
        let mut groups: Vec<(usize, Vec<&str>)> = Vec::new();
        for (row, place) in self.planned.table.rows.iter().zip(&self.planned.rows) {
            let Some(index) = place.run.filter(|_| !self.results(place).is_empty()) else { continue };
            match groups.iter_mut().find(|(known, _)| *known == index) {
                Some((_, methods)) => methods.push(&row.method),
                None => groups.push((index, vec![&row.method])),
            }
        }
        groups.retain(|(_, methods)| methods.len() > 1);
        groups.into_iter().map(|(_, methods)| format!("These rows share one run: {}.", methods.join(", "))).collect()
    }

    fn records(&self) -> Vec<RunRecord> {
        let mut records = Vec::new();
        let mut seen = Vec::new();
        for place in &self.planned.rows {
            let Some((index, run)) = self.run(place).filter(|(index, _)| !seen.contains(index)) else { continue };
            seen.push(index);
            let rows = self.planned.table.rows.iter().zip(&self.planned.rows);
            let methods: Vec<String> =
                rows.filter(|(_, other)| other.run == Some(index)).map(|(row, _)| row.method.clone()).collect();
            for seed in &self.planned.seeds {
                let state =
                    match (self.executed.results.get(&(index, *seed)), self.executed.failures.get(&(index, *seed))) {
                        (Some(result), _) => RunState::of(result),
                        (None, Some(reason)) => RunState::Failed(reason.clone()),
                        (None, None) => RunState::Absent,
                    };
                let folder = run.seed_folder(*seed).display().to_string();
                records.push(RunRecord { methods: methods.clone(), folder, seed: *seed, state });
            }
        }
        records
    }
}

/// What each seed came to by each decoding, in one metric: `CIDEr by seed 1, 2: greedy 3.396, 3.568; ...`. `None` of
/// one seed.
fn by_seed(decodings: &[DecodeConfig], results: &[&RunResult], columns: &[String]) -> Option<String> {
    let column = columns.iter().find(|column| *column == "CIDEr").or(columns.last())?;
    let of = |decode: &DecodeConfig| {
        let score = |result: &&RunResult| {
            let value = result.decoding(decode).and_then(|decoding| decoding.scores.get(column));
            value.map_or_else(|| "-".into(), |value| format!("{value:.4}"))
        };
        format!("{} {}", decode.label(), results.iter().map(score).collect::<Vec<_>>().join(", "))
    };
    let seeds: Vec<String> = results.iter().map(|result| result.seed.to_string()).collect();
    let values: Vec<String> = decodings.iter().map(of).collect();
    (results.len() > 1).then(|| format!("{column} by seed {}: {}", seeds.join(", "), values.join("; ")))
}

/// A decoding's scores, and below them those of word ids of runs that have such; nothing where no run was decoded so.
pub(super) fn measured_rows(
    decode: &DecodeConfig,
    results: &[&RunResult],
    columns: &[String],
    encoders: &str,
    footnotes: &[usize],
) -> impl Iterator<Item = MeasuredRow> + use<> {
    let row = |scored| measured_row(decode, scored, results, columns, encoders, footnotes);
    [row(ScoredAs::Words), row(ScoredAs::Ids)].into_iter().filter(|row| row.seeds > 0)
}

fn measured_row(
    decode: &DecodeConfig,
    scored: ScoredAs,
    results: &[&RunResult],
    columns: &[String],
    encoders: &str,
    footnotes: &[usize],
) -> MeasuredRow {
    let on_ids = scored == ScoredAs::Ids;
    let mut decoded: Vec<_> = results.iter().filter_map(|result| Some((result, result.decoding(decode)?))).collect();
    decoded.retain(|(_, decoding)| !on_ids || !decoding.on_ids.0.is_empty());
    let cells = columns
        .iter()
        .map(|column| {
            let value = |(result, decoding): &(&&RunResult, &DecodingResult)| match scored {
                ScoredAs::Words => decoding.scores.get(column).or_else(|| result.cost(column, decoding)),
                ScoredAs::Ids => decoding.on_ids.get(column),
            };
            Measured::of(&decoded.iter().filter_map(value).collect::<Vec<f64>>())
        })
        .collect();
    MeasuredRow {
        decoding: if on_ids { format!("{}, word ids", decode.label()) } else { decode.label() },
        seeds: decoded.len(),
        cells,
        encoders: encoders.to_owned(),
        footnotes: footnotes.to_vec(),
    }
}

fn names(encoders: &[EncoderUsed]) -> Vec<&str> {
    encoders.iter().map(|encoder| encoder.name.as_str()).collect()
}

/// `densenet169 (weights/densenet169_imagenet.safetensors, sha256 1a2b3c4d)`; fused encoders joined by `+`.
pub(super) fn encoders_used(results: &[&RunResult]) -> String {
    let describe = |encoder: &EncoderUsed| {
        let hash = encoder.sha256.as_deref().and_then(|hash| hash.get(..8));
        match hash {
            Some(hash) => format!("{} ({}, sha256 {hash})", encoder.name, encoder.weights),
            None if encoder.weights == super::encoders::RANDOM => format!("{} (random weights)", encoder.name),
            None => format!("{} ({})", encoder.name, encoder.weights),
        }
    };
    let mut sets: Vec<String> = Vec::new();
    for result in results {
        let set = result.encoders.iter().map(describe).collect::<Vec<_>>().join(" + ");
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_sample_standard_deviation() {
        let measured = Measured::of(&[1.0, 2.0, 4.0, f64::NAN]).unwrap();
        assert!((measured.mean - 7.0 / 3.0).abs() < 1e-12);
        assert!((measured.std.unwrap() - 1.527_525_231_651_946_8).abs() < 1e-12);
        assert_eq!(measured.seeds, 3);
        assert_eq!(Measured::of(&[0.5]).unwrap().std, None);
        assert_eq!(Measured::of(&[f64::NAN]), None);
    }

    #[test]
    fn footnote_marks_go_on_after_z() {
        assert_eq!((mark(0), mark(25), mark(26), mark(53)), ("a".into(), "z".into(), "aa".into(), "bb".into()));
    }
}
