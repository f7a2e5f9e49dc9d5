//! A pickle of a stranger gives plain values or an error, never a crash, and no more memory than its length allows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsic_fuzz::read_pickle;

fuzz_target!(|input: &[u8]| {
    if let Ok(length) = read_pickle(input) {
        assert!(length <= input.len());
    }
});
