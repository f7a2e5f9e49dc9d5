//! A comparison as a LaTeX table (package booktabs).

use super::format::Escaped;
use super::grid::{self, LineKind};
use crate::experiments::Comparison;
use crate::experiments::compare::mark;

/// A `table*` environment; the runs follow as comments.
pub fn table(comparison: &Comparison) -> String {
    let mut out = String::from("% \\usepackage{booktabs}\n\\begin{table*}\n\\centering\n");
    out.push_str(&format!("\\caption{{{}}}\n", escape(&comparison.heading())));
    out.push_str(&format!("\\begin{{tabular}}{{lll{}}}\n\\toprule\n", "r".repeat(comparison.columns.len())));
    let columns: Vec<String> = comparison.columns.iter().map(|column| escape(column)).collect();
    out.push_str(&format!("Method & Decoding & & {} \\\\\n\\midrule\n", columns.join(" & ")));
    for line in grid::lines(comparison) {
        let cells: Vec<String> = line.cells.iter().map(|cell| number(cell, line.kind)).collect();
        let mut kind = line.kind.name().to_owned();
        if let Some(seeds) = line.seeds {
            kind.push_str(&format!(", {seeds} seeds"));
        }
        if !line.marks.is_empty() {
            kind.push_str(&format!("\\textsuperscript{{{}}}", line.marks.join(",")));
        }
        let labels = [escape(&line.method), escape(&line.decoding), kind].join(" & ");
        out.push_str(&format!("{labels} & {} \\\\\n", cells.join(" & ")));
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n\n\\footnotesize\n");
    for remark in &comparison.remarks {
        out.push_str(&format!("{}\\\\\n", escape(remark)));
    }
    for (index, note) in comparison.footnotes.iter().enumerate() {
        out.push_str(&format!("\\textsuperscript{{{}}} {}\\\\\n", mark(index), escape(note)));
    }
    for note in &comparison.notes {
        out.push_str(&format!("Note: {}\\\\\n", escape(note)));
    }
    out.push_str("\\end{table*}\n");
    for line in grid::run_lines(&comparison.runs) {
        out.push_str(&format!("% {}\n", line.replace(['\n', '\r'], " ")));
    }
    out
}

fn number(cell: &str, kind: LineKind) -> String {
    if cell == super::format::MISSING {
        return "--".into();
    }
    match kind {
        LineKind::Measured => format!("$\\mathbf{{{}}}$", cell.replace(" ±", "} \\pm \\mathbf{")),
        _ => format!("${cell}$"),
    }
}

/// Keeps text from being read as LaTeX.
fn escape(text: &str) -> String {
    super::format::escape(text, |c| match c {
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => Escaped::Backslash,
        '\\' => Escaped::As("\\textbackslash{}"),
        '~' => Escaped::As("\\textasciitilde{}"),
        '^' => Escaped::As("\\textasciicircum{}"),
        '<' => Escaped::As("\\textless{}"),
        '>' => Escaped::As("\\textgreater{}"),
        '±' => Escaped::As("$\\pm$"),
        _ => Escaped::Not,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_printed_not_obeyed() {
        assert_eq!(escape("50% of a_b \\x {y}"), "50\\% of a\\_b \\textbackslash{}x \\{y\\}");
        assert_eq!(number("0.8123 ±0.0042", LineKind::Measured), "$\\mathbf{0.8123} \\pm \\mathbf{0.0042}$");
    }
}
