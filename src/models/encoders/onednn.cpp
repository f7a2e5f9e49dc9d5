// oneDNN's convolutions with a sum in the same pass: LibTorch's bindings for Rust do not pass these on. Its ReLU in the
// same pass makes 0 of NaN, which LibTorch's own hands on: it is not used.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/mkldnn_reorder_conv2d_weight.h>

#include <array>
#include <cstdint>
#include <exception>
#include <optional>

namespace {

using c10::IValue;

std::vector<std::int64_t> pair(std::int64_t value) { return {value, value}; }

// The result of an operator of LibTorch's library `mkldnn`; null where that fails or there is no such operator.
at::Tensor *call(const char *overload, bool in_place, torch::jit::Stack stack) {
  try {
    const auto name = in_place ? "mkldnn::_convolution_pointwise_" : "mkldnn::_convolution_pointwise";
    const auto op = c10::Dispatcher::singleton().findSchema({name, overload});
    if (!op) {
      return nullptr;
    }
    op->callBoxed(stack);
    return new at::Tensor(stack.at(0).toTensor());
  } catch (const std::exception &) {
    return nullptr;
  }
}

} // namespace

extern "C" {

// A weight laid out as oneDNN likes it best for images of the given four sizes; null where that cannot be.
at::Tensor *rsic_conv_pack(const at::Tensor *weight, std::int64_t padding, std::int64_t stride, std::int64_t groups,
                           const std::int64_t *sizes) {
  try {
    const std::array<std::int64_t, 2> pad{padding, padding}, step{stride, stride}, dilation{1, 1};
    return new at::Tensor(at::mkldnn_reorder_conv2d_weight(weight->to_mkldnn(), pad, step, dilation, groups,
                                                           at::IntArrayRef(sizes, 4)));
  } catch (const std::exception &) {
    return nullptr;
  }
}

// Convolution of channels-last images with a plain or laid out weight; with a sum, added to it in place.
at::Tensor *rsic_conv(at::Tensor *sum, const at::Tensor *images, const at::Tensor *weight, const at::Tensor *bias,
                      std::int64_t padding, std::int64_t stride, std::int64_t groups) {
  const auto optional_bias = bias ? IValue(*bias) : IValue();
  const c10::List<std::optional<at::Scalar>> none;
  if (sum) {
    return call("binary", true,
                {*sum, *images, *weight, optional_bias, pair(padding), pair(stride), pair(1), groups, "add", IValue(),
                 IValue(), none, IValue()});
  }
  return call("", false,
              {*images, *weight, optional_bias, pair(padding), pair(stride), pair(1), groups, "none", none, ""});
}
}
