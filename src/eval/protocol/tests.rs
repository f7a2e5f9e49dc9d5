//! Against NLTK and rouge-score: `tests/golden/protocols.json`, which `protocols.py` beside it makes.

use super::*;
use serde_json::Value;

fn golden(name: &str) -> Value {
    let path = format!("{}/../../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn captions() -> (Vec<String>, Vec<Vec<String>>) {
    let items = golden("rs_captions.json")["items"].as_array().unwrap().clone();
    items.iter().map(|item| (item["hyp"].as_str().unwrap().to_owned(), strings(&item["refs"]))).unzip()
}

fn scores(protocol: Protocol, smoothing: Smoothing) -> Scores {
    let (captions, groups) = captions();
    score(protocol, &captions, &groups, MetricSet::SM, smoothing, None).unwrap()
}

#[track_caller]
fn close(ours: Option<f64>, theirs: &Value) {
    let (ours, theirs) = (ours.unwrap(), theirs.as_f64().unwrap());
    assert!((ours - theirs).abs() <= 1e-12, "{ours} {theirs}");
}

#[test]
fn corpus_bleu_with_each_smoothing_is_nltks() {
    let golden = &golden("protocols.json")["nltk"];
    for (method, values) in golden["bleu"].as_object().unwrap() {
        let scores = scores(Protocol::Nltk, method.parse().unwrap());
        for (n, value) in (1..).zip(values.as_array().unwrap()) {
            close(scores.get(&format!("BLEU-{n}")), value);
        }
    }
    let few = &golden["few"];
    let groups: Vec<Vec<String>> = few["refs"].as_array().unwrap().iter().map(strings).collect();
    for (method, values) in few["bleu"].as_object().unwrap() {
        let smoothing = method.parse().unwrap();
        let scores = score(Protocol::Nltk, &strings(&few["hyps"]), &groups, MetricSet::SM, smoothing, None).unwrap();
        for (n, value) in (1..).zip(values.as_array().unwrap()) {
            close(scores.get(&format!("BLEU-{n}")), value);
        }
    }
}

#[test]
fn meteor_and_rouge_l_are_nltks_and_rouge_scores() {
    let golden = golden("protocols.json");
    let nltk = scores(Protocol::Nltk, Smoothing::default());
    close(nltk.get("METEOR"), &golden["nltk"]["meteor"]);
    close(nltk.get("ROUGE_L"), &golden["nltk"]["rouge_l"]);
    let mean = scores(Protocol::MeanOverReferences, Smoothing::default());
    let golden = &golden["mean_over_references"];
    close(mean.get("ROUGE_1"), &golden["rouge_1"]);
    close(mean.get("ROUGE_L"), &golden["rouge_l"]);
    close(mean.get("METEOR"), &golden["meteor"]);
}

#[test]
fn the_original_cider_is_the_mean_cosine_and_spider_lies_between_its_two() {
    let (captions, groups) = captions();
    let metrics = ["CIDEr-original", "SPIDEr"].map(|name| name.parse::<MetricSet>().unwrap());
    let metrics = metrics[0].union(metrics[1]);
    let scores = score(Protocol::Coco, &captions, &groups, metrics, Smoothing::default(), None).unwrap();
    close(scores.get("CIDEr (original)"), &golden("protocols.json")["cider_original"]);
    let [cider, spice, spider] =
        ["CIDEr", "SPICE (native, no synonyms)", "SPIDEr"].map(|name| scores.get(name).unwrap());
    assert!((spider - (cider + spice) / 2.0).abs() < 1e-15);
}

#[test]
fn stems_and_tokens_are_nltks() {
    let golden = golden("protocols.json");
    for pair in golden["stems"].as_array().unwrap() {
        let (word, theirs) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        assert_eq!(porter::stem(word), theirs, "{word}");
    }
    for pair in golden["treebank"].as_array().unwrap() {
        assert_eq!(treebank::tokens(pair[0].as_str().unwrap()), strings(&pair[1]));
    }
}

#[test]
fn without_the_tokenizer_case_and_punctuation_count() {
    let groups = [vec!["A plane .".to_owned()], vec!["two cars".to_owned()]];
    let captions = ["a plane", "two cars"];
    let bleu = |protocol| {
        score(protocol, &captions, &groups, MetricSet::SM, Smoothing::default(), None).unwrap().get("BLEU-1").unwrap()
    };
    assert!((bleu(Protocol::Coco) - 1.0).abs() < 1e-8);
    // Three of four words, one word shorter than the references.
    assert!((bleu(Protocol::CocoNoPtb) - 0.75 * (1.0f64 - 5.0 / 4.0).exp()).abs() < 1e-8);
}

#[test]
fn protocols_and_smoothing_have_names() {
    assert_eq!("nltk".parse::<Protocol>().unwrap(), Protocol::Nltk);
    assert!("meteor".parse::<Protocol>().unwrap_err().to_string().contains("valid: coco, coco-no-ptb, ids"));
    assert!("method9".parse::<Smoothing>().unwrap_err().to_string().contains("method0 to method4"));
    assert!(score(Protocol::Nltk, &["a"], &[] as &[Vec<String>], MetricSet::SM, Smoothing::default(), None).is_err());
}
