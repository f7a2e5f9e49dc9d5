//! The score table.

use super::escape;
use crate::experiments::Comparison;
use crate::experiments::compare::{ComparedRow, MeasuredRow, mark};
use crate::report::format;

/// The score table: measured, published and difference in one cell.
pub(super) fn section(comparison: &Comparison) -> String {
    let head: String =
        comparison.columns.iter().map(|column| format!("<th scope=\"col\">{}</th>", escape(column))).collect();
    let body: String = comparison.rows.iter().map(|row| score_rows(comparison, row)).collect();
    let key = if comparison.has_published() && comparison.has_measured() {
        "<p class=\"hint\"><b>measured</b> <span class=\"std\">± spread over seeds</span>, below it <span \
         class=\"published\">published</span> and the difference: <span class=\"up\">above</span> or <span \
         class=\"down\">below</span> the paper.</p>"
    } else {
        ""
    };
    let notes: String = comparison
        .footnotes
        .iter()
        .enumerate()
        .map(|(index, note)| format!("<li><sup>{}</sup> {}</li>", mark(index), escape(note)))
        .chain(comparison.notes.iter().map(|note| format!("<li>Note: {}</li>", escape(note))))
        .collect();
    format!(
        "<section id=\"scores\"><h2>Scores</h2>{key}<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Scores\"><table><thead><tr><th scope=\"col\">method</th><th \
         scope=\"col\">decoding</th>{head}</tr>\
         </thead><tbody>{body}</tbody></table></div><ul class=\"notes\">{notes}</ul></section>\n"
    )
}

fn score_rows(comparison: &Comparison, row: &ComparedRow) -> String {
    let columns = comparison.columns.len();
    let published = |column: usize| row.published.get(column).copied().flatten();
    if row.measured.is_empty() {
        let cells: String = (0..columns)
            .map(|column| match published(column) {
                Some(value) => format!("<td class=\"published\">{}</td>", format::score(value)),
                None => "<td class=\"published\">–</td>".into(),
            })
            .collect();
        let label = if row.footnotes.is_empty() { "published" } else { "not measured" };
        return format!(
            "<tr class=\"first\"><th scope=\"row\">{}{}</th><td class=\"muted\">{label}</td>{cells}</tr>",
            escape(&row.method),
            marks(&row.footnotes)
        );
    }
    let mut out = String::new();
    for (index, measured) in row.measured.iter().enumerate() {
        let cells: String = (0..columns).map(|column| cell(row, measured, column)).collect();
        let method = if index == 0 {
            format!(
                "<th scope=\"row\" rowspan=\"{}\">{}{}</th>",
                row.measured.len(),
                escape(&row.method),
                marks(&row.footnotes)
            )
        } else {
            String::new()
        };
        let seeds = if measured.seeds > 1 {
            format!("<div class=\"muted\">{} seeds</div>", measured.seeds)
        } else {
            String::new()
        };
        let class = if index == 0 { "own first" } else { "own" };
        out.push_str(&format!(
            "<tr class=\"{class}\">{method}<td>{}{}{seeds}</td>{cells}</tr>",
            escape(&measured.decoding),
            marks(&measured.footnotes)
        ));
    }
    out
}

fn cell(row: &ComparedRow, measured: &MeasuredRow, column: usize) -> String {
    let mut out = String::from("<td>");
    match measured.cells.get(column).copied().flatten() {
        Some(value) => {
            out.push_str(&format!("<b>{}</b>", format::score(value.mean)));
            if let Some(std) = value.std {
                out.push_str(&format!(" <span class=\"std\">±{std:.4}</span>"));
            }
        }
        None => out.push('–'),
    }
    let published = row.published.get(column).copied().flatten();
    if let Some(published) = published {
        out.push_str(&format!("<div class=\"beside\"><span class=\"published\">{}</span>", format::score(published)));
        if let Some(difference) = row.difference(measured, column) {
            let text = format::difference(difference).replace('-', "−");
            let class = if text.starts_with('+') {
                "up"
            } else if text.starts_with('−') {
                "down"
            } else {
                "muted"
            };
            out.push_str(&format!(" <span class=\"{class}\">{text}</span>"));
        }
        out.push_str("</div>");
    }
    out.push_str("</td>");
    out
}

fn marks(notes: &[usize]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let marks: Vec<String> = notes.iter().map(|note| mark(*note)).collect();
    format!("<sup>{}</sup>", marks.join(","))
}
