//! Memory that runs out during a step, as a value instead of a panic.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// What LibTorch's allocators say when they have none left.
const PHRASES: [&str; 4] =
    ["out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED"];

/// Memory ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfMemory;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`. LibTorch's operations panic where they fail: for want of memory, that is caught and not printed; any
/// other panic goes on.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, OutOfMemory> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !(GUARDED.get() && is_out_of_memory(info.payload())) {
                print(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    // What `work` touches is not used again but to try once more from the start.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.map_err(|payload| if is_out_of_memory(&*payload) { OutOfMemory } else { panic::resume_unwind(payload) })
}

fn is_out_of_memory(payload: &(dyn Any + Send)) -> bool {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.is_some_and(|text| PHRASES.iter().any(|phrase| text.contains(phrase)))
}

/// The largest of `1..below` that `fits`, found by halving and then to within an eighth of it: fitting is assumed to be
/// a matter of size alone.
pub(super) fn largest(below: usize, mut fits: impl FnMut(usize) -> bool) -> Option<usize> {
    let (mut too_large, mut good) = (below, below / 2);
    while good > 0 && !fits(good) {
        (too_large, good) = (good, good / 2);
    }
    if good == 0 {
        return None;
    }
    while too_large - good > (good / 8).max(1) {
        let middle = good + (too_large - good) / 2;
        if fits(middle) {
            good = middle;
        } else {
            too_large = middle;
        }
    }
    Some(good)
}

/// Batch size and number of batches of at most `fits` examples that make a step of exactly `step`.
pub(super) fn split(step: usize, fits: usize) -> (usize, usize) {
    let batches = (1..=step).find(|n| step.is_multiple_of(*n) && step / n <= fits).unwrap_or(step.max(1));
    (step / batches, batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn libtorch_s_own_failure_is_caught_and_other_panics_go_on() {
        let huge = || Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu)).size();
        assert_eq!(guarded(huge), Err(OutOfMemory));
        assert_eq!(guarded(|| 3), Ok(3));
        assert!(panic::catch_unwind(|| guarded(|| panic!("another"))).is_err());
    }

    #[test]
    fn the_largest_that_fits_is_found_closely() {
        for limit in 1..64 {
            let found = largest(64, |size| size <= limit).unwrap_or(0);
            assert!(found <= limit && limit - found <= found / 8 + 1, "{found} of {limit}");
        }
        assert_eq!(largest(64, |_| false), None);
        assert_eq!(largest(1, |_| true), None);
    }

    #[test]
    fn a_step_is_split_into_equal_batches() {
        assert_eq!(split(64, 20), (16, 4));
        assert_eq!(split(64, 32), (32, 2));
        assert_eq!(split(50, 20), (10, 5));
        assert_eq!(split(7, 3), (1, 7));
    }
}
