//! What tch does not have of LibTorch: bfloat16 autocast, TF32, determinism; memory of a GPU; gradients taken away.

#[cfg(feature = "nccl")]
use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};

/// `libtorch.cpp`.
mod shim {
    /// `c10::Event`.
    #[repr(C)]
    pub(super) struct Event {
        _of_libtorch: [u8; 0],
    }

    unsafe extern "C" {
        pub(super) fn rsic_autocast_bf16(on: bool);
        pub(super) safe fn rsic_autocast_is_on() -> bool;
        pub(super) fn rsic_allow_tf32(on: bool);
        pub(super) safe fn rsic_tf32_is_allowed(convolutions: bool) -> bool;
        pub(super) fn rsic_deterministic(on: bool);
        pub(super) fn rsic_cuda_memory(device: i32, now: *mut u64, peak: *mut u64) -> bool;
        pub(super) fn rsic_why_no_cuda(text: *mut u8, size: usize);
        pub(super) safe fn rsic_cuda_release();
        pub(super) fn rsic_clear_gradient(tensor: *mut torch_sys::C_tensor);
        pub(super) fn rsic_pinned(host: *const torch_sys::C_tensor) -> *mut torch_sys::C_tensor;
        pub(super) fn rsic_coming(
            device: *const torch_sys::C_tensor,
            event: *mut *mut Event,
        ) -> *mut torch_sys::C_tensor;
        pub(super) fn rsic_await(event: *const Event) -> bool;
        pub(super) fn rsic_drop_event(event: *mut Event);
        pub(super) fn rsic_set_gradient(tensor: *mut torch_sys::C_tensor, gradient: *mut torch_sys::C_tensor);
        #[cfg(feature = "nccl")]
        pub(super) safe fn rsic_use_cuda_device(device: i32) -> bool;
    }
}

/// Whether products of float32 matrices and convolutions on a GPU may round their factors to 10 bits; LibTorch itself
/// would round those of convolutions.
pub fn allow_tf32(on: bool) {
    // SAFETY: sets flags of the process.
    unsafe { shim::rsic_allow_tf32(on) }
}

/// For products of matrices, and for convolutions.
pub fn tf32_is_allowed() -> [bool; 2] {
    [false, true].map(|convolutions| shim::rsic_tf32_is_allowed(convolutions))
}

/// Whether operations whose result is not the same every time are refused.
pub fn set_deterministic(on: bool) {
    // SAFETY: sets flags of the process.
    unsafe { shim::rsic_deterministic(on) }
}

/// Runs `work` with operations on CUDA in bfloat16 where LibTorch deems that safe, if `bf16` says so; parameters and
/// their gradients stay float32.
pub fn autocast<T>(bf16: bool, work: impl FnOnce() -> T) -> T {
    if bf16 { with_autocast(true, work) } else { work() }
}

/// Runs `work` without autocast, within it: what loses too much in 8 bits, or has a backward pass of its own, for which
/// there is no autocast. Its float inputs must be Float: [`float`].
pub fn without_autocast<T>(work: impl FnOnce() -> T) -> T {
    with_autocast(false, work)
}

/// A tensor of floats as Float.
pub fn float(tensor: &Tensor) -> Tensor {
    tensor.to_kind(Kind::Float)
}

fn with_autocast<T>(on: bool, work: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            // SAFETY: sets flags of this thread.
            unsafe { shim::rsic_autocast_bf16(self.0) }
        }
    }
    let before = shim::rsic_autocast_is_on();
    if on == before {
        return work();
    }
    let _back = Back(before); // also when `work` panics
    // SAFETY: as above.
    unsafe { shim::rsic_autocast_bf16(on) };
    work()
}

/// Numbers on a device, as a vector.
pub fn upload<T: tch::kind::Element>(values: &[T], device: Device) -> Tensor {
    fetched(&Tensor::from_slice(values), device)
}

/// A tensor of the host on a device. A GPU fetches it from pinned memory while the host goes on.
pub fn fetched(host: &Tensor, device: Device) -> Tensor {
    match device {
        Device::Cuda(_) => pinned(host).as_ref().unwrap_or(host).to_device_(device, host.kind(), true, false),
        _ => host.to_device(device),
    }
}

/// A copy of a tensor on its way to the host, which goes on meanwhile.
pub struct Coming {
    host: Tensor,
    /// Null where the copy is there.
    event: *mut shim::Event,
}

