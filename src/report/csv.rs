//! A comparison as tidy CSV: one line per cell, and one line per run.

use crate::experiments::Comparison;
use crate::experiments::compare::{ComparedRow, MeasuredRow, RunState, mark};
use crate::util::csv::to_csv;
use anyhow::Result;

/// One line per row, decoding and metric; other papers' rows have no decoding. Numbers have ten decimals.
pub fn cells(comparison: &Comparison) -> Result<String> {
    let head = "paper,table,dataset,method,decoding,metric,published,measured,std,seeds,difference,encoders,footnotes";
    let mut records = vec![head.split(',').map(String::from).collect()];
    for row in &comparison.rows {
        let measured: Vec<Option<&MeasuredRow>> = match row.measured.as_slice() {
            [] => vec![None],
            measured => measured.iter().map(Some).collect(),
        };
        for measured in measured {
            let columns = comparison.columns.iter().enumerate();
            records.extend(columns.map(|(column, metric)| cell(comparison, row, measured, column, metric)));
        }
    }
    to_csv(records)
}

fn cell(
    comparison: &Comparison,
    row: &ComparedRow,
    measured: Option<&MeasuredRow>,
    column: usize,
    metric: &str,
) -> Vec<String> {
    let number =
        |value: Option<f64>| value.map(|value| ((value * 1e10).round() / 1e10).to_string()).unwrap_or_default();
    let cell = measured.and_then(|measured| measured.cells.get(column).copied().flatten());
    let text = |of: fn(&MeasuredRow) -> &String| measured.map(of).cloned().unwrap_or_default();
    let marks = row.footnotes.iter().chain(measured.iter().flat_map(|measured| &measured.footnotes));
    vec![
        comparison.paper.clone(),
        comparison.table.clone(),
        comparison.dataset.clone(),
        row.method.clone(),
        text(|measured| &measured.decoding),
        metric.to_owned(),
        number(row.published.get(column).copied().flatten()),
        number(cell.map(|cell| cell.mean)),
        number(cell.and_then(|cell| cell.std)),
        cell.map(|cell| cell.seeds.to_string()).unwrap_or_default(),
        number(measured.and_then(|measured| row.difference(measured, column))),
        text(|measured| &measured.encoders),
        marks.map(|index| mark(*index)).collect::<Vec<_>>().join(" "),
    ]
}

/// One line per run and seed: where the numbers come from.
pub fn runs(comparison: &Comparison) -> Result<String> {
    let head = "methods,seed,folder,state,best_epoch,epochs,selected_by,device,seconds,encoders,reason";
    let mut records = vec![head.split(',').map(String::from).collect()];
    for run in &comparison.runs {
        let state = match &run.state {
            RunState::Finished { best_epoch, epochs, selected_by, device, seconds, encoders } => [
                "finished".into(),
                best_epoch.to_string(),
                epochs.to_string(),
                selected_by.clone(),
                device.clone(),
                seconds.to_string(),
                encoders.clone(),
                String::new(),
            ],
            RunState::Failed(reason) => ["failed", "", "", "", "", "", "", reason].map(String::from),
            RunState::Absent => ["absent", "", "", "", "", "", "", ""].map(String::from),
        };
        let run = [run.methods.join(" = "), run.seed.to_string(), run.folder.clone()];
        records.push(run.into_iter().chain(state).collect::<Vec<_>>());
    }
    to_csv(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::compare::{Measured, RunRecord};

    const ODD: &str = "a\",b\nü.png";

    fn comparison() -> Comparison {
        let measured = MeasuredRow {
            decoding: "beam, 3".into(),
            seeds: 1,
            cells: vec![Some(Measured { mean: 0.5, std: None, seeds: 1 })],
            encoders: ODD.into(),
            footnotes: vec![],
        };
        let row =
            |measured| ComparedRow { method: ODD.into(), published: vec![Some(0.25)], measured, footnotes: vec![] };
        let failed = RunState::Failed("no, not \"now\"".into());
        Comparison {
            paper: "p".into(),
            table: "I".into(),
            title: String::new(),
            dataset: "d".into(),
            remarks: vec![],
            columns: vec!["BLEU-1".into()],
            rows: vec![row(vec![]), row(vec![measured])],
            footnotes: vec![],
            notes: vec![],
            runs: vec![RunRecord { methods: vec![ODD.into()], seed: 1, folder: "f,g".into(), state: failed }],
        }
    }

    fn read(text: &str) -> Vec<Vec<String>> {
        let records = csv::ReaderBuilder::new().from_reader(text.as_bytes()).into_records();
        records.map(|record| record.unwrap().iter().map(String::from).collect()).collect()
    }

    #[test]
    fn odd_names_come_back_from_cells_and_runs() {
        let cells = read(&cells(&comparison()).unwrap());
        assert_eq!(cells[0], ["p", "I", "d", ODD, "", "BLEU-1", "0.25", "", "", "", "", "", ""]);
        let measured = ["p", "I", "d", ODD, "beam, 3", "BLEU-1", "0.25", "0.5", "", "1", "0.25", ODD, ""];
        assert_eq!(cells[1], measured);
        let runs = read(&runs(&comparison()).unwrap());
        assert_eq!(runs, [[ODD, "1", "f,g", "failed", "", "", "", "", "", "", "no, not \"now\""]]);
    }
}
