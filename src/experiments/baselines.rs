//! Rows of captions that no model made, off the models' rows.

use super::compare::{ComparedRow, Footnotes, Measured, MeasuredRow, encoders_used};
use super::worth;
use crate::runs::result::{Baseline, RunResult};

/// One row for each set of encoders and images, one line for each baseline.
pub(super) fn rows(results: &[&RunResult], columns: &[String], footnotes: &mut Footnotes) -> Vec<ComparedRow> {
    let mut known: Vec<(String, &[Baseline])> = Vec::new();
    let mut rows = Vec::new();
    for result in results.iter().filter(|result| !result.baselines.is_empty()) {
        let names: Vec<&str> = result.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
        let row = (format!("retrieval ({})", names.join(" + ")), result.baselines.as_slice());
        if known.contains(&row) {
            continue;
        }
        known.push(row.clone());
        let (method, baselines) = row;
        let measured = |baseline: &Baseline| MeasuredRow {
            decoding: baseline.name.clone(),
            seeds: 1,
            cells: columns.iter().map(|column| Measured::of(&[baseline.scores.get(column)?])).collect(),
            encoders: encoders_used(&[result]),
            footnotes: worth::of_baseline(baseline).into_iter().map(|text| footnotes.add(text)).collect(),
        };
        let (published, measured) = (vec![None; columns.len()], baselines.iter().map(measured).collect());
        rows.push(ComparedRow { method, published, measured, footnotes: Vec::new() });
    }
    rows
}
