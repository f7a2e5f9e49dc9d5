//! Switches of LibTorch that tch does not have: bfloat16 autocast, TF32, determinism; memory of a GPU.

use crate::train::{TrainConfig, TrainPrecision};
use anyhow::{Result, bail};
use tch::{Device, Tensor};

/// `libtorch.cpp`.
mod shim {
    unsafe extern "C" {
        pub(super) fn rsic_autocast_bf16(on: bool);
        pub(super) safe fn rsic_autocast_is_on() -> bool;
        pub(super) fn rsic_allow_tf32(on: bool);
        pub(super) safe fn rsic_tf32_is_allowed() -> bool;
        pub(super) fn rsic_deterministic(on: bool);
        pub(super) safe fn rsic_is_deterministic() -> bool;
        pub(super) fn rsic_cuda_memory(device: i32, now: *mut u64, peak: *mut u64) -> bool;
        pub(super) safe fn rsic_cuda_release();
        pub(super) fn rsic_clear_gradient(tensor: *mut torch_sys::C_tensor);
        pub(super) fn rsic_set_gradient(tensor: *mut torch_sys::C_tensor, gradient: *mut torch_sys::C_tensor);
        #[cfg(feature = "nccl")]
        pub(super) safe fn rsic_use_cuda_device(device: i32) -> bool;
    }
}

/// cuBLAS is deterministic with one of these as `CUBLAS_WORKSPACE_CONFIG` only.
const CUBLAS_WORKSPACES: [&str; 2] = [":4096:8", ":16:8"];

/// Sets the process's switches as `train` says.
pub(super) fn prepare(config: &TrainConfig, device: Device) -> Result<()> {
    if config.precision == TrainPrecision::Bf16 && !matches!(device, Device::Cuda(_)) {
        bail!("train.precision is bf16, which is for CUDA devices; set train.precision=float32 to train on a CPU");
    }
    if config.deterministic && matches!(device, Device::Cuda(_)) {
        let set = std::env::var("CUBLAS_WORKSPACE_CONFIG").unwrap_or_default();
        if !CUBLAS_WORKSPACES.contains(&set.as_str()) {
            bail!(
                "train.deterministic on a CUDA device needs the environment variable CUBLAS_WORKSPACE_CONFIG=:4096:8; \
                 export it and rerun"
            );
        }
    }
    // SAFETY: they set flags of the process, and take none but these plain values.
    unsafe {
        shim::rsic_allow_tf32(config.tf32);
        shim::rsic_deterministic(config.deterministic);
    }
    tracing::debug!(
        tf32 = shim::rsic_tf32_is_allowed(),
        deterministic = shim::rsic_is_deterministic(),
        "precision {:?}",
        config.precision
    );
    Ok(())
}

/// Runs the forward pass of a model as `precision` says. Its parameters and their gradients stay float32.
pub(super) fn autocast<T>(precision: TrainPrecision, forward: impl FnOnce() -> T) -> T {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            // SAFETY: sets flags of this thread.
            unsafe { shim::rsic_autocast_bf16(false) }
        }
    }
    if precision == TrainPrecision::Float32 || shim::rsic_autocast_is_on() {
        return forward();
    }
    let _off = Off; // also when `forward` panics
    // SAFETY: as above.
    unsafe { shim::rsic_autocast_bf16(true) };
    forward()
}

/// Bytes that tensors hold on a CUDA device, now and at most.
pub(super) fn cuda_memory(device: Device) -> Option<(u64, u64)> {
    let Device::Cuda(index) = device else { return None };
    let (mut now, mut peak) = (0, 0);
    // SAFETY: both point to numbers that outlive the call.
    let told = unsafe { shim::rsic_cuda_memory(i32::try_from(index).ok()?, &mut now, &mut peak) };
    told.then_some((now, peak))
}

/// Gives memory that LibTorch keeps in store back to the device.
pub(super) fn release_memory(device: Device) {
    if matches!(device, Device::Cuda(_)) {
        shim::rsic_cuda_release();
    }
}

/// Takes a parameter's gradient away, as PyTorch's `zero_grad` does: one that gets none in the next step is left alone
/// by the optimiser, and no memory is written.
pub(super) fn clear_gradient(parameter: &Tensor) {
    // SAFETY: the pointer is that of a live LibTorch tensor, of which only the gradient is dropped.
    unsafe { shim::rsic_clear_gradient(parameter.as_ptr().cast_mut()) }
}

/// Gives a parameter another gradient, of its shape.
pub(super) fn set_gradient(parameter: &Tensor, gradient: &Tensor) {
    debug_assert_eq!(parameter.size(), gradient.size());
    // SAFETY: both pointers are those of live LibTorch tensors; the parameter holds the gradient by its own reference.
    unsafe { shim::rsic_set_gradient(parameter.as_ptr().cast_mut(), gradient.as_ptr().cast_mut()) }
}

/// Makes a CUDA device this thread's current one.
#[cfg(feature = "nccl")]
pub(super) fn use_cuda_device(device: Device) -> Result<()> {
    match device {
        Device::Cuda(index) if shim::rsic_use_cuda_device(i32::try_from(index)?) => Ok(()),
        other => bail!("cannot make {other:?} the current device of CUDA"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autocast_is_on_inside_only_and_off_after_a_panic() {
        let is_on = || shim::rsic_autocast_is_on();
        assert!(!autocast(TrainPrecision::Float32, is_on));
        assert!(autocast(TrainPrecision::Bf16, is_on));
        assert!(!is_on());
        let panicked = std::panic::catch_unwind(|| autocast(TrainPrecision::Bf16, || panic!("in the forward pass")));
        assert!(panicked.is_err() && !shim::rsic_autocast_is_on());
    }

    #[test]
    fn bf16_on_a_cpu_is_one_sentence() {
        let config = TrainConfig { precision: TrainPrecision::Bf16, ..TrainConfig::default() };
        let error = prepare(&config, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("train.precision=float32"), "{error}");
    }

    #[test]
    fn a_cleared_gradient_is_undefined() {
        let w = Tensor::from(2.0f32).set_requires_grad(true);
        w.square().backward();
        assert_eq!(w.grad().double_value(&[]), 4.0);
        clear_gradient(&w);
        assert!(!w.grad().defined());
        w.square().backward();
        assert_eq!(w.grad().double_value(&[]), 4.0);
        set_gradient(&w, &Tensor::from(3.0f32));
        assert_eq!(w.grad().double_value(&[]), 3.0);
    }

    #[test]
    fn a_cpu_has_no_memory_of_its_own_to_tell() {
        assert_eq!(cuda_memory(Device::Cpu), None);
        assert_eq!(cuda_memory(Device::Cuda(0)).is_some(), tch::Cuda::is_available());
    }
}
