//! A comparison as aligned text for the terminal.

use super::grid::{self, Line};
use crate::experiments::Comparison;
use crate::experiments::compare::mark;

/// Title, remarks, the aligned table, footnotes, notes and runs; ends with a newline.
pub fn table(comparison: &Comparison) -> String {
    let mut out = format!("{}\n", comparison.heading());
    for remark in &comparison.remarks {
        out.push_str(&format!("  {remark}\n"));
    }
    out.push('\n');
    let lines = grid::lines(comparison);
    let with_decoding = lines.iter().any(|line| !line.decoding.is_empty());
    let mut head = vec!["method".to_owned()];
    if with_decoding {
        head.push("decoding".into());
    }
    head.push(String::new());
    let labels = head.len();
    head.extend(comparison.columns.iter().cloned());
    let mut body: Vec<Vec<String>> = lines.iter().map(|line| fields(line, with_decoding)).collect();
    for column in labels..head.len() {
        leave_room_for_spread(&mut head, &mut body, column);
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let texts = std::iter::once(&head).chain(&body).filter_map(|row| row.get(column));
            texts.map(|text| text.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let header = align(&head, &widths, labels);
    let rule = "-".repeat(header.chars().count());
    out.push_str(&format!("{header}\n{rule}\n"));
    for (index, (line, row)) in lines.iter().zip(&body).enumerate() {
        // Rows of several lines are set apart; a run of one-line rows is not.
        let tall = |at: usize| lines.get(at + 1).is_some_and(|next| !next.first);
        let previous_tall = index > 0 && lines.get(index - 1).is_some_and(|previous| !previous.first);
        if line.first && index > 0 && (tall(index) || previous_tall) {
            out.push('\n');
        }
        out.push_str(&align(row, &widths, labels));
        out.push('\n');
    }
    out.push_str(&format!("{rule}\n"));
    for (index, note) in comparison.footnotes.iter().enumerate() {
        out.push_str(&format!("[{}] {note}\n", mark(index)));
    }
    for note in &comparison.notes {
        out.push_str(&format!("Note: {note}\n"));
    }
    if !comparison.runs.is_empty() {
        out.push_str("Runs:\n");
        for line in grid::run_lines(&comparison.runs) {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out
}

/// Where some numbers of a column carry a spread, the others are padded, so that means stand below one another.
fn leave_room_for_spread(head: &mut [String], body: &mut [Vec<String>], column: usize) {
    let spread = |text: &str| {
        text.find(" ±").map(|at| text.chars().count() - text.get(..at).map_or(0, |mean| mean.chars().count()))
    };
    let room = body.iter().filter_map(|row| spread(row.get(column)?)).max().unwrap_or(0);
    for row in std::iter::once(head).chain(body.iter_mut().map(Vec::as_mut_slice)) {
        if let Some(text) = row.get_mut(column) {
            let pad = room.saturating_sub(spread(text).unwrap_or(0));
            text.push_str(&" ".repeat(pad));
        }
    }
}

fn fields(line: &Line, with_decoding: bool) -> Vec<String> {
    let mut fields = vec![line.method.clone()];
    if with_decoding {
        fields.push(line.decoding.clone());
    }
    fields.push(line.kind_text());
    fields.extend(line.cells.iter().cloned());
    fields
}

/// Labels to the left, numbers to the right.
pub(super) fn align(row: &[String], widths: &[usize], labels: usize) -> String {
    let mut out = String::new();
    for (column, (text, width)) in row.iter().zip(widths).enumerate() {
        let pad = " ".repeat(width.saturating_sub(text.chars().count()));
        if column > 0 {
            out.push_str("  ");
        }
        if column < labels {
            out.push_str(text);
            out.push_str(&pad);
        } else {
            out.push_str(&pad);
            out.push_str(text);
        }
    }
    out.trim_end().to_owned()
}