impl Coming {
    pub fn new(tensor: &Tensor) -> Self {
        let mut event = std::ptr::null_mut();
        if let Device::Cuda(_) = tensor.device() {
            // SAFETY: reads a tensor that lives, and gives a new one and an event that are ours, or null.
            let host = unsafe { shim::rsic_coming(tensor.as_ptr(), &raw mut event) };
            if !host.is_null() {
                // SAFETY: as above.
                return Self { host: unsafe { Tensor::from_ptr(host) }, event };
            }
        }
        Self { host: tensor.to_device(Device::Cpu), event }
    }

    /// The copy, once it is there.
    pub fn wait(&self) -> &Tensor {
        // SAFETY: the event is ours.
        let there = self.event.is_null() || unsafe { shim::rsic_await(self.event) };
        assert!(there, "the GPU failed before a copy from it was made");
        &self.host
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // SAFETY: the event is ours, or null.
        unsafe { shim::rsic_drop_event(self.event) }
    }
}

/// A copy in pinned memory. The bindings pass on a device that LibTorch warns of; nothing where memory cannot be
/// pinned.
fn pinned(host: &Tensor) -> Option<Tensor> {
    // SAFETY: reads a tensor that lives, and gives a new one that is ours, or null.
    let pinned = unsafe { shim::rsic_pinned(host.as_ptr()) };
    // SAFETY: as above.
    (!pinned.is_null()).then(|| unsafe { Tensor::from_ptr(pinned) })
}

/// LibTorch's own reason why it has no CUDA device.
pub fn why_no_cuda() -> String {
    let mut text = vec![0u8; 500];
    // SAFETY: writes at most so many bytes, the last one zero.
    unsafe { shim::rsic_why_no_cuda(text.as_mut_ptr(), text.len()) };
    let text = String::from_utf8_lossy(text.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
    let first = text.lines().next().unwrap_or_default().trim_end_matches('.');
    if first.is_empty() { "LibTorch finds no CUDA device".into() } else { format!("LibTorch says: {first}") }
}

/// Bytes that tensors hold on a CUDA device, now and at most.
pub fn cuda_memory(device: Device) -> Option<(u64, u64)> {
    let Device::Cuda(index) = device else { return None };
    let (mut now, mut peak) = (0, 0);
    // SAFETY: both point to numbers that outlive the call.
    let told = unsafe { shim::rsic_cuda_memory(i32::try_from(index).ok()?, &mut now, &mut peak) };
    told.then_some((now, peak))
}

/// Gives memory that LibTorch keeps in store back to the GPU, where there is one.
pub fn release_memory() {
    if tch::Cuda::is_available() {
        shim::rsic_cuda_release();
    }
}

/// Takes a parameter's gradient away, as PyTorch's `zero_grad` does: one that gets none in the next step is left alone
/// by the optimiser, and no memory is written.
pub fn clear_gradient(parameter: &Tensor) {
    // SAFETY: the pointer is that of a live LibTorch tensor, of which only the gradient is dropped.
    unsafe { shim::rsic_clear_gradient(parameter.as_ptr().cast_mut()) }
}

/// Gives a parameter another gradient, of its shape.
pub fn set_gradient(parameter: &Tensor, gradient: &Tensor) {
    debug_assert_eq!(parameter.size(), gradient.size());
    // SAFETY: both pointers are those of live LibTorch tensors; the parameter holds the gradient by its own reference.
    unsafe { shim::rsic_set_gradient(parameter.as_ptr().cast_mut(), gradient.as_ptr().cast_mut()) }
}

/// Makes a CUDA device this thread's current one.
#[cfg(feature = "nccl")]
pub fn use_cuda_device(device: Device) -> Result<()> {
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
        assert!(!autocast(false, is_on));
        assert!(autocast(true, is_on));
        assert!(!autocast(true, || without_autocast(is_on)));
        assert!(autocast(true, || !without_autocast(is_on) && is_on()));
        assert!(!is_on());
        let panicked = std::panic::catch_unwind(|| autocast(true, || panic!("in the forward pass")));
        assert!(panicked.is_err() && !shim::rsic_autocast_is_on());
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
    fn a_copy_of_a_host_s_tensor_is_there_at_once() {
        let coming = Coming::new(&Tensor::from_slice(&[1.0f64, 2.0]));
        assert_eq!(Vec::<f64>::try_from(coming.wait()).unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn a_cpu_has_no_memory_of_its_own_to_tell() {
        assert_eq!(cuda_memory(Device::Cpu), None);
        assert_eq!(cuda_memory(Device::Cuda(0)).is_some(), tch::Cuda::is_available());
    }
}
