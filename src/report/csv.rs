//! A comparison as tidy CSV (RFC 4180 quoting, line feeds): one line per cell, and one line per run.

use crate::experiments::Comparison;
use crate::experiments::compare::{RunState, mark};

/// One line per row, decoding and metric; other papers' rows have no decoding. Numbers have ten decimals.
pub fn cells(comparison: &Comparison) -> String {
    let mut out = String::from(
        "paper,table,dataset,method,decoding,metric,published,measured,std,seeds,difference,encoders,footnotes\n",
    );
    let place = [&comparison.paper, &comparison.table, &comparison.dataset].map(|text| field(text)).join(",");
    let number =
        |value: Option<f64>| value.map(|value| ((value * 1e10).round() / 1e10).to_string()).unwrap_or_default();
    let notes = |marks: &[usize]| marks.iter().map(|index| mark(*index)).collect::<Vec<_>>().join(" ");
    for row in &comparison.rows {
        let method = field(&row.method);
        if row.measured.is_empty() {
            for (metric, published) in comparison.columns.iter().zip(&row.published) {
                let notes = notes(&row.footnotes);
                out.push_str(&format!("{place},{method},,{},{},,,,,,{notes}\n", field(metric), number(*published)));
            }
        }
        for measured in &row.measured {
            let marks: Vec<usize> = row.footnotes.iter().chain(&measured.footnotes).copied().collect();
            for (column, metric) in comparison.columns.iter().enumerate() {
                let cell = measured.cells.get(column).copied().flatten();
                out.push_str(&format!(
                    "{place},{method},{},{},{},{},{},{},{},{},{}\n",
                    field(&measured.decoding),
                    field(metric),
                    number(row.published.get(column).copied().flatten()),
                    number(cell.map(|cell| cell.mean)),
                    number(cell.and_then(|cell| cell.std)),
                    cell.map(|cell| cell.seeds.to_string()).unwrap_or_default(),
                    number(row.difference(measured, column)),
                    field(&measured.encoders),
                    notes(&marks),
                ));
            }
        }
    }
    out
}

/// One line per run and seed: where the numbers come from.
pub fn runs(comparison: &Comparison) -> String {
    let mut out =
        String::from("methods,seed,folder,state,best_epoch,epochs,selected_by,device,seconds,encoders,reason\n");
    for run in &comparison.runs {
        let head = format!("{},{},{}", field(&run.methods.join(" = ")), run.seed, field(&run.folder));
        let tail = match &run.state {
            RunState::Finished { best_epoch, epochs, selected_by, device, seconds, encoders } => format!(
                "finished,{best_epoch},{epochs},{},{},{seconds},{},",
                field(selected_by),
                field(device),
                field(encoders)
            ),
            RunState::Failed(reason) => format!("failed,,,,,,,{}", field(reason)),
            RunState::Absent => "absent,,,,,,,".into(),
        };
        out.push_str(&format!("{head},{tail}\n"));
    }
    out
}

/// Quotes a field that needs it.
pub(super) fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_need_it_are_quoted() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(field("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
