//! Words tagged a second with NLTK's tables, loading not counted; the peer is run by `pos.py`.
//! Usage: cargo bench --bench pos -- TABLES_FOLDER tests/golden/nltk_pos.json
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use rsic::data::pos::Tagger;
use std::path::Path;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let [_, folder, sentences] = arguments.as_slice() else { return };
    let tagger = Tagger::load(Path::new(folder)).unwrap();
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(sentences).unwrap()).unwrap();
    let cuts = data["items"].as_array().unwrap().iter().flat_map(|item| item.as_array().unwrap());
    let words: Vec<Vec<String>> = cuts.map(|cut| serde_json::from_value(cut[0].clone()).unwrap()).collect();
    let count: usize = words.iter().map(Vec::len).sum();
    let rounds = 20;
    let start = Instant::now();
    let mut nouns = 0;
    for _ in 0..rounds {
        for sentence in &words {
            nouns += tagger.tag(sentence).iter().filter(|tag| tag.is_noun()).count();
        }
    }
    assert!(nouns > 0);
    println!("{:.0}", (rounds * count) as f64 / start.elapsed().as_secs_f64());
}
