//! The metrics, and the reader of pickles, without LibTorch: for fuzzing and for measuring them alone.
//!
//! Run a target with `cargo fuzz run tokenizer -- -max_total_time=600` (on a stable compiler: `RUSTC_BOOTSTRAP=1`).

pub use rsic_metrics as eval;

#[allow(dead_code, reason = "the fuzzed reader is one file of several")]
#[path = "../../src/weights/torch/pickle.rs"]
mod pickle;

/// Reads a pickle and walks over everything that it gave; the length of what was read.
pub fn read_pickle(bytes: &[u8]) -> anyhow::Result<usize> {
    let pickle = pickle::read(bytes)?;
    for id in (0..pickle.values.len()).chain([pickle.root]) {
        let _ = (pickle.get(id), pickle.text(id), pickle.integer(id), pickle.sequence(id), pickle.integers(id));
    }
    Ok(pickle.length)
}
