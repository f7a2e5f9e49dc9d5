//! Two systems compared: the table of differences with their intervals, and the images that differ most.

use super::escape;
use crate::eval::bootstrap::Difference;
use crate::report::format;

/// A comparison of two systems on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences {
    pub first: String,
    pub second: String,
    pub resamples: usize,
    /// First minus second, by metric.
    pub metrics: Vec<MetricDifference>,
}

/// A metric of both systems.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDifference {
    pub first: f64,
    pub second: f64,
    pub difference: Difference,
}

pub(super) fn section(differences: &Differences) -> String {
    let rows: String = differences.metrics.iter().map(row).collect();
    format!(
        "<section id=\"differences\"><h2>Difference</h2><p class=\"hint\"><b>{first}</b> (A) minus <b>{second}</b> \
        (B): paired bootstrap over images, {resamples} resamples; the bar is the middle 95 %. Where it does not touch \
         the line, the difference is significant over these images; variation between seeds is not included.</p>\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Difference\"><table \
         class=\"plain\"><thead><tr>\
         <th scope=\"col\">metric</th><th scope=\"col\">A</th><th scope=\"col\">B</th><th scope=\"col\">A − B</th>\
         <th scope=\"col\">95 %</th><th scope=\"col\">p</th><th \
         scope=\"col\"></th></tr></thead><tbody>{rows}</tbody></table>\
         </div></section>\n",
        first = escape(&differences.first),
        second = escape(&differences.second),
        resamples = differences.resamples,
    )
}

fn row(MetricDifference { first, second, difference }: &MetricDifference) -> String {
    let Difference { metric, difference, low, high, p } = difference;
    let signed = |value: f64| format::difference(value).replace('-', "−");
    let clear = *low > 0.0 || *high < 0.0;
    let class = match (clear, *difference > 0.0) {
        (false, _) => "even",
        (true, true) => "up",
        (true, false) => "down",
    };
    format!(
        "<tr class=\"first\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"{class}\"><b>{}</b></td>\
         <td class=\"muted\">{} … {}</td><td>{p:.4}</td><td class=\"bar-cell\">{}</td></tr>",
        escape(metric),
        format::score(*first),
        format::score(*second),
        signed(*difference),
        signed(*low),
        signed(*high),
        bar(*difference, *low, *high, class)
    )
}

/// The interval about zero, drawn to its own scale.
fn bar(difference: f64, low: f64, high: f64, class: &str) -> String {
    let reach = low.abs().max(high.abs()).max(difference.abs()).max(1e-12) * 1.1;
    let x = |value: f64| 80.0 + 78.0 * value / reach;
    if ![difference, low, high].iter().all(|value| value.is_finite()) {
        return String::new();
    }
    format!(
        "<svg class=\"interval {class}\" viewBox=\"0 0 160 18\" width=\"160\" height=\"18\" aria-hidden=\"true\">\
         <line class=\"zero\" x1=\"80\" x2=\"80\" y1=\"1\" y2=\"17\"/><line class=\"reach\" x1=\"{:.1}\" x2=\"{:.1}\" \
         y1=\"9\" y2=\"9\"/><circle cx=\"{:.1}\" cy=\"9\" r=\"4\"/></svg>",
        x(low),
        x(high),
        x(difference)
    )
}
