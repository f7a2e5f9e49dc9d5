//! Line charts as inline SVG, coloured by the page's style.

use super::escape;

/// One line of a chart.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64)>,
    /// The point that is marked, with what is said of it.
    pub(super) marked: Option<(f64, f64, String)>,
}

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 30.0;

/// A chart of `y` against `x`; empty where no series has two points.
pub(super) fn lines(description: &str, x_label: &str, series: &[Series]) -> String {
    let finite = |series: &Series| -> Vec<(f64, f64)> {
        series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
    };
    let all: Vec<(f64, f64)> = series.iter().flat_map(finite).collect();
    let Some((x_low, x_high)) = range(all.iter().map(|point| point.0)).filter(|(low, high)| low < high) else {
        return String::new();
    };
    let (y_low, y_high) = range(all.iter().map(|point| point.1)).map_or((0.0, 1.0), padded);
    let y_ticks = ticks(y_low, y_high, 4);
    let x_ticks: Vec<f64> = ticks(x_low, x_high, 6).into_iter().filter(|tick| tick.fract() == 0.0).collect();
    let x = |value: f64| LEFT + (value - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(description)
    );
    for tick in &y_ticks {
        let at = y(*tick);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick end\" \
             x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 3.5,
            number(*tick, &y_ticks)
        ));
    }
    for tick in &x_ticks {
        svg.push_str(&format!(
            "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{tick}</text>",
            x(*tick),
            HEIGHT - BOTTOM + 14.0
        ));
    }
    svg.push_str(&format!(
        "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 3.0,
        escape(x_label)
    ));
    for (index, one) in series.iter().enumerate() {
        let points: Vec<String> = finite(one).iter().map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py))).collect();
        svg.push_str(&format!(
            "<polyline class=\"line s{}\" points=\"{}\"><title>{}</title></polyline>",
            index % 6,
            points.join(" "),
            escape(&one.label)
        ));
        if let Some((px, py, text)) = one.marked.as_ref().filter(|(px, py, _)| px.is_finite() && py.is_finite()) {
            svg.push_str(&format!(
                "<circle class=\"dot s{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}</title></circle>",
                index % 6,
                x(*px),
                y(*py),
                escape(text)
            ));
        }
    }
    svg.push_str("</svg>");
    svg
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// Some air above and below, and a height even where all values are equal.
fn padded((low, high): (f64, f64)) -> (f64, f64) {
    let air = if high > low { (high - low) * 0.06 } else { low.abs().max(1.0) * 0.1 };
    (low - air, high + air)
}

/// About `count` round numbers between `low` and `high`.
fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).take(20).map(|index| index as f64 * step).collect()
}

/// A tick with as many decimals as the step between ticks needs.
fn number(tick: f64, ticks: &[f64]) -> String {
    let step = match ticks {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{tick:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = ticks(0.612, 0.781, 4);
        assert_eq!(ticks.iter().map(|tick| format!("{tick:.2}")).collect::<Vec<_>>(), ["0.65", "0.70", "0.75"]);
        assert_eq!(number(0.65, &ticks), "0.65");
    }

    #[test]
    fn a_chart_needs_two_points_and_leaves_out_what_is_no_number() {
        let series = |points| [Series { label: "<x>".into(), points, marked: None }];
        assert_eq!(lines("d", "epoch", &series(vec![(1.0, 0.5)])), "");
        let svg = lines("d", "epoch", &series(vec![(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.5)]));
        assert!(svg.contains("&lt;x&gt;") && !svg.contains("NaN"), "{svg}");
    }
}
