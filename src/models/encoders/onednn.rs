//! Convolutions of frozen encoders on a CPU: weights laid out once for oneDNN, sums in the same pass.

use super::layers::ConvShape;
use std::cell::RefCell;
use tch::Tensor;
use torch_sys::C_tensor;

/// `onednn.cpp`.
mod shim {
    use super::C_tensor;

    unsafe extern "C" {
        pub(super) fn rsic_conv_pack(
            weight: *const C_tensor,
            padding: i64,
            stride: i64,
            groups: i64,
            sizes: *const i64,
        ) -> *mut C_tensor;
        pub(super) fn rsic_conv(
            sum: *const C_tensor,
            images: *const C_tensor,
            weight: *const C_tensor,
            bias: *const C_tensor,
            padding: i64,
            stride: i64,
            groups: i64,
        ) -> *mut C_tensor;
    }
}

/// The weight and bias of a convolution for good; Float, on a CPU.
#[derive(Debug)]
pub(super) struct Packed {
    shape: ConvShape,
    /// Laid out for the sizes of the images that come, anew where these change: for others it is right, too, but takes
    /// up to twice as long, and its last bits would tell what came before.
    weight: RefCell<Weight>,
    bias: Option<Tensor>,
}

#[derive(Debug)]
enum Weight {
    Plain(Tensor),
    /// For images of these sizes.
    Packed(Tensor, Vec<i64>),
}

impl Packed {
    /// `weight [O, I / groups, K, K]`, `bias [O]`, both detached.
    pub(super) fn new(weight: Tensor, bias: Option<Tensor>, shape: ConvShape) -> Self {
        Self { shape, weight: RefCell::new(Weight::Plain(weight)), bias }
    }

    /// `[B, I, H, W]` channels-last -> `[B, O, H', W']`. `None` where this LibTorch cannot.
    pub(super) fn forward(&self, images: &Tensor) -> Option<Tensor> {
        self.convolve(images, std::ptr::null())
    }

    /// `sum + convolution`, which may use the memory of `sum`; gives `sum` back where this LibTorch cannot.
    pub(super) fn add(&self, images: &Tensor, sum: Tensor) -> Result<Tensor, Tensor> {
        self.convolve(images, sum.as_ptr()).ok_or(sum)
    }

    /// The weight as it is, for LibTorch's own convolution.
    pub(super) fn plain(&self) -> (Tensor, Option<&Tensor>) {
        (self.weight.borrow().plain(), self.bias.as_ref())
    }

    /// Weight and bias as they were given.
    pub(super) fn into_plain(self) -> (Tensor, Option<Tensor>) {
        (self.weight.into_inner().plain(), self.bias)
    }

    fn convolve(&self, images: &Tensor, sum: *const C_tensor) -> Option<Tensor> {
        let ConvShape { padding, stride, groups, .. } = self.shape;
        let mut weight = self.weight.borrow_mut();
        let sizes = images.size();
        if sizes.len() == 4 && !weight.fits(&sizes) {
            let plain = weight.plain();
            // SAFETY: a live tensor and four numbers; the result is a new tensor or null.
            let packed =
                unsafe { owned(shim::rsic_conv_pack(plain.as_ptr(), padding, stride, groups, sizes.as_ptr())) };
            *weight = packed.map_or(Weight::Plain(plain), |packed| Weight::Packed(packed, sizes));
        }
        let (Weight::Plain(tensor) | Weight::Packed(tensor, _)) = &*weight;
        let (weight, bias) = (tensor.as_ptr(), self.bias.as_ref().map_or(std::ptr::null(), Tensor::as_ptr));
        // SAFETY: all point to live tensors or are null where that is allowed; the result is a new tensor or null.
        unsafe { owned(shim::rsic_conv(sum, images.as_ptr(), weight, bias, padding, stride, groups)) }
    }
}

impl Weight {
    fn plain(&self) -> Tensor {
        match self {
            Self::Plain(weight) => weight.shallow_clone(),
            Self::Packed(weight, _) => weight.to_dense(None, false),
        }
    }

    /// Whether it is laid out for images of these sizes.
    fn fits(&self, sizes: &[i64]) -> bool {
        matches!(self, Self::Packed(_, laid_out_for) if laid_out_for == sizes)
    }
}

/// # Safety
/// The pointer is null or that of a tensor that nobody else owns.
unsafe fn owned(tensor: *mut C_tensor) -> Option<Tensor> {
    // SAFETY: the caller's promise.
    (!tensor.is_null()).then(|| unsafe { Tensor::from_ptr(tensor) })
}
