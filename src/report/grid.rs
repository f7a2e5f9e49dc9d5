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
/// Lines about runs that failed, at most.
const FAILURES: usize = 12;

/// One line a run, but one for all where more than [`ALIKE`] failed for the same reason, and no more than [`FAILURES`]
/// about those that failed.
pub fn run_lines(runs: &[RunRecord]) -> Vec<String> {
    let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        if let RunState::Failed(reason) = &run.state {
            *alike.entry(reason).or_default() += 1;
        }
    }
    let many = alike.values().sum::<usize>() > FAILURES;
    let (mut lines, mut told, mut left_out) = (Vec::new(), BTreeSet::new(), 0);
    let mut about_failures = 0;
    for run in runs {
        let RunState::Failed(reason) = &run.state else {
            lines.push(run_text(run));
            continue;
        };
        let count = alike.get(reason.as_str()).copied().unwrap_or_default();
        let together = count > if many { 1 } else { ALIKE };
        if together && !told.insert(reason) {
            continue;
        }
        if about_failures == FAILURES {
            left_out += if together { count } else { 1 };
            continue;
        }
        about_failures += 1;
        lines.push(if together { format!("{count} runs failed: {reason}") } else { run_text(run) });
    }
    lines.extend((left_out > 0).then(|| format!("{left_out} further runs failed")));
    lines
}

/// `FE-LWS, seed 1: runs/..., best epoch 45 of 53 by ROUGE_L, cpu, 1 h 02 min`.
fn run_text(run: &RunRecord) -> String {
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
    fn runs_that_failed_for_many_reasons_are_told_in_a_dozen_lines() {
        let run = |index: u64| RunRecord {
            methods: vec!["NS".into()],
            seed: index,
            folder: format!("f{index}"),
            state: match index {
                0 => RunState::Absent,
                index => RunState::Failed(format!("no weights of {}", index / 3)),
            },
        };
        let lines = run_lines(&(0..90).map(run).collect::<Vec<_>>());
        assert_eq!(lines.len(), 14);
        assert_eq!(lines[1], "2 runs failed: no weights of 0");
        assert_eq!(lines[12], "3 runs failed: no weights of 11");
        assert_eq!(lines[13], "54 further runs failed");
    }

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
