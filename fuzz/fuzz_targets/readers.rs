//! The file readers: the first byte picks the format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsic_fuzz::eval::readers::{Format, parse};

fuzz_target!(|input: (u8, &str)| {
    let format = [Format::Json, Format::JsonLines, Format::Table, Format::Text][usize::from(input.0 % 4)];
    match parse(input.1, format) {
        Ok(captions) => {
            for item in captions.items() {
                assert!(captions.get(&item.id).is_some());
            }
        }
        // Messages name nothing of the program's inside; what the input itself says may stand in them.
        Err(error) => {
            let text = format!("{error:#}");
            for foreign in
                ["struct ", "enum ", "u64", "usize", "Error(", "Unknown(", "invalid type", "missing field", "EOF while"]
            {
                assert!(!text.contains(foreign) || input.1.contains(foreign), "{text}");
            }
        }
    }
});
