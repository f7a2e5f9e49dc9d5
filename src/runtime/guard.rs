//! Memory that runs out, as a value instead of a panic; and work that is done in smaller parts then.

use super::libtorch::release_memory;
use anyhow::{Result, bail};
use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use tch::Tensor;

/// What LibTorch's allocators say when they have none left.
const PHRASES: [&str; 4] =
    ["out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED"];

/// Memory ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`. LibTorch's operations panic where they fail: for want of memory, that is caught and not printed; any
/// other panic goes on.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, OutOfMemory> {
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

/// What `work` gives of `0..count`, in order: of all at once or, where memory runs out, of one half and then of the
/// other, and so on. `what` names them, in the plural.
///
/// Errors: those of `work`, and one that does not fit on its own.
pub fn halving<R>(count: usize, what: &str, work: &mut dyn FnMut(Range<usize>) -> Result<Vec<R>>) -> Result<Vec<R>> {
    let mut waiting: Vec<Range<usize>> = std::iter::once(0..count).collect();
    let mut done = Vec::new();
    while let Some(part) = waiting.pop() {
        if let Ok(of_part) = guarded(|| work(part.clone())) {
            done.extend(of_part?);
            continue;
        }
        release_memory();
        let count = part.len();
        if count < 2 {
            bail!("out of memory: not even one of the {what} fits; use a device with more memory, or --device cpu");
        }
        tracing::warn!("out of memory: {count} {what} do not fit at a time; trying half of them");
        let middle = part.start + count / 2;
        waiting.extend([middle..part.end, part.start..middle]);
    }
    Ok(done)
}

/// [`halving`] of tensors with one entry an image along their first dimension.
pub fn halving_images<R>(images: &[Tensor], work: &mut dyn FnMut(&[Tensor]) -> Result<Vec<R>>) -> Result<Vec<R>> {
    let count = images.first().and_then(|images| images.size().first().copied()).unwrap_or(0);
    halving(usize::try_from(count)?, "images", &mut |part| {
        let (start, length) = (part.start as i64, part.len() as i64);
        if length == count {
            return work(images);
        }
        work(&images.iter().map(|images| images.narrow(0, start, length)).collect::<Vec<_>>())
    })
}

/// The largest of `1..below` that `fits`, found by halving and then to within an eighth of it: fitting is assumed to be
/// a matter of size alone.
pub fn largest(below: usize, mut fits: impl FnMut(usize) -> bool) -> Option<usize> {
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
pub fn split(step: usize, fits: usize) -> (usize, usize) {
    let batches = (1..=step).find(|n| step.is_multiple_of(*n) && step / n <= fits).unwrap_or(step.max(1));
    (step / batches, batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn libtorch_s_own_failure_is_caught_and_other_panics_go_on() {
        let huge = || Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu)).size();
        assert_eq!(guarded(huge), Err(OutOfMemory));
        assert_eq!(guarded(|| 3), Ok(3));
        assert!(panic::catch_unwind(|| guarded(|| panic!("another"))).is_err());
    }

    #[test]
    fn what_does_not_fit_at_once_is_done_in_halves_in_order_and_other_failures_go_on() {
        let rows = [Tensor::arange(11, (Kind::Int64, Device::Cpu))];
        let mut most = 0;
        let mut work = |part: &[Tensor]| {
            let values = Vec::<i64>::try_from(&part[0])?;
            assert!(values.len() <= 3, "DefaultCPUAllocator: not enough memory");
            most = most.max(values.len());
            Ok(values)
        };
        assert_eq!(halving_images(&rows, &mut work).unwrap(), (0..11).collect::<Vec<i64>>());
        assert_eq!(most, 3);
        let none = halving_images(&rows, &mut |_| -> Result<Vec<i64>> { panic!("CUDA out of memory") });
        assert!(none.unwrap_err().to_string().contains("not even one of the images fits"));
        let other = halving_images(&rows, &mut |_| -> Result<Vec<i64>> { bail!("another") });
        assert_eq!(other.unwrap_err().to_string(), "another");
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
