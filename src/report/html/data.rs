//! The page's data: images, captions, and what the models show of them, as JSON that the page's scripts read.

use super::{Shown, thumbnail};
use crate::data::pos::Tagger;
use crate::runs::result::{CaptionRecord, ImageRecord};
use base64::Engine;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Attributes listed for an image: the likeliest, and all of a probability of one half or more.
const ATTRIBUTES: usize = 8;

/// JSON that is safe inside a script element: no `<` is left, so that no text can end the element.
pub(super) fn json(shown: &[Shown], images: &[&ImageRecord]) -> String {
    let tagger = Tagger::builtin().ok();
    let pictures: Vec<Value> = images.par_iter().map(|image| picture(image, shown)).collect();
    let sources: Vec<Value> = shown.par_iter().map(|one| source(one, images, tagger.as_ref())).collect();
    let text = json!({ "images": pictures, "sources": sources }).to_string();
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn picture(image: &ImageRecord, shown: &[Shown]) -> Value {
    // Runs of several models see the same images, of which some models see masks.
    let records = shown.iter().flat_map(|one| one.result.images.iter().find(|other| other.name == image.name));
    let mask: Option<PathBuf> = records.into_iter().find_map(|record| record.mask.clone());
    let mut value = json!({
        "name": image.name,
        "picture": thumbnail::data_uri(&image.path),
        "references": image.references,
    });
    if let Some(mask) = mask.and_then(|path| thumbnail::data_uri(&path)) {
        value["mask"] = mask.into();
    }
    value
}

fn source(one: &Shown, images: &[&ImageRecord], tagger: Option<&Tagger>) -> Value {
    let places: BTreeMap<&str, usize> =
        one.result.images.iter().enumerate().map(|(index, image)| (image.name.as_str(), index)).collect();
    let captions: Vec<Value> = images
        .iter()
        .map(|image| {
            let index = places.get(image.name.as_str());
            let record = index.and_then(|index| one.decoding.captions.get(*index));
            record.map_or(Value::Null, |record| caption(record, tagger))
        })
        .collect();
    json!({ "label": one.label(), "captions": captions })
}

fn caption(record: &CaptionRecord, tagger: Option<&Tagger>) -> Value {
    let rounded: Map<String, Value> =
        record.scores.0.iter().map(|(name, value)| (name.clone(), json!((value * 1e4).round() / 1e4))).collect();
    let mut value = json!({ "text": record.caption, "scores": rounded });
    if !record.nouns.is_empty() {
        value["nouns"] = json!(record.nouns);
    }
    if !record.shown.sampled.is_empty() {
        value["sampled"] = json!(record.shown.sampled);
    }
    let attributes = &record.shown.attributes;
    if !attributes.is_empty() {
        let likely = record.shown.likely_attributes().count().clamp(ATTRIBUTES, 2 * ATTRIBUTES);
        let rounded = attributes.iter().take(likely).map(|(word, p)| json!([word, (p * 1e3).round() / 1e3]));
        value["attributes"] = rounded.collect();
    }
    if let Some(first) = record.shown.attention.first() {
        let words: Vec<&str> = record.shown.attention.iter().map(|look| look.word.as_str()).collect();
        let parts = parts(&words, tagger);
        let looks = record
            .shown
            .attention
            .iter()
            .zip(parts)
            .map(|(look, part)| json!({ "word": look.word, "part": part, "weights": bytes(&look.weights) }));
        value["grid"] = json!([first.weights.len(), first.weights.first().map_or(0, Vec::len)]);
        value["attention"] = looks.collect();
    }
    if let Some(first) = record.shown.encoder.first() {
        value["encoder_grid"] = json!([first.len(), first.first().map_or(0, Vec::len)]);
        value["encoder"] = record.shown.encoder.iter().map(|weights| bytes(weights)).collect();
    }
    value
}

/// `c` for words of category, which are nouns, `p` for words of position, which are prepositions; else nothing.
fn parts(words: &[&str], tagger: Option<&Tagger>) -> Vec<&'static str> {
    const POSITION: [&str; 8] = ["next", "close", "middle", "around", "near", "beside", "top", "side"];
    let caption = words.split_last().map_or(words, |(_, caption)| caption); // the last look is at the end
    let tags = tagger.map_or_else(Vec::new, |tagger| tagger.tag(caption));
    let part = |(index, word): (usize, &&str)| match tags.get(index) {
        Some(_) if POSITION.contains(word) => "p",
        Some(tag) if tag.is_noun() => "c",
        Some(tag) if tag.name() == "IN" && *word != "of" => "p",
        _ => "",
    };
    words.iter().enumerate().map(part).collect()
}

/// Weights as bytes, the greatest 255, in base64: enough for the eye, in a tenth of the space of decimals.
fn bytes(weights: &[Vec<f32>]) -> String {
    let most = weights.iter().flatten().copied().fold(1e-9, f32::max);
    let bytes: Vec<u8> = weights.iter().flatten().map(|weight| (weight / most * 255.0).round() as u8).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_category_and_of_position_are_told_apart() {
        let words = ["a", "road", "next", "to", "many", "buildings", "in", "a", "meadow", "<end>"];
        let tagger = Tagger::builtin().unwrap();
        assert_eq!(parts(&words, Some(&tagger)), ["", "c", "p", "", "", "c", "p", "", "c", ""]);
        assert_eq!(parts(&words, None), [""; 10]);
    }

    #[test]
    fn what_a_model_does_not_show_is_absent_and_of_the_rest_little_is_lost() {
        use crate::eval::Scores;
        use crate::runs::{Explanation, Look};
        let plain = CaptionRecord {
            caption: "a road".into(),
            scores: Scores(vec![("CIDEr".into(), 1.234_56)]),
            nouns: Vec::new(),
            shown: Explanation::default(),
        };
        assert_eq!(caption(&plain, None), json!({"text": "a road", "scores": {"CIDEr": 1.2346}}));
        let attributes: Vec<(String, f64)> = (0..20).map(|n| (format!("w{n}"), 0.9 - 0.05 * f64::from(n))).collect();
        let attention = vec![Look { word: "<end>".into(), weights: vec![vec![0.5, 0.5]] }];
        let encoder = vec![vec![vec![0.25], vec![0.75]]];
        let shown = Explanation { attributes, sampled: vec!["w0".into()], attention, encoder };
        let full = caption(&CaptionRecord { nouns: vec!["road".into()], shown, ..plain }, None);
        assert_eq!((&full["nouns"], &full["grid"]), (&json!(["road"]), &json!([1, 2])));
        assert_eq!(full["sampled"], json!(["w0"]));
        assert_eq!(full["attributes"].as_array().unwrap().len(), 9, "those of one half and more");
        assert_eq!(full["attention"][0], json!({"word": "<end>", "part": "", "weights": "//8="}));
        assert_eq!((&full["encoder_grid"], &full["encoder"]), (&json!([2, 1]), &json!(["Vf8="])));
    }

    #[test]
    fn the_greatest_weight_is_255() {
        let weights = [vec![0.0, 0.25], vec![0.5, 0.25]];
        assert_eq!(base64::engine::general_purpose::STANDARD.decode(bytes(&weights)).unwrap(), [0, 128, 255, 128]);
    }
}
