//! METEOR's normaliser, on text that the tokeniser has cleaned and on text that it has not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsic_fuzz::eval::{meteor::normalize, tokenize};

fuzz_target!(|text: &str| {
    for text in [text, &tokenize(text)] {
        let words = normalize(text, None);
        assert!(!words.contains("  ") && !words.starts_with(' ') && !words.ends_with(' '));
    }
});
