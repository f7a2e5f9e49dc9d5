//! A damaged file of METEOR resources gives an error or wrong numbers, never a crash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsic_fuzz::eval::meteor::Resources;
use rsic_fuzz::eval::{MetricSet, References};
use std::io::Write;
use std::sync::Arc;

/// A header whose places lie inside a small file, then the input: most inputs get past the first checks.
fn file(input: &[u8]) -> Vec<u8> {
    let (places, rest) = input.split_at(input.len().min(2 * 19));
    let mut file = b"RSICMTR\0\x01\0\0\0\x13\0\0\0".to_vec();
    file.extend([0; 64]);
    let end = 88 + 16 * 19 + rest.len();
    file.extend((end as u64).to_le_bytes());
    for section in 0..19 {
        let place = |at: usize| u64::from(places.get(2 * section + at).copied().unwrap_or(0));
        file.extend((88 + 16 * 19 + place(0)).to_le_bytes());
        file.extend(place(1).to_le_bytes());
    }
    file.extend(rest);
    file
}

fuzz_target!(|input: &[u8]| {
    let path = std::env::temp_dir().join(format!("rsic-fuzz-{}", std::process::id()));
    let written = std::fs::File::create(&path).and_then(|mut out| out.write_all(&file(input)));
    if written.is_err() {
        return;
    }
    if let Ok(resources) = Resources::open(&path) {
        let groups = [vec!["a plane parked on the b".into()], vec!["b c".into()]];
        let references = References::new(&groups).with_resources(Some(Arc::new(resources)));
        let _ = references.score(&["a b planes".into(), "c".into()], MetricSet::ALL);
    }
});
