//! The one layout behind text, Markdown, LaTeX and HTML: lines of published, measured and difference under each metric.

use super::format;
use crate::experiments::compare::{ComparedRow, Comparison, RunRecord, RunState, mark};
use std::collections::{BTreeMap, BTreeSet};

/// What a line of the grid holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    Published,
    Measured,
    Difference,
    /// A row of the paper's own that has no measured numbers.
    Absent,
}

impl LineKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Measured | Self::Absent => "measured",
            Self::Difference => "difference",
        }
    }
}

/// One line. `method` and `decoding` are empty where they repeat the line above.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub method: String,
    pub decoding: String,
    pub kind: LineKind,
    /// More than one seed: `3 seeds`.
    pub seeds: Option<usize>,
    /// Marks of footnotes: `a`, `b`.
    pub marks: Vec<String>,
    /// One per column; [`format::MISSING`] where there is no number.
    pub cells: Vec<String>,
    /// Whether a new table row begins here.
    pub first: bool,
}

impl Line {
    /// `measured, 3 seeds [a,b]`.
    pub fn kind_text(&self) -> String {
        let mut text = self.kind.name().to_owned();
        if let Some(seeds) = self.seeds {
            text.push_str(&format!(", {seeds} seeds"));
        }
        if !self.marks.is_empty() {
            text.push_str(&format!(" [{}]", self.marks.join(",")));
        }
        text
    }
}

/// The lines of a comparison, top to bottom.
pub fn lines(comparison: &Comparison) -> Vec<Line> {
    comparison.rows.iter().flat_map(|row| row_lines(comparison, row)).collect()
}

fn row_lines(comparison: &Comparison, row: &ComparedRow) -> Vec<Line> {
    let missing = || format::MISSING.to_owned();
    let columns = comparison.columns.len();
    let line = |kind, cells| Line {
        method: String::new(),
        decoding: String::new(),
        kind,
        seeds: None,
        marks: Vec::new(),
        cells,
        first: false,
    };
    let marks = |notes: &[usize]| notes.iter().map(|note| mark(*note)).collect::<Vec<_>>();
    let mut lines = Vec::new();
    let has_published = row.published.iter().any(Option::is_some);
    if has_published {
        let cells = row.published.iter().map(|value| value.map_or_else(missing, format::score)).collect();
        lines.push(line(LineKind::Published, cells));
    }
    for measured in &row.measured {
        let cells = measured.cells.iter().map(|cell| cell.as_ref().map_or_else(missing, format::measured)).collect();
        let mut notes = row.footnotes.clone();
        notes.extend(&measured.footnotes);
        notes.sort_unstable();
        lines.push(Line {
            decoding: measured.decoding.clone(),
            seeds: (measured.seeds > 1).then_some(measured.seeds),
            marks: marks(&notes),
            ..line(LineKind::Measured, cells)
        });
        let differences: Vec<Option<f64>> = (0..columns).map(|column| row.difference(measured, column)).collect();
        if differences.iter().any(Option::is_some) {
            let cells = differences.into_iter().map(|value| value.map_or_else(missing, format::difference)).collect();
            lines.push(line(LineKind::Difference, cells));
        }
    }
    if lines.is_empty() || (row.measured.is_empty() && !row.footnotes.is_empty()) {
        lines.push(Line { marks: marks(&row.footnotes), ..line(LineKind::Absent, vec![missing(); columns]) });
    }
    if let Some(first) = lines.first_mut() {
        first.method = row.method.clone();
        first.first = true;
    }
    lines
}

/// Runs that failed alike and are told apart each.
const ALIKE: usize = 3;

/// One line a run, but one for all where more than [`ALIKE`] failed for the same reason.
pub fn run_lines(runs: &[RunRecord]) -> Vec<String> {
    let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        if let RunState::Failed(reason) = &run.state {
            *alike.entry(reason).or_default() += 1;
        }
    }
    alike.retain(|_, count| *count > ALIKE);
    let mut told = BTreeSet::new();
    let line = |run: &RunRecord| match &run.state {
        RunState::Failed(reason) if alike.contains_key(reason.as_str()) => {
            let count = alike.get(reason.as_str()).copied().unwrap_or_default();
            told.insert(reason.clone()).then(|| format!("{count} runs failed: {reason}"))
        }
        _ => Some(run_text(run)),
    };
    runs.iter().filter_map(line).collect()
}

/// `FE-LWS, seed 1: runs/..., best epoch 45 of 53 by ROUGE_L, cpu, 1 h 02 min`.
pub fn run_text(run: &RunRecord) -> String {
    let head = format!("{}, seed {}: {}", run.methods.join(" = "), run.seed, run.folder);
    match &run.state {
        RunState::Finished { best_epoch, epochs, selected_by, device, seconds, .. } => format!(
            "{head}, best epoch {best_epoch} of {epochs} by {selected_by}, {device}, {}",
            format::duration(*seconds)
        ),
        RunState::Failed(reason) => format!("{head}, failed: {reason}"),
        RunState::Absent => format!("{head}, not run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_runs_without_weights_are_told_in_one_line() {
        let run = |seed: u64| RunRecord {
            methods: vec!["NS".into()],
            seed,
            folder: format!("f{seed}"),
            state: RunState::Failed(if seed == 0 { "odd".into() } else { "no weights".into() }),
        };
        let lines = run_lines(&(0..201).map(run).collect::<Vec<_>>());
        assert_eq!(lines, ["NS, seed 0: f0, failed: odd", "200 runs failed: no weights"]);
    }
}
