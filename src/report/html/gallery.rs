//! The gallery: every image with its captions, references and scores, as data that the page's script shows.

use super::{Shown, escape, thumbnail};
use crate::experiments::result::ImageRecord;
use rayon::prelude::*;
use serde_json::{Value, json};

/// Most images on a page, so that it stays quick to open; beyond it the worst and the best are kept.
const MOST: usize = 300;

/// Metrics by which single images are sorted, best known first.
const SORT_BY: [&str; 4] = ["CIDEr", "BLEU-4", "ROUGE_L", "METEOR"];

/// The section with its controls; empty where nothing has been captioned.
pub(super) fn section(shown: &[Shown]) -> String {
    let (images, total) = chosen(shown);
    if images.is_empty() {
        return String::new();
    }
    let note = if total > images.len() {
        format!(
            "<p class=\"hint\">The {} worst and best of {total} images by the first run's scores.</p>",
            images.len()
        )
    } else {
        String::new()
    };
    let options = |values: &mut dyn Iterator<Item = (String, String)>| -> String {
        values.map(|(value, text)| format!("<option value=\"{}\">{}</option>", escape(&value), escape(&text))).collect()
    };
    let sources = options(&mut shown.iter().enumerate().map(|(index, one)| (index.to_string(), label(one))));
    let metrics = options(&mut metrics(shown).into_iter().map(|name| (name.clone(), name)));
    format!(
        "<section id=\"gallery\"><h2>Captions</h2>{note}\n<form class=\"controls\" aria-label=\"Gallery\">\
         <label>Run <select id=\"source\">{sources}</select></label>\
         <label>Score <select id=\"metric\">{metrics}</select></label>\
         <label>Order <select id=\"order\"><option value=\"worst\">worst first</option>\
         <option value=\"best\">best first</option><option value=\"dataset\">dataset</option></select></label>\
         <label class=\"grow\">Filter <input id=\"filter\" type=\"search\" placeholder=\"word in a caption, reference \
         or file name\"></label><output id=\"count\"></output></form>\n<div id=\"cards\" class=\"cards\"></div>\n\
         <noscript><p>The gallery needs JavaScript.</p></noscript>\n\
         <script type=\"application/json\" id=\"data\">{}</script></section>\n",
        data(shown, &images)
    )
}

/// `FE-LWS, beam 5, seed 1`.
fn label(shown: &Shown) -> String {
    format!("{}, {}, seed {}", shown.methods, shown.decoding.name, shown.result.seed)
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
    let mut names = std::collections::BTreeSet::new();
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
        let kept: std::collections::BTreeSet<&str> = worst.chain(best).map(|(_, name)| *name).collect();
        images.retain(|image| kept.contains(image.name.as_str()));
    }
    (images, total)
}

/// JSON that is safe inside a script element: no `<` is left, so that no text can end the element.
fn data(shown: &[Shown], images: &[&ImageRecord]) -> String {
    let pictures: Vec<Value> = images
        .par_iter()
        .map(|image| {
            json!({
                "name": image.name,
                "picture": thumbnail::data_uri(&image.path),
                "references": image.references,
            })
        })
        .collect();
    let sources: Vec<Value> = shown
        .iter()
        .map(|one| {
            let by_name: std::collections::BTreeMap<&str, usize> =
                one.result.images.iter().enumerate().map(|(index, image)| (image.name.as_str(), index)).collect();
            let captions: Vec<Value> = images
                .iter()
                .map(|image| {
                    let index = by_name.get(image.name.as_str());
                    index.and_then(|index| one.decoding.captions.get(*index)).map_or(Value::Null, |caption| {
                        let rounded: serde_json::Map<String, Value> = caption
                            .scores
                            .0
                            .iter()
                            .map(|(name, value)| (name.clone(), json!((value * 1e4).round() / 1e4)))
                            .collect();
                        let mut shown = json!({ "text": caption.caption, "scores": rounded });
                        if let (false, Some(object)) = (caption.shown.is_empty(), shown.as_object_mut()) {
                            let likely: Vec<_> = caption.shown.likely_attributes().collect();
                            object.insert("attributes".into(), json!(likely));
                            object.insert("attention".into(), json!(caption.shown.attention));
                        }
                        shown
                    })
                })
                .collect();
            json!({ "label": label(one), "captions": captions })
        })
        .collect();
    let text = json!({ "images": pictures, "sources": sources }).to_string();
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}
