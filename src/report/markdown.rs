//! A comparison as Markdown (GitHub's tables).

use super::format::{Escaped, MISSING};
use super::grid::{self, LineKind};
use crate::experiments::Comparison;
use crate::experiments::compare::mark;

/// Heading, remarks, table, footnotes, notes and runs; ends with a newline.
pub fn table(comparison: &Comparison) -> String {
    let mut out = format!("## {}\n\n", escape(&comparison.heading()));
    for remark in &comparison.remarks {
        out.push_str(&format!("- {}\n", escape(remark)));
    }
    out.push('\n');
    let columns: Vec<String> = comparison.columns.iter().map(|column| escape(column)).collect();
    out.push_str(&format!("| method | decoding | | {} |\n", columns.join(" | ")));
    out.push_str(&format!("| --- | --- | --- |{}\n", " ---: |".repeat(columns.len())));
    for line in grid::lines(comparison) {
        let cells: Vec<String> = line
            .cells
            .iter()
            .map(|cell| match line.kind {
                LineKind::Measured if cell != MISSING => format!("**{}**", escape(cell)),
                _ => escape(cell),
            })
            .collect();
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            escape(&line.method),
            escape(&line.decoding),
            escape(&line.kind_text()),
            cells.join(" | ")
        ));
    }
    out.push('\n');
    for (index, note) in comparison.footnotes.iter().enumerate() {
        out.push_str(&format!("\\[{}\\] {}  \n", mark(index), escape(note)));
    }
    for note in &comparison.notes {
        out.push_str(&format!("\nNote: {}\n", escape(note)));
    }
    if !comparison.runs.is_empty() {
        out.push_str("\nRuns:\n\n");
        for line in grid::run_lines(&comparison.runs) {
            out.push_str(&format!("- {}\n", escape(&line)));
        }
    }
    out
}

/// Keeps text from being read as Markdown or HTML.
fn escape(text: &str) -> String {
    super::format::escape(text, |c| match c {
        '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' => Escaped::Backslash,
        '<' => Escaped::As("&lt;"),
        '>' => Escaped::As("&gt;"),
        '&' => Escaped::As("&amp;"),
        _ => Escaped::Not,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_cell() {
        assert_eq!(escape("a|b <i>\n*x*"), "a\\|b &lt;i&gt; \\*x\\*");
    }
}
