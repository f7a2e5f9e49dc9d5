//! All metrics on a hypothesis and references: finite, not negative, not above their maximum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsic_fuzz::eval::{MetricSet, References};

fuzz_target!(|input: (&str, Vec<&str>)| {
    let group: Vec<String> = input.1.iter().map(|text| (*text).to_owned()).collect();
    let references = References::new(&[group, vec!["a road near a house".into()]]).with_resources(None);
    let evaluation = references.score(&[input.0.to_owned(), "a road".into()], MetricSet::ALL);
    for scores in evaluation.into_iter().flat_map(|evaluation| evaluation.images) {
        for (name, value) in scores.0 {
            let maximum = if name.starts_with("CIDEr") || name.starts_with("Sm") { 10.0 } else { 1.0 };
            assert!((0.0..=maximum + 1e-9).contains(&value), "{name} {value}");
        }
    }
});
