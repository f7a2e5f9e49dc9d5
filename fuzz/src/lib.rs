//! The metrics without LibTorch, for fuzzing and for measuring them alone.
//!
//! Run a target with `cargo fuzz run tokenizer -- -max_total_time=600` (on a stable compiler: `RUSTC_BOOTSTRAP=1`).

#[path = "../../src/eval/mod.rs"]
pub mod eval;

#[path = "../../src/util"]
pub mod util {
    pub mod fs;
    pub mod rng;
}
