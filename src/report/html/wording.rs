//! Lengths and vocabulary of captions beside those of the references.

use super::chart::{self, Series};
use super::{Shown, escape};
use crate::report::wording::Wording;

/// Most lines of a chart that can be told apart.
const LINES: usize = 5;
/// Words and captions listed.
const LISTED: usize = 12;

/// The section; empty where nothing has been captioned.
pub(super) fn section(shown: &[Shown]) -> String {
    let Some(first) = shown.first().filter(|one| !one.result.images.is_empty()) else { return String::new() };
    let references: Vec<&str> =
        first.result.images.iter().flat_map(|image| &image.references).map(String::as_str).collect();
    let references = Wording::of(&references);
    let wording = |one: &Shown| {
        let captions: Vec<&str> = one.decoding.captions.iter().map(|record| record.caption.as_str()).collect();
        (one.label(), Wording::of(&captions))
    };
    let all: Vec<(String, Wording)> = shown.iter().map(wording).collect();
    // One decoding of each run: more lines cannot be told apart.
    let new = |index: &usize| {
        let of = |at: usize| shown.get(at).map(|one| &one.methods);
        (0..*index).all(|before| of(before) != of(*index))
    };
    let drawn: Vec<&(String, Wording)> = (0..shown.len()).filter(new).filter_map(|index| all.get(index)).collect();
    let head: String = [
        "",
        "captions",
        "words each",
        "shortest – longest",
        "different",
        "vocabulary",
        "not in references",
        "stuttering",
        "with <unk>",
    ]
    .iter()
    .map(|name| format!("<th scope=\"col\">{}</th>", escape(name)))
    .collect();
    let rows: String = std::iter::once(row("references", &references, None))
        .chain(all.iter().map(|(label, wording)| row(label, wording, Some(&references))))
        .collect();
    format!(
        "<section id=\"wording\"><h2>Wording</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Wording\"><table class=\"plain\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\
         <div class=\"pair wording\"><div><h3>Lengths</h3>{}</div><div><h3>Said and \
         unsaid</h3>{}</div></div></section>\n",
        lengths(&references, &drawn),
        lists(&references, &all)
    )
}

fn row(label: &str, wording: &Wording, references: Option<&Wording>) -> String {
    let (shortest, longest) = wording.extremes();
    let percent = |part: usize| format!("{:.1} %", 100.0 * part as f64 / wording.captions.max(1) as f64);
    let cells = [
        wording.captions.to_string(),
        format!("{:.2}", wording.mean_length()),
        format!("{shortest} – {longest}"),
        format!("{:.1} %", 100.0 * wording.distinct()),
        wording.words.len().to_string(),
        references.map_or_else(|| "–".into(), |references| wording.beyond(references).len().to_string()),
        percent(wording.stuttering),
        percent(wording.unknown),
    ];
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr class=\"first\"><th scope=\"row\">{}</th>{cells}</tr>", escape(label))
}

/// Share of captions by number of words: of the references, and of the first few runs.
fn lengths(references: &Wording, all: &[&(String, Wording)]) -> String {
    let last = all.iter().map(|one| &one.1).chain([references]).map(|w| w.extremes().1).max().unwrap_or(0);
    let series = |label: &str, wording: &Wording| {
        let share = |length| *wording.lengths.get(&length).unwrap_or(&0) as f64 / wording.captions.max(1) as f64;
        let points = (0..=last + 1).map(|length| (length as f64, 100.0 * share(length))).collect();
        Series { label: label.to_owned(), points, marked: None }
    };
    let mut lines = vec![series("references", references)];
    lines.extend(all.iter().take(LINES).map(|one| series(&one.0, &one.1)));
    let legend: String = lines
        .iter()
        .enumerate()
        .map(|(index, line)| format!("<span><i class=\"key s{index}\"></i>{}</span>", escape(&line.label)))
        .collect();
    let chart = chart::lines("Captions by number of words, per cent", "words", &lines);
    format!("<h4>per cent of captions</h4>{chart}<div class=\"legend\">{legend}</div>")
}

/// What the first run says again and again, and what it never says.
fn lists(references: &Wording, all: &[(String, Wording)]) -> String {
    let Some((label, wording)) = all.first() else { return String::new() };
    let listed = |items: &mut dyn Iterator<Item = (&str, usize)>| -> String {
        let items: Vec<String> =
            items.take(LISTED).map(|(text, count)| format!("{} <span>×{count}</span>", escape(text))).collect();
        if items.is_empty() { "none".into() } else { items.join(", ") }
    };
    let mut repeated = wording.repeated.iter().filter(|(_, count)| *count > 1).take(5).map(|(t, c)| (t.as_str(), *c));
    format!(
        "<p class=\"hint\">{}</p><dl class=\"lists\"><dt>captions given more than once</dt><dd>{}</dd><dt>words of the \
         references that it never says</dt><dd>{}</dd><dt>words that no reference says</dt><dd>{}</dd></dl>",
        escape(label),
        listed(&mut repeated),
        listed(&mut references.beyond(wording).into_iter()),
        listed(&mut wording.beyond(references).into_iter())
    )
}
