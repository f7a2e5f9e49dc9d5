// Counts the multiply-adds of matrix products and convolutions, from the shapes that LibTorch's operators are called
// with.

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <cstdint>
#include <cstring>
#include <memory>

namespace {

// Of this thread, since the counting began.
thread_local std::uint64_t counted = 0;
// Operators around this one that have been counted: what they call in turn is not counted again.
thread_local int inside = 0;
thread_local bool counting = false;

struct Counted : at::ObserverContext {
  // Of each element of the output; 0 where the inputs told all.
  std::int64_t of_output = 0;
};

std::int64_t size(const c10::IValue &value, std::int64_t dimension) {
  return value.isTensor() && value.toTensor().defined() ? value.toTensor().size(dimension) : 0;
}

// Multiply-adds of an operator by its name and inputs; negative where it is not one that is counted.
std::int64_t multiply_adds(const char *name, c10::ArrayRef<const c10::IValue> inputs) {
  const auto is = [name](const char *other) { return std::strcmp(name, other) == 0; };
  if (is("aten::mm")) {
    return size(inputs[0], 0) * size(inputs[0], 1) * size(inputs[1], 1);
  }
  if (is("aten::addmm") || is("aten::addmm_")) {
    return size(inputs[1], 0) * size(inputs[1], 1) * size(inputs[2], 1);
  }
  if (is("aten::bmm")) {
    return size(inputs[0], 0) * size(inputs[0], 1) * size(inputs[0], 2) * size(inputs[1], 2);
  }
  if (is("aten::baddbmm") || is("aten::baddbmm_")) {
    return size(inputs[1], 0) * size(inputs[1], 1) * size(inputs[1], 2) * size(inputs[2], 2);
  }
  if (is("aten::mv")) {
    return size(inputs[0], 0) * size(inputs[0], 1);
  }
  if (is("aten::scaled_dot_product_attention")) {
    const auto queries = size(inputs[0], 0) * size(inputs[0], 1) * size(inputs[0], 2); // of all heads
    return queries * size(inputs[1], 2) * (size(inputs[0], 3) + size(inputs[2], 3));
  }
  return -1;
}

// Multiply-adds of each element of a convolution's output; negative for other operators.
std::int64_t of_output(const char *name, c10::ArrayRef<const c10::IValue> inputs) {
  const auto is = [name](const char *other) { return std::strcmp(name, other) == 0; };
  const bool summed = is("mkldnn::_convolution_pointwise_"); // the sum comes before images and weight
  if (!summed && !is("aten::convolution") && !is("mkldnn::_convolution_pointwise")) {
    return -1;
  }
  const auto &weight = inputs[summed ? 2 : 1];
  return weight.isTensor() && size(weight, 0) > 0 ? weight.toTensor().numel() / size(weight, 0) : 0;
}

std::unique_ptr<at::ObserverContext> start(const at::RecordFunction &function) {
  if (!counting) {
    return nullptr;
  }
  const auto products = multiply_adds(function.name(), function.inputs());
  auto context = std::make_unique<Counted>();
  context->of_output = products < 0 ? of_output(function.name(), function.inputs()) : 0;
  if (context->of_output < 0) {
    return nullptr;
  }
  if (inside++ > 0) {
    context->of_output = 0;
  } else if (products > 0) {
    counted += static_cast<std::uint64_t>(products);
  }
  return context;
}

void finish(const at::RecordFunction &function, at::ObserverContext *context) {
  if (context == nullptr) {
    return;
  }
  --inside;
  const auto of_output = static_cast<Counted *>(context)->of_output;
  const auto &outputs = function.outputs();
  if (of_output > 0 && !outputs.empty() && outputs[0].isTensor()) {
    counted += static_cast<std::uint64_t>(outputs[0].toTensor().numel() * of_output);
  }
}

} // namespace

extern "C" {

// Begins to count in this thread; gives a number for `rsic_count_end`.
std::uint64_t rsic_count_begin() {
  counted = 0;
  inside = 0;
  counting = true;
  return at::addThreadLocalCallback(at::RecordFunctionCallback(start, finish)
                                        .needsInputs(true)
                                        .needsOutputs(true)
                                        .scopes({at::RecordScope::FUNCTION}));
}

std::uint64_t rsic_count_end(std::uint64_t handle) {
  at::removeCallback(handle);
  counting = false;
  return counted;
}
}
