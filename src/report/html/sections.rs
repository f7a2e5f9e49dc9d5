//! The page's head, and its end: failures, environment, settings, how to repeat it.

use super::{Page, escape};
use crate::experiments::compare::{RunRecord, RunState};
use crate::report::format;
use crate::report::grid::run_lines;
use crate::runs::Environment;

/// Title, what was run on what, remarks, the command.
pub(super) fn header(page: &Page) -> String {
    let comparison = page.comparison;
    let mut facts: Vec<(&str, String)> = vec![
        ("paper", comparison.paper.clone()),
        ("table", comparison.table.clone()),
        ("dataset", comparison.dataset.clone()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    let results = || page.curves.iter().flat_map(|curves| &curves.results).copied();
    if results().next().is_some() {
        facts.push(("device", distinct(results().map(|result| result.device.clone()))));
        let environment =
            |field: fn(&Environment) -> String| distinct(results().map(|result| field(&result.environment)));
        facts.push(("processor", environment(|e| format!("{} ({} cores)", e.cpu, e.cores))));
        facts.push(("rsic", environment(|e| e.rsic.clone())));
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

/// Images that could not be used and are named, of a run.
const SKIPPED: usize = 20;

fn failed(run: &RunRecord) -> bool {
    matches!(run.state, RunState::Failed(_))
}

/// Runs that failed and images that could not be used.
pub(super) fn failures(page: &Page) -> String {
    let mut items = run_lines(&page.comparison.runs.iter().filter(|run| failed(run)).cloned().collect::<Vec<_>>());
    for curves in &page.curves {
        for result in &curves.results {
            let whose = format!("{}, seed {}", curves.methods, result.seed);
            let some = result.skipped.iter().take(SKIPPED);
            items.extend(some.map(|skipped| format!("{whose}: {}: {}", skipped.image, skipped.reason)));
            let more = result.skipped.len().saturating_sub(SKIPPED);
            items.extend((more > 0).then(|| format!("{whose}: {more} further images could not be used")));
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
    // Of hundreds that failed nothing is known but what the section of failures tells.
    let many = page.comparison.runs.iter().filter(|run| failed(run)).count() > SKIPPED;
    let rows: String = page
        .comparison
        .runs
        .iter()
        .filter(|run| !many || !failed(run))
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
        "<section id=\"runs\"><h2>Runs</h2>{table}{}<h3>Settings</h3>{}<h3>To repeat this \
        page</h3>{}</section>\n</main>\n",
        environment(page),
        settings(page),
        command(page.command)
    )
}

/// Versions and hardware, one line for each that differs.
fn environment(page: &Page) -> String {
    let mut seen: Vec<(&Environment, Vec<String>)> = Vec::new();
    for curves in &page.curves {
        for result in &curves.results {
            let run = format!("{}, seed {}", curves.methods, result.seed);
            match seen.iter_mut().find(|(known, _)| *known == &result.environment) {
                Some((_, runs)) => runs.push(run),
                None => seen.push((&result.environment, vec![run])),
            }
        }
    }
    let several = seen.len() > 1;
    let one = |(e, runs): &(&Environment, Vec<String>)| {
        let facts = [
            ("rsic", format!("{}, commit {}", e.rsic, e.commit)),
            ("LibTorch", e.libtorch.clone()),
            ("compiler", e.rustc.clone()),
            ("processor", format!("{}, {} cores", e.cpu, e.cores)),
        ];
        let facts: String =
            facts.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value))).collect();
        let of = if several { format!("<p class=\"hint\">{}</p>", escape(&runs.join("; "))) } else { String::new() };
        format!("{of}<dl class=\"facts\">{facts}</dl>")
    };
    let all: String = seen.iter().map(one).collect();
    if all.is_empty() { all } else { format!("<h3>Environment</h3>{all}") }
}

/// The resolved settings of each run, folded.
fn settings(page: &Page) -> String {
    let one = |details: &super::Details| {
        let made =
            details.command.as_deref().map(|made| format!("<p>Made by</p>{}", command(made))).unwrap_or_default();
        format!(
            "<details class=\"settings\"><summary>{}</summary>{made}<p>{}</p><pre class=\"yaml\" \
            tabindex=\"0\">{}</pre>\
             </details>",
            escape(&details.name),
            escape(&details.folder),
            escape(&details.config)
        )
    };
    let all: String = page.details.iter().map(one).collect();
    if all.is_empty() { "<p class=\"hint\">The run folders are not available.</p>".into() } else { all }
}

fn command(text: &str) -> String {
    format!(
        "<div class=\"command\"><pre>{}</pre><button class=\"copy\" type=\"button\">copy</button></div>",
        escape(text)
    )
}
