//! Training, epoch by epoch.

use super::chart::{self, Series};
use super::{Curves, escape};
use crate::eval::Scores;
use crate::models::jtts::ATTRIBUTE_NUMBERS;
use crate::runs::result::{CurveRecord, RunResult};

/// Validation score and training loss by epoch, with the terms of the loss and what is known of attributes; the charts
/// of one run are a figure.
pub(super) fn section(curves: &[Curves]) -> String {
    let figures: String = curves.iter().map(figure).collect();
    if figures.is_empty() {
        return String::new();
    }
    format!("<section id=\"curves\"><h2>Training</h2><div class=\"figures\">{figures}</div></section>\n")
}

/// The score by which a first stage is drawn.
fn first_stage_metric(results: &[&RunResult]) -> String {
    let names: Vec<&str> =
        results.iter().flat_map(|result| &result.first_stage).flat_map(|record| record.validation.names()).collect();
    let known = names.iter().find(|name| ["R_mean", "F1"].contains(name));
    known.or(names.first()).copied().unwrap_or_default().to_owned()
}

fn figure(curves: &Curves) -> String {
    let metric = curves.results.first().map_or("", |result| result.selected_by.as_str());
    let results = &curves.results;
    let first = first_stage_metric(results);
    let unmarked = |series: Vec<Series>| series.into_iter().map(|series| Series { marked: None, ..series }).collect();
    let before =
        |value: &dyn Fn(&CurveRecord) -> Option<f64>| unmarked(series(results, |r| &r.first_stage, |_, e| value(e)));
    let mut charts: Vec<(String, Vec<Series>)> = vec![
        (format!("first stage: {first}"), before(&|epoch| epoch.validation.get(&first))),
        ("first stage: training loss".into(), before(&|epoch| epoch.loss)),
        (
            format!("validation {metric}"),
            series(results, |r| &r.curve, |result, epoch| epoch.validation.get(&result.selected_by)),
        ),
        ("training loss".into(), unmarked(series(results, |r| &r.curve, |_, epoch| epoch.loss))),
    ];
    let of_curve =
        |value: &dyn Fn(&CurveRecord) -> Option<f64>| unmarked(series(results, |r| &r.curve, |_, e| value(e)));
    let names = |of: fn(&CurveRecord) -> &Scores| -> Vec<&str> {
        let first = results.iter().flat_map(|result| &result.curve).map(of).next();
        first.map_or_else(Vec::new, |scores| scores.names().collect())
    };
    let terms = names(|epoch| &epoch.terms).into_iter();
    charts.extend(terms.map(|name| (format!("training loss: {name}"), of_curve(&|epoch| epoch.terms.get(name)))));
    let of_attributes = names(|epoch| &epoch.validation).into_iter().filter(|name| ATTRIBUTE_NUMBERS.contains(name));
    charts.extend(
        of_attributes.map(|name| (format!("validation {name}"), of_curve(&|epoch| epoch.validation.get(name)))),
    );
    let name = escape(&curves.methods);
    let draw = |(title, series): (String, Vec<Series>)| {
        let svg = chart::lines(&format!("{}: {title}", curves.methods), "epoch", &series);
        if svg.is_empty() { svg } else { format!("<div><h4>{}</h4>{svg}</div>", escape(&title)) }
    };
    let drawn: String = charts.into_iter().map(draw).collect();
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
        "<figure><figcaption>{name}</figcaption><div class=\"pair\">{drawn}</div><div \
        class=\"legend\">{}</div>{}</figure>",
        best.concat(),
        stage_scores(&curves.results)
    )
}

/// What a first stage was worth, before and after it: retrieval for CSSA, found attributes for JTTS; of the first seed
/// that says.
fn stage_scores(results: &[&RunResult]) -> String {
    let Some((result, scores)) = results.iter().find_map(|result| Some((result, result.stage_scores.as_ref()?))) else {
        return String::new();
    };
    let names: Vec<&str> = scores.after.values().next().map_or(Vec::new(), |scores| scores.names().collect());
    let head: String = names.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let line = |split: &str, when: &str, scores: &Scores| {
        let cell =
            |name: &&str| scores.get(name).map_or_else(|| "<td></td>".into(), |value| format!("<td>{value:.3}</td>"));
        let cells: String = names.iter().map(cell).collect();
        format!("<tr><th scope=\"row\">{}, {when}</th>{cells}</tr>", escape(split))
    };
    let rows: String = (scores.after.iter())
        .flat_map(|(split, after)| {
            let before = scores.before.get(split).map(|before| line(split, "before", before));
            before.into_iter().chain([line(split, "after", after)])
        })
        .collect();
    format!(
        "<div><h4>first stage, before and after it (seed {})</h4><div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"First stage\"><table class=\"plain\"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody>\
         </table></div></div>",
        result.seed
    )
}

fn series<'r>(
    results: &[&'r RunResult],
    curve: impl Fn(&'r RunResult) -> &'r Vec<CurveRecord>,
    value: impl Fn(&RunResult, &CurveRecord) -> Option<f64>,
) -> Vec<Series> {
    results
        .iter()
        .map(|result| {
            let points: Vec<(f64, f64)> =
                curve(result).iter().filter_map(|record| Some((record.epoch as f64, value(result, record)?))).collect();
            let best = result.best_epoch as f64;
            let marked = points
                .iter()
                .find(|(epoch, _)| *epoch == best)
                .map(|(x, y)| (*x, *y, format!("seed {}: {y:.4} at epoch {best}", result.seed)));
            Series { label: format!("seed {}", result.seed), points, marked }
        })
        .collect()
}
