//! The file readers: the first byte picks the format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsic_fuzz::eval::readers::{Format, parse};

fuzz_target!(|input: (u8, &str)| {
    let format = [Format::Json, Format::JsonLines, Format::Text][usize::from(input.0 % 3)];
    if let Ok(captions) = parse(input.1, format) {
        for item in captions.items() {
            assert!(captions.get(&item.id).is_some());
        }
    }
});
