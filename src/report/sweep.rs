//! The runs of a sweep, best first, as text and CSV.

use super::format::{MISSING, measured};
use super::text::align;
use crate::experiments::compare::Measured;
use crate::experiments::sweep::{Standing, Standings};
use crate::util::csv::to_csv;
use anyhow::Result;

/// An aligned table for the terminal; ends with a newline.
pub fn text(standings: &Standings) -> String {
    let mut head = vec!["run".to_owned()];
    head.extend(standings.varied.iter().cloned());
    let labels = head.len();
    head.push(format!("{} (val)", standings.metric));
    head.extend(standings.columns.iter().map(|column| format!("{column} (test)")));
    let number = |value: &Option<Measured>| value.as_ref().map_or_else(|| MISSING.to_owned(), measured);
    let row = |run: &Standing| {
        let mut row = vec![run.number.clone()];
        row.extend(run.values.iter().cloned());
        row.push(number(&run.validation));
        row.extend(run.test.iter().map(number));
        row
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(standings.runs.iter().map(row)).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|t| t.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = format!("sweep {}, ranked by {} on the validation split\n\n", standings.name, standings.metric);
    for row in &rows {
        out.push_str(&align(row, &widths, labels));
        out.push('\n');
    }
    for run in standings.runs.iter().filter(|run| run.state != "finished") {
        out.push_str(&format!("{}: {}\n", run.number, run.state));
    }
    out
}

/// One line a run, settings and scores in columns of their own.
pub fn csv(standings: &Standings) -> Result<String> {
    let mut head = vec!["run".to_owned(), "state".into()];
    head.extend(standings.varied.iter().cloned());
    for name in std::iter::once(&format!("val {}", standings.metric)).chain(&standings.columns) {
        head.extend([name.clone(), format!("{name} std")]);
    }
    let mut records = vec![head];
    for run in &standings.runs {
        let mut row = vec![run.number.clone(), run.state.clone()];
        row.extend(run.values.iter().cloned());
        for value in std::iter::once(&run.validation).chain(&run.test) {
            let text = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
            row.extend([text(value.map(|value| value.mean)), text(value.and_then(|value| value.std))]);
        }
        records.push(row);
    }
    to_csv(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standings() -> Standings {
        let run = |number: &str, value: &str, mean: f64, state: &str| Standing {
            number: number.into(),
            values: vec![value.into()],
            validation: Measured::of(&[mean]),
            test: vec![Measured::of(&[mean / 2.0, mean / 2.0])],
            state: state.into(),
        };
        Standings {
            name: "s".into(),
            metric: "CIDEr".into(),
            varied: vec!["model.fe_lws.layers".into()],
            columns: vec!["BLEU-4".into()],
            runs: vec![run("0002", "3", 1.0, "finished"), run("0001", "[1, 2]", f64::NAN, "failed: no, not now")],
        }
    }

    #[test]
    fn runs_without_scores_say_why() {
        let shown = text(&standings());
        assert!(shown.contains("0002  3                         1.0000  0.5000 ±0.0000\n"), "{shown}");
        assert!(shown.contains("0001: failed: no, not now\n"), "{shown}");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let lines: Vec<String> = csv(&standings()).unwrap().lines().map(String::from).collect();
        assert_eq!(lines[0], "run,state,model.fe_lws.layers,val CIDEr,val CIDEr std,BLEU-4,BLEU-4 std");
        assert_eq!(lines[1], "0002,finished,3,1,,0.5,0");
        assert_eq!(lines[2], "0001,\"failed: no, not now\",\"[1, 2]\",,,,");
    }

    #[test]
    fn odd_values_come_back() {
        let mut standings = standings();
        standings.runs[0].values = vec!["a\",b\nü".into()];
        let text = csv(&standings).unwrap();
        let first = ::csv::Reader::from_reader(text.as_bytes()).into_records().next().unwrap().unwrap();
        assert_eq!(first.get(2), Some("a\",b\nü"));
    }
}
