//! Any caption gives tokens between single spaces, and the same ones again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsic_fuzz::eval::tokenize;

fuzz_target!(|text: &str| {
    let tokens = tokenize(text);
    assert!(!tokens.contains("  ") && !tokens.starts_with(' ') && !tokens.ends_with(' '));
    assert_eq!(tokenize(text), tokens);
});
