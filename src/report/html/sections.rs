//! The page's sections but for the gallery.

use super::chart::{self, Series};
use super::{Curves, Page, escape};
use crate::experiments::Comparison;
use crate::experiments::compare::{ComparedRow, MeasuredRow, RunState, mark};
use crate::experiments::environment::Environment;
use crate::experiments::result::RunResult;
use crate::report::format;
use crate::report::grid::run_text;

/// Title, what was run on what, remarks, the command.
pub(super) fn header(page: &Page) -> String {
    let comparison = page.comparison;
    let mut facts: Vec<(&str, String)> = vec![
        ("paper", comparison.paper.clone()),
        ("table", comparison.table.clone()),
        ("dataset", comparison.dataset.clone()),
    ];
    let results = || page.curves.iter().flat_map(|curves| &curves.results).copied();
    if results().next().is_some() {
        facts.push(("device", distinct(results().map(|result| result.device.clone()))));
        let environment =
            |field: fn(&Environment) -> String| distinct(results().map(|result| field(&result.environment)));
        facts.push(("processor", environment(|e| format!("{} ({} cores)", e.cpu, e.cores))));
        facts.push(("rsic", environment(|e| format!("{} ({})", e.rsic, e.commit))));
        facts.push(("LibTorch", environment(|e| e.libtorch.clone())));
        facts.push(("compiler", environment(|e| e.rustc.clone())));
        facts.push(("training", format::duration(results().map(|result| result.seconds).sum())));
    }
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)))
        .collect();
    let remarks: String = comparison.remarks.iter().map(|remark| format!("<li>{}</li>", escape(remark))).collect();
    format!(
        "<header><div class=\"bar\"><span class=\"brand\">rsic</span><button id=\"theme\" type=\"button\" \
         title=\"Light or dark\">◐ theme</button></div><h1>{}</h1><dl class=\"facts\">{facts}</dl>\
         <ul class=\"remarks\">{remarks}</ul></header>\n<main>\n",
        escape(&comparison.title)
    )
}

fn distinct(values: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen.join("; ")
}

/// The score table: measured, published and difference in one cell.
pub(super) fn scores(comparison: &Comparison) -> String {
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
         aria-label=\"Scores\"><table><thead><tr><th scope=\"col\">method</th><th scope=\"col\">decoding</th>{head}</tr>\
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

/// Validation score and training loss by epoch, one pair of charts a run.
pub(super) fn curves(curves: &[Curves]) -> String {
    let figures: String = curves.iter().map(figure).collect();
    if figures.is_empty() {
        return String::new();
    }
    format!("<section id=\"curves\"><h2>Training</h2><div class=\"figures\">{figures}</div></section>\n")
}

fn figure(curves: &Curves) -> String {
    let metric = curves.results.first().map_or("", |result| result.selected_by.as_str());
    let validation = series(&curves.results, |result, epoch| {
        result.curve.get(epoch).and_then(|record| record.validation.get(&result.selected_by))
    });
    let loss = series(&curves.results, |result, epoch| result.curve.get(epoch).and_then(|record| record.loss));
    let plain: Vec<Series> = loss.into_iter().map(|series| Series { marked: None, ..series }).collect();
    let name = escape(&curves.methods);
    let charts = [
        (
            format!("validation {metric}"),
            chart::lines(&format!("{}: validation {metric}", curves.methods), "epoch", &validation),
        ),
        ("training loss".to_owned(), chart::lines(&format!("{}: training loss", curves.methods), "epoch", &plain)),
    ];
    let drawn: String = charts
        .iter()
        .filter(|(_, svg)| !svg.is_empty())
        .map(|(title, svg)| format!("<div><h4>{}</h4>{svg}</div>", escape(title)))
        .collect();
    if drawn.is_empty() {
        return String::new();
    }
    let best: Vec<String> = curves
        .results
        .iter()
        .enumerate()
        .map(|(index, result)| {
            format!(
                "<span><i class=\"key s{}\"></i>seed {}: best epoch {} of {}</span>",
                index % 6,
                result.seed,
                result.best_epoch,
                result.epochs
            )
        })
        .collect();
    format!(
        "<figure><figcaption>{name}</figcaption><div class=\"pair\">{drawn}</div><div class=\"legend\">{}</div></figure>",
        best.concat()
    )
}

fn series(results: &[&RunResult], value: impl Fn(&RunResult, usize) -> Option<f64>) -> Vec<Series> {
    results
        .iter()
        .map(|result| {
            let points: Vec<(f64, f64)> = result
                .curve
                .iter()
                .enumerate()
                .filter_map(|(index, record)| Some((record.epoch as f64, value(result, index)?)))
                .collect();
            let best = result.best_epoch as f64;
            let marked = points
                .iter()
                .find(|(epoch, _)| *epoch == best)
                .map(|(x, y)| (*x, *y, format!("seed {}: {y:.4} at epoch {best}", result.seed)));
            Series { label: format!("seed {}", result.seed), points, marked }
        })
        .collect()
}

/// Runs that failed and images that could not be used.
pub(super) fn failures(page: &Page) -> String {
    let mut items = Vec::new();
    for run in &page.comparison.runs {
        if let RunState::Failed(_) = run.state {
            items.push(run_text(run));
        }
    }
    for curves in &page.curves {
        for result in &curves.results {
            for skipped in &result.skipped {
                items.push(format!("{}, seed {}: {}: {}", curves.methods, result.seed, skipped.image, skipped.reason));
            }
        }
    }
    let body = if items.is_empty() {
        "<p class=\"hint\">None: every run finished, every image was read.</p>".to_owned()
    } else {
        let items: String = items.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
        format!("<ul class=\"failures\">{items}</ul>")
    };
    format!("<section id=\"failures\"><h2>Failures</h2>{body}</section>\n")
}

/// Run folders, and the command to repeat it all.
pub(super) fn provenance(page: &Page) -> String {
    let rows: String = page
        .comparison
        .runs
        .iter()
        .map(|run| {
            let (state, epochs, device, time, encoders) = match &run.state {
                RunState::Finished { best_epoch, epochs, device, seconds, encoders, .. } => (
                    "finished",
                    format!("{best_epoch} of {epochs}"),
                    device.as_str(),
                    format::duration(*seconds),
                    encoders.as_str(),
                ),
                RunState::Failed(_) => ("failed", String::new(), "", String::new(), ""),
                RunState::Absent => ("not run", String::new(), "", String::new(), ""),
            };
            let cells = [
                run.methods.join(" = "),
                run.seed.to_string(),
                state.into(),
                epochs,
                device.into(),
                time,
                encoders.into(),
                run.folder.clone(),
            ];
            let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
            format!("<tr>{cells}</tr>")
        })
        .collect();
    let table = if rows.is_empty() {
        String::new()
    } else {
        let head: String = ["rows", "seed", "state", "best epoch", "device", "time", "encoders and weights", "folder"]
            .iter()
            .map(|name| format!("<th scope=\"col\">{name}</th>"))
            .collect();
        format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Runs\"><table class=\"runs\"><thead><tr>\
             {head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    };
    format!(
        "<section id=\"runs\"><h2>Runs</h2>{table}<h3>To repeat it</h3><div class=\"command\"><pre>{}</pre><button \
         id=\"copy\" type=\"button\">copy</button></div></section>\n</main>\n",
        escape(page.command)
    )
}
