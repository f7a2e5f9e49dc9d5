//! The gallery: every image with its captions, references and scores, shown by the page's scripts.

use super::{Shown, data, escape};
use crate::runs::result::ImageRecord;
use std::collections::BTreeSet;

/// Most images on a page, so that it stays quick to open; beyond it the worst and the best are kept.
const MOST: usize = 300;

/// Metrics by which single images are sorted, best known first.
const SORT_BY: [&str; 4] = ["CIDEr", "BLEU-4", "ROUGE_L", "METEOR"];

/// The sections of worst cases and of all captions; empty where nothing has been captioned. `against`: the page
/// compares its first two sources.
pub(super) fn section(shown: &[Shown], against: bool) -> String {
    let (images, total) = chosen(shown);
    if images.is_empty() {
        return String::new();
    }
    let note = if total > images.len() {
        format!("The {} worst and best of {total} images by the first run's scores. ", images.len())
    } else {
        String::new()
    };
    let option = |value: &str, text: &str, selected: bool| {
        let selected = if selected { " selected" } else { "" };
        format!("<option value=\"{}\"{selected}>{}</option>", escape(value), escape(text))
    };
    let source = |(index, one): (usize, &Shown)| option(&index.to_string(), &one.label(), false);
    let sources: String = shown.iter().enumerate().map(source).collect();
    let other = |(index, one): (usize, &Shown)| option(&index.to_string(), &one.label(), against && index == 1);
    let others: String =
        std::iter::once(option("", "none", !against)).chain(shown.iter().enumerate().map(other)).collect();
    let metrics: String = metrics(shown).iter().map(|name| option(name, name, false)).collect();
    let orders = [("worst", "worst first"), ("best", "best first"), ("dataset", "dataset")];
    let mut orders: String = orders.iter().map(|(value, text)| option(value, text, false)).collect();
    let looks = shown.iter().flat_map(|one| &one.decoding.captions).any(|caption| !caption.shown.attention.is_empty());
    let looks = if looks {
        " Pointing at a word shows where the model looked when it said it: clear there, dark elsewhere. Nouns are \
        underlined, prepositions dotted."
    } else {
        ""
    };
    let hidden = if shown.len() > 1 { "" } else { " hidden" };
    if shown.len() > 1 {
        orders.push_str(&option("gain", "largest gain over the other", against));
        orders.push_str(&option("loss", "largest loss to the other", false));
    }
    format!(
        "<section id=\"worst-cases\"><h2>Worst cases</h2><p class=\"hint\">The six images with the lowest score of the \
         captions chosen below.</p><div id=\"worst\" class=\"cards few\"></div></section>\n\
         <section id=\"gallery\"><h2>Captions</h2><p class=\"hint\">{note}Arrow keys move between images, Enter opens \
         one, Escape closes it; in an open image the arrows turn the pages.{looks}</p>\n\
         <form class=\"controls\" aria-label=\"Gallery\"><label class=\"wide\">Captions of <select \
         id=\"source\">{sources}\
         </select></label><label class=\"wide\"{hidden}>Beside <select id=\"against\">{others}</select></label>\
         <label>Score <select id=\"metric\">{metrics}</select></label><label>Order <select \
         id=\"order\">{orders}</select>\
         </label><label class=\"grow\">Filter <input id=\"filter\" type=\"search\" placeholder=\"word in a caption, \
         reference or file name\"></label><output id=\"count\"></output></form>\n<div id=\"cards\" \
             class=\"cards\"></div>\n\
         <noscript><p>The gallery needs JavaScript.</p></noscript>\n<dialog id=\"detail\" \
         aria-label=\"Image\"></dialog>\n\
         <script type=\"application/json\" id=\"data\">{}</script></section>\n",
        data::json(shown, &images)
    )
}

fn metrics(shown: &[Shown]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for caption in shown.iter().flat_map(|one| &one.decoding.captions) {
        for name in caption.scores.names() {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    let rank = |name: &str| SORT_BY.iter().position(|known| *known == name).unwrap_or(SORT_BY.len());
    names.sort_by_key(|name| rank(name)); // stable: the others stay in the order of the tables
    names
}

/// Images in the order of the dataset, and how many there were before the worst and best were chosen.
fn chosen<'a>(shown: &[Shown<'a>]) -> (Vec<&'a ImageRecord>, usize) {
    let mut names = BTreeSet::new();
    let mut images: Vec<&ImageRecord> =
        shown.iter().flat_map(|one| &one.result.images).filter(|image| names.insert(&image.name)).collect();
    let total = images.len();
    if let Some(first) = shown.first().filter(|_| total > MOST) {
        let metric = metrics(shown).into_iter().next().unwrap_or_default();
        let mut scored: Vec<(f64, &str)> = first
            .result
            .images
            .iter()
            .zip(&first.decoding.captions)
            .map(|(image, caption)| (caption.scores.get(&metric).unwrap_or(0.0), image.name.as_str()))
            .collect();
        scored.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        let worst = scored.iter().take(MOST / 2);
        let best = scored.iter().skip(scored.len().saturating_sub(MOST / 2));
        let kept: BTreeSet<&str> = worst.chain(best).map(|(_, name)| *name).collect();
        images.retain(|image| kept.contains(image.name.as_str()));
    }
    (images, total)
}
