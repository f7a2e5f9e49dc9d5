// Switches of LibTorch that its bindings for Rust do not pass on.

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

extern "C" {

// Operations on CUDA run in bfloat16 where autocast deems that safe, in this thread.
void rsic_autocast_bf16(bool on) {
  at::autocast::set_autocast_dtype(at::kCUDA, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCUDA, on);
  if (!on) {
    at::autocast::clear_cache(); // weights cast for this step: the next one has others
  }
}

// A copy in memory that a GPU can fetch from by itself, to be deleted by whoever takes it; null where there is none.
at::Tensor *rsic_pinned(const at::Tensor *host) {
  try {
    return new at::Tensor(host->pin_memory());
  } catch (const std::exception &) {
    return nullptr;
  }
}

// A copy of a CUDA tensor in pinned memory, which is there once the event has come; null where there is none.
at::Tensor *rsic_coming(const at::Tensor *device, c10::Event **event) {
  try {
    const auto options = device->options().device(at::kCPU).pinned_memory(true);
    auto host = at::empty_like(*device, options, at::MemoryFormat::Contiguous);
    host.copy_(*device, /*non_blocking=*/true);
    auto copied = std::make_unique<c10::Event>(at::kCUDA);
    copied->record(c10::impl::getDeviceGuardImpl(at::kCUDA)->getStream(device->device()));
    *event = copied.release();
    return new at::Tensor(std::move(host));
  } catch (const std::exception &) {
    return nullptr;
  }
}

// Waits for an event; false where the device failed meanwhile.
bool rsic_await(const c10::Event *event) {
  try {
    event->synchronize();
    return true;
  } catch (const std::exception &) {
    return false;
  }
}

void rsic_drop_event(c10::Event *event) { delete event; }

bool rsic_autocast_is_on() { return at::autocast::is_autocast_enabled(at::kCUDA); }

void rsic_allow_tf32(bool on) {
  at::globalContext().setAllowTF32CuBLAS(on);
  at::globalContext().setAllowTF32CuDNN(on);
}

bool rsic_tf32_is_allowed(bool convolutions) {
  auto &context = at::globalContext();
  return convolutions ? context.allowTF32CuDNN() : context.allowTF32CuBLAS();
}

void rsic_deterministic(bool on) {
  at::globalContext().setDeterministicAlgorithms(on, /*warn_only=*/false);
  at::globalContext().setDeterministicCuDNN(on);
  at::globalContext().setBenchmarkCuDNN(false);
}

// Bytes that tensors hold on a CUDA device, now and at most; false where LibTorch cannot tell.
bool rsic_cuda_memory(int device, std::uint64_t *now, std::uint64_t *peak) {
  try {
    const auto stats = c10::getDeviceAllocator(at::kCUDA)->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    const auto &bytes = stats.allocated_bytes[0]; // of all pools together
    *now = static_cast<std::uint64_t>(bytes.current);
    *peak = static_cast<std::uint64_t>(bytes.peak);
    return true;
  } catch (const std::exception &) {
    return false;
  }
}

// Why there is no CUDA device, in LibTorch's words, cut to the size; empty where it has no reason.
void rsic_why_no_cuda(char *text, std::size_t size) {
  std::string why;
  try {
    at::globalContext().lazyInitDevice(at::kCUDA);
  } catch (const c10::Error &error) {
    why = error.what_without_backtrace();
  } catch (const std::exception &error) {
    why = error.what();
  }
  text[why.copy(text, size - 1)] = '\0';
}

// Gives the memory that LibTorch keeps in store back to the CUDA device.
void rsic_cuda_release() {
  try {
    c10::getDeviceAllocator(at::kCUDA)->emptyCache();
  } catch (const std::exception &) {
  }
}

void rsic_clear_gradient(at::Tensor *tensor) { tensor->mutable_grad().reset(); }

void rsic_set_gradient(at::Tensor *tensor, at::Tensor *gradient) { tensor->mutable_grad() = *gradient; }

// Makes a CUDA device the current one of this thread, for libraries that ask CUDA which one it is.
bool rsic_use_cuda_device(int device) {
  try {
    const auto index = static_cast<c10::DeviceIndex>(device);
    c10::impl::getDeviceGuardImpl(at::kCUDA)->setDevice(c10::Device(at::kCUDA, index));
    return true;
  } catch (const std::exception &) {
    return false;
  }
}
}
