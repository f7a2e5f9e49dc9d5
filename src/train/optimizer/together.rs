//! Many parameters at a time, for a GPU: `together.cpp`. Operations panic where LibTorch's would.

use super::update::{Adaptive, Momentum};
use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};
use tch::Tensor;
use torch_sys::C_tensor;

/// As in `together.cpp`.
#[repr(C)]
struct Call {
    lists: [*const *mut C_tensor; 4],
    count: usize,
    why: [c_char; 500],
}

mod shim {
    use super::{Adaptive, C_tensor, Call};

    unsafe extern "C" {
        pub(super) fn rsic_adaptive_steps(by: *const Adaptive, call: *mut Call) -> bool;
        pub(super) fn rsic_sgd_steps(lr: f64, momentum: f64, decay: f64, call: *mut Call) -> bool;
        pub(super) fn rsic_scale_all(factor: f64, call: *mut Call) -> bool;
        pub(super) fn rsic_clamp_all(limit: f64, call: *mut Call) -> bool;
        pub(super) fn rsic_clip_all(limit: f64, call: *mut Call, norm: *mut *mut C_tensor) -> bool;
    }
}

/// Steps of as many parameters as there are gradients and pairs of moments, of their shapes.
pub(super) fn adaptive(by: &Adaptive, tensors: [&[&Tensor]; 4]) {
    // SAFETY: `by` lives as long as the call.
    call(tensors, |call| unsafe { shim::rsic_adaptive_steps(by, call) });
}

/// Steps of parameters with their gradients and velocities.
pub(super) fn sgd(by: &Momentum, tensors: [&[&Tensor]; 3]) {
    // SAFETY: numbers alone.
    call(tensors, |call| unsafe { shim::rsic_sgd_steps(by.lr, by.momentum, by.decay, call) });
}

pub(super) fn scale(factor: f64, tensors: &[&Tensor]) {
    // SAFETY: numbers alone.
    call([tensors], |call| unsafe { shim::rsic_scale_all(factor, call) });
}

/// Clamps every element to `[-limit, limit]`.
pub(super) fn clamp(limit: f64, tensors: &[&Tensor]) {
    // SAFETY: numbers alone.
    call([tensors], |call| unsafe { shim::rsic_clamp_all(limit, call) });
}

/// Scales all so that their common norm is at most `limit`; gives the norm before, which is not waited for.
pub(super) fn clip(limit: f64, tensors: &[&Tensor]) -> Tensor {
    let mut norm = null_mut();
    // SAFETY: `norm` lives as long as the call, which sets it where it does not fail.
    call([tensors], |call| unsafe { shim::rsic_clip_all(limit, call, &raw mut norm) });
    // SAFETY: a new tensor that is ours.
    unsafe { Tensor::from_ptr(norm) }
}

/// Calls `work` with lists of tensors, unless they are empty ones.
fn call<const N: usize>(tensors: [&[&Tensor]; N], work: impl FnOnce(*mut Call) -> bool) {
    let count = tensors.first().map_or(0, |first| first.len());
    assert!(tensors.iter().all(|list| list.len() == count), "lists of unequal length");
    if count == 0 {
        return;
    }
    let kept = tensors.map(|list| list.iter().map(|tensor| tensor.as_ptr().cast_mut()).collect::<Vec<_>>());
    let mut lists = [null(); 4];
    lists.iter_mut().zip(&kept).for_each(|(pointer, list)| *pointer = list.as_ptr());
    let mut call = Call { lists, count, why: [0; 500] };
    if !work(&raw mut call) {
        // SAFETY: a failure leaves text there that ends with a zero.
        panic!("{}", unsafe { CStr::from_ptr(call.why.as_ptr()) }.to_string_lossy());
    }
}
