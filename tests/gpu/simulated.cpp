// A CUDA device that is not there: makes a LibTorch without CUDA show one device, whose memory is the host's and whose
// kernels are the CPU's. It keeps what differs for the programs that use it: tensors of two devices do not mix, and
// what crosses between them, or makes the host wait, is counted.
//
// Loaded by LD_PRELOAD (device.rs builds it). SIMULATED_BYTES is the device's memory (default: no end).
// SIMULATED_REPORT=FILE writes what was counted when the process ends ('-': standard error): host waits with the return
// addresses within the program (waits.py names the functions), and every operator that ran.
//
// How it works: a boxed fallback for CUDA's dispatch key gives every tensor of the device a twin on the same memory
// with the CPU's key, runs the CPU's kernel, and wraps what is new as tensors of the device; views stay views of the
// same storage.
//
// What it cannot show: numbers of real kernels, faults of cuDNN and cuBLAS, streams and races (all is synchronous),
// fragmented memory, several devices, NCCL.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/TensorOperators.h>
#include <ATen/Context.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gru.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <execinfo.h>
#include <link.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace {

const c10::Device GPU(c10::kCUDA, 0);

// ---------------------------------------------------------------------------------------------------------- counting

struct Counts {
  std::mutex mutex;
  // Kernels that a GPU would be sent: operators but for views and for memory without content.
  std::uint64_t launches = 0;
  std::map<std::string, std::uint64_t> operators;
  // By kind, operator and return addresses within the program.
  std::map<std::string, std::uint64_t> waits;
  std::uint64_t to_device = 0, to_host = 0, bytes_to_device = 0, bytes_to_host = 0, other = 0;
  // Copies that the host does not wait for, and waits of all kinds.
  std::uint64_t in_passing = 0, all = 0;
} &counts = *new Counts; // outlives all that ends the process

std::atomic<std::int64_t> bytes_now{0}, bytes_peak{0};

// The return addresses within the program itself, innermost first.
std::string trace() {
  static const auto range = [] {
    std::pair<std::uintptr_t, std::uintptr_t> range{0, 0};
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *data) {
          auto &range = *static_cast<std::pair<std::uintptr_t, std::uintptr_t> *>(data);
          range.first = info->dlpi_addr;
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto &part = info->dlpi_phdr[i];
            range.second = std::max<std::uintptr_t>(range.second, info->dlpi_addr + part.p_vaddr + part.p_memsz);
          }
          return 1; // the first is the program
        },
        &range);
    return range;
  }();
  void *frames[128];
  const int depth = backtrace(frames, 128);
  std::string text;
  char address[32];
  for (int i = 0; i < depth; ++i) {
    const auto at = reinterpret_cast<std::uintptr_t>(frames[i]);
    if (at >= range.first && at < range.second) {
      std::snprintf(address, sizeof address, " %zx", static_cast<size_t>(at - range.first));
      text += address;
    }
  }
  return text;
}

void wait(const std::string &kind, std::uint64_t Counts::*counter, std::uint64_t Counts::*bytes = nullptr,
          std::uint64_t size = 0, bool blocking = true) {
  static const bool traced = std::getenv("SIMULATED_REPORT") != nullptr;
  const auto where = traced ? kind + trace() : kind;
  std::lock_guard<std::mutex> lock(counts.mutex);
  ++(counts.*counter);
  ++(blocking ? counts.all : counts.in_passing);
  if (bytes) {
    counts.*bytes += size;
  }
  ++counts.waits[where];
}

struct Report {
  ~Report() {
    const char *path = std::getenv("SIMULATED_REPORT");
    std::lock_guard<std::mutex> lock(counts.mutex);
    if (!path || counts.operators.empty()) { // also programs that only start another one
      return;
    }
    FILE *file = std::string(path) == "-" ? stderr : std::fopen(path, "w");
    if (!file) {
      return;
    }
    std::uint64_t all = 0;
    for (const auto &[name, count] : counts.operators) {
      all += count;
    }
    std::fprintf(file,
                 "total operators %zu, launches %zu, waits %zu, to host %zu (%zu bytes), to device %zu (%zu bytes), "
                 "other waits %zu, peak %zu\n",
                 size_t(all), size_t(counts.launches), size_t(counts.all), size_t(counts.to_host),
                 size_t(counts.bytes_to_host), size_t(counts.to_device), size_t(counts.bytes_to_device),
                 size_t(counts.other), size_t(bytes_peak));
    for (const auto &[where, count] : counts.waits) {
      std::fprintf(file, "wait %zu %s\n", size_t(count), where.c_str());
    }
    for (const auto &[name, count] : counts.operators) {
      std::fprintf(file, "operator %zu %s\n", size_t(count), name.c_str());
    }
    if (file != stderr) {
      std::fclose(file);
    }
  }
} report;

// ------------------------------------------------------------------------------------------------------------ memory

struct Block { // what a storage of the device keeps alive
  c10::DataPtr data;
  c10::Storage host;
  std::int64_t bytes;
};

c10::DataPtr on_device(void *data, Block *block) {
  static const auto limit = std::getenv("SIMULATED_BYTES") ? std::atoll(std::getenv("SIMULATED_BYTES")) : INT64_MAX;
  const auto now = bytes_now += block->bytes;
  if (now > limit) {
    const auto wanted = block->bytes;
    bytes_now -= wanted;
    delete block;
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", wanted, " bytes.");
  }
  for (auto peak = bytes_peak.load(); now > peak && !bytes_peak.compare_exchange_weak(peak, now);) {
  }
  const auto free = [](void *context) {
    auto *block = static_cast<Block *>(context);
    bytes_now -= block->bytes;
    delete block;
  };
  return {data, block, free, GPU};
}

struct Memory final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t size) override {
    auto data = c10::GetCPUAllocator()->allocate(size);
    auto *at = data.get();
    return on_device(at, new Block{std::move(data), {}, static_cast<std::int64_t>(size)});
  }
  void copy_data(void *to, const void *from, size_t size) const override { default_copy_data(to, from, size); }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr &, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    stats.allocated_bytes[0].current = bytes_now;
    stats.allocated_bytes[0].peak = bytes_peak;
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { bytes_peak = bytes_now.load(); }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override { return {size_t(24) << 30, size_t(24) << 30}; }
} &memory = *new Memory;
REGISTER_ALLOCATOR(c10::kCUDA, &memory)

// Memory of the host that a device reads and writes on its own: what was given and not taken back.
struct PinnedMemory final : c10::Allocator {
  std::mutex mutex;
  std::map<const char *, size_t> blocks;

  c10::DataPtr allocate(size_t size) override {
    auto data = c10::GetCPUAllocator()->allocate(size);
    auto *at = data.get();
    std::lock_guard<std::mutex> lock(mutex);
    blocks[static_cast<const char *>(at)] = size;
    return {at, new c10::DataPtr(std::move(data)), &free, c10::Device(c10::kCPU)};
  }
  static void free(void *context);
  void copy_data(void *to, const void *from, size_t size) const override { default_copy_data(to, from, size); }
} &pinned_memory = *new PinnedMemory;

void PinnedMemory::free(void *context) {
  auto *data = static_cast<c10::DataPtr *>(context);
  std::lock_guard<std::mutex> lock(pinned_memory.mutex);
  pinned_memory.blocks.erase(static_cast<const char *>(data->get()));
  delete data;
}

bool is_pinned(const void *data) {
  const auto *at = static_cast<const char *>(data);
  std::lock_guard<std::mutex> lock(pinned_memory.mutex);
  auto block = pinned_memory.blocks.upper_bound(at);
  return block != pinned_memory.blocks.begin() && at < (--block)->first + std::max<size_t>(block->second, 1);
}

// The device's view of memory that an operator of the host made.
c10::DataPtr adopt(const c10::Storage &host) {
  return on_device(const_cast<void *>(host.data()), new Block{{}, host, static_cast<std::int64_t>(host.nbytes())});
}

c10::Storage storage_of(size_t bytes, c10::DataPtr data, c10::Allocator *allocator) {
  return c10::Storage(c10::Storage::use_byte_size_t{}, bytes, std::move(data), allocator, allocator != nullptr);
}

at::Tensor tensor_over(c10::Storage storage, c10::DispatchKey key, const at::Tensor &like) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), like.dtype());
  auto *impl = tensor.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  if (like.unsafeGetTensorImpl()->is_wrapped_number()) {
    impl->set_wrapped_number(true);
  }
  return tensor;
}

// --------------------------------------------------------------------------------------------------------- operators

// The tensors of one call, each beside its twin: the same memory as the host sees it.
class Twins {
  std::vector<std::pair<at::Tensor, at::Tensor>> pairs; // on the device, on the host
  std::unordered_map<c10::StorageImpl *, c10::Storage> to_host, to_device;

public:
  at::Tensor host(const at::Tensor &tensor) {
    for (const auto &[own, twin] : pairs) {
      if (own.is_same(tensor)) {
        return twin;
      }
    }
    auto &storage = to_host[tensor.storage().unsafeGetStorageImpl()];
    if (!storage) {
      const auto free = [](void *context) { delete static_cast<c10::Storage *>(context); };
      auto *kept = new c10::Storage(tensor.storage());
      c10::DataPtr data(const_cast<void *>(kept->data()), kept, free, c10::Device(c10::kCPU));
      storage = storage_of(kept->nbytes(), std::move(data), c10::GetCPUAllocator());
      to_device.emplace(storage.unsafeGetStorageImpl(), tensor.storage());
    }
    auto twin = tensor_over(storage, c10::DispatchKey::CPU, tensor);
    pairs.emplace_back(tensor, twin);
    return twin;
  }

  at::Tensor device(const at::Tensor &tensor) {
    if (!tensor.defined() || !tensor.is_cpu()) {
      return tensor;
    }
    for (const auto &[own, twin] : pairs) {
      if (twin.is_same(tensor)) {
        return own;
      }
    }
    TORCH_CHECK(tensor.layout() == c10::kStrided, "the simulated device: a result of layout ", tensor.layout());
    auto &storage = to_device[tensor.storage().unsafeGetStorageImpl()];
    if (!storage) {
      storage = storage_of(tensor.storage().nbytes(), adopt(tensor.storage()), &memory);
    }
    return tensor_over(storage, c10::DispatchKey::CUDA, tensor);
  }

  // What the operator did to the shape and the memory of tensors that it changed in place.
  void take_over() {
    for (const auto &[own, twin] : pairs) {
      auto *storage = own.storage().unsafeGetStorageImpl();
      const auto &now = twin.storage();
      if (now.data() != storage->data()) {
        const auto bytes = now.nbytes();
        auto data = now.unsafeGetStorageImpl()->set_data_ptr(c10::DataPtr());
        storage->set_data_ptr(adopt(storage_of(bytes, std::move(data), nullptr)));
        storage->set_nbytes(bytes);
      }
      if (own.sizes() != twin.sizes() || own.strides() != twin.strides() ||
          own.storage_offset() != twin.storage_offset()) {
        own.unsafeGetTensorImpl()->set_sizes_and_strides(twin.sizes(), twin.strides(), twin.storage_offset());
      }
    }
  }
};

// Operators whose result's size, or whose result, the host has to know.
const std::set<std::string> WAITING{"aten::_local_scalar_dense", "aten::nonzero",          "aten::masked_select",
                                    "aten::equal",               "aten::_unique",          "aten::_unique2",
                                    "aten::unique_dim",          "aten::unique_consecutive", "aten::repeat_interleave",
                                    "aten::_linalg_check_errors"};
// Operators whose kernels for CUDA refuse where algorithms have to be deterministic.
const std::set<std::string> UNSTEADY{"aten::_adaptive_avg_pool2d_backward", "aten::adaptive_max_pool2d_backward",
                                     "aten::upsample_linear1d_backward",    "aten::upsample_bilinear2d_backward",
                                     "aten::upsample_bicubic2d_backward",   "aten::grid_sampler_2d_backward",
                                     "aten::reflection_pad2d_backward",     "aten::replication_pad2d_backward",
                                     "aten::nll_loss2d_forward",            "aten::kthvalue",
                                     "aten::median",                        "aten::histc",
                                     "aten::put_",                          "aten::scatter_reduce"};
// Operators that CUDA lacks though a CPU has them.
const std::set<std::string> LACKING{"aten::to_mkldnn", "aten::mkldnn_convolution", "aten::mkldnn_linear"};

// Whether an operator gives another view of its argument, or memory without content: nothing that a GPU would do.
bool is_free(const std::string &name, const c10::FunctionSchema &schema) {
  static const std::set<std::string> MEMORY{"aten::empty", "aten::empty_strided", "aten::empty_like", "aten::resize_",
                                            "aten::set_",  "aten::_local_scalar_dense"};
  const auto views = [](const c10::Argument &result) { return result.alias_info() && !result.alias_info()->isWrite(); };
  return MEMORY.count(name) || std::any_of(schema.returns().begin(), schema.returns().end(), views);
}

// Kernels of an operator on lists of tensors: each takes so many tensors, by the number of lists, and so many blocks of
// 65536 elements (ATen/native/cuda/MultiTensorApply.cuh).
std::uint64_t launches_together(const std::string &name, c10::ArrayRef<c10::IValue> arguments) {
  constexpr std::int64_t TENSORS[] = {110, 64, 48, 36, 30}, BLOCKS = 320, BLOCK = 65536;
  size_t lists = name.back() == '_' ? 0 : 1; // of the results
  std::int64_t tensors = 0, blocks = 0;
  for (const auto &argument : arguments) {
    if (argument.isTensorList()) {
      const auto list = argument.toTensorVector();
      lists += 1;
      tensors = list.size();
      blocks = 0;
      for (const auto &tensor : list) {
        blocks += (tensor.numel() + BLOCK - 1) / BLOCK;
      }
    }
  }
  const auto most = TENSORS[std::min<size_t>(std::max<size_t>(lists, 1), 5) - 1];
  return (tensors + most - 1) / most + blocks / BLOCKS + (name == "aten::_foreach_norm");
}

void count(const std::string &name, const c10::FunctionSchema &schema, c10::ArrayRef<c10::IValue> arguments) {
  const bool together = name.rfind("aten::_foreach_", 0) == 0;
  {
    std::lock_guard<std::mutex> lock(counts.mutex);
    counts.launches += together ? launches_together(name, arguments) : !is_free(name, schema);
    ++counts.operators[schema.overload_name().empty() ? name : name + "." + schema.overload_name()];
  }
  if (name == "aten::copy_") {
    const auto &to = arguments[0].toTensor(), &from = arguments[1].toTensor();
    if (to.device() != from.device()) {
      const bool non_blocking = arguments[2].toBool();
      // CUDA copies from and to pageable memory with the host waiting, whatever was asked.
      const bool blocking = !(non_blocking && is_pinned((to.is_cuda() ? from : to).storage().data()));
      const std::string how = blocking ? "blocking " : "in passing ";
      if (to.is_cuda()) {
        wait(how + "to-device", &Counts::to_device, &Counts::bytes_to_device, from.nbytes(), blocking);
      } else {
        wait(how + "to-host", &Counts::to_host, &Counts::bytes_to_host, from.nbytes(), blocking);
      }
    }
  } else if (name == "aten::_local_scalar_dense") {
    wait("scalar", &Counts::to_host, &Counts::bytes_to_host, arguments[0].toTensor().element_size());
  } else if (WAITING.count(name)) {
    wait(name, &Counts::other);
  }
}

void run(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const auto &schema = op.schema();
  const auto &name = schema.name();
  const auto size = schema.arguments().size();
  const auto first = stack->size() - size;
  count(name, schema, c10::ArrayRef<c10::IValue>(stack->data() + first, size));
  TORCH_CHECK(!LACKING.count(name), "Could not run '", name, "' with arguments from the 'CUDA' backend.");
  if (UNSTEADY.count(name)) {
    at::globalContext().alertNotDeterministic(name);
  }
  const bool copies = name == "aten::copy_";
  const bool indexes = name.rfind("aten::index", 0) == 0 || name.rfind("aten::_index_put", 0) == 0;
  Twins twins;
  const auto host = [&](const at::Tensor &tensor, bool may_mix) {
    if (!tensor.defined()) {
      return tensor;
    }
    if (tensor.is_cuda()) {
      return twins.host(tensor);
    }
    TORCH_CHECK(may_mix || tensor.dim() == 0,
                "Expected all tensors to be on the same device, but found at least two devices, ", GPU, " and ",
                tensor.device(), "! (when checking an argument of ", name, ")");
    return tensor;
  };
  for (size_t i = first; i < stack->size(); ++i) {
    auto &value = (*stack)[i];
    if (value.isTensor()) {
      value = host(value.toTensor(), copies);
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const auto &tensor : value.toTensorVector()) {
        list.push_back(host(tensor, false));
      }
      value = std::move(list);
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const auto &tensor : value.toOptionalTensorVector()) {
        const bool there = tensor && tensor->defined();
        const bool mask = there && (tensor->scalar_type() == at::kBool || tensor->scalar_type() == at::kByte);
        if (mask && indexes) {
          wait(name + " with a mask", &Counts::other);
        } else if (there && tensor->is_cpu() && indexes) {
          wait("blocking to-device", &Counts::to_device, &Counts::bytes_to_device, tensor->nbytes());
        }
        list.push_back(tensor ? std::optional<at::Tensor>(host(*tensor, indexes)) : std::nullopt);
      }
      value = std::move(list);
    } else if (value.isDevice()) {
      value = c10::Device(c10::kCPU);
    } else if (value.isGenerator()) {
      value = c10::IValue();
    }
  }
  at::AutoDispatchBelowADInplaceOrView below;
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  twins.take_over();
  for (size_t i = stack->size() - schema.returns().size(); i < stack->size(); ++i) {
    auto &value = (*stack)[i];
    if (value.isTensor()) {
      value = copies && !value.toTensor().defined() ? value : c10::IValue(twins.device(value.toTensor()));
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const auto &tensor : value.toTensorVector()) {
        list.push_back(twins.device(tensor));
      }
      value = std::move(list);
    }
  }
}

// A copy gives back where it copied to, which may be on the host.
void copy(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const auto to = stack->at(stack->size() - op.schema().arguments().size()).toTensor();
  run(op, stack);
  stack->back() = to;
}

// ------------------------------------------------------------------- operators that CUDA has and a CPU does not

using Gates = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

at::Tensor sum_of(const at::Tensor &gates, const std::optional<at::Tensor> &bias) {
  return bias && bias->defined() ? gates + *bias : gates;
}

std::tuple<at::Tensor, at::Tensor> gru_cell(const at::Tensor &input, const at::Tensor &hidden, const at::Tensor &before,
                                            const std::optional<at::Tensor> &input_bias,
                                            const std::optional<at::Tensor> &hidden_bias) {
  const auto i = sum_of(input, input_bias).chunk(3, 1), h = sum_of(hidden, hidden_bias).chunk(3, 1);
  const auto r = (i[0] + h[0]).sigmoid(), z = (i[1] + h[1]).sigmoid(), n = (i[2] + r * h[2]).tanh();
  return {n + z * (before - n), at::cat(at::TensorList{r, z, n, before, h[2]}, 1)};
}

Gates gru_cell_backward(const at::Tensor &gradient, const at::Tensor &kept, bool bias) {
  const auto parts = kept.chunk(5, 1);
  const auto &r = parts[0], &z = parts[1], &n = parts[2], &before = parts[3], &h = parts[4];
  const auto to_z = gradient * (before - n) * z * (1 - z), to_n = gradient * (1 - z) * (1 - n * n);
  const auto to_r = to_n * h * r * (1 - r);
  const auto input = at::cat(at::TensorList{to_r, to_z, to_n}, 1);
  const auto hidden = at::cat(at::TensorList{to_r, to_z, to_n * r}, 1);
  return {input, hidden, gradient * z, bias ? input.sum(0) : at::Tensor(), bias ? hidden.sum(0) : at::Tensor()};
}

// cuDNN's recurrences compute in float16 under autocast, whatever type was asked for (ATen/cudnn/AutocastRNN.cpp).
std::tuple<at::Tensor, at::Tensor> gru_autocast(const at::Tensor &data, const at::Tensor &sizes,
                                                const at::Tensor &before, at::TensorList weights, bool biases,
                                                std::int64_t layers, double dropout, bool train, bool both_ways) {
  c10::impl::ExcludeDispatchKeyGuard off(c10::DispatchKey::AutocastCUDA);
  std::vector<at::Tensor> halves;
  for (const auto &weight : weights) {
    halves.push_back(weight.to(at::kHalf));
  }
  return at::gru(data.to(at::kHalf), sizes, before.to(at::kHalf), halves, biases, layers, dropout, train, both_ways);
}

// cuDNN's weights as one block, of which the given tensors become views.
at::Tensor flatten_weights(at::TensorList weights, std::int64_t, c10::SymInt, std::int64_t, c10::SymInt, c10::SymInt,
                           std::int64_t, bool, bool) {
  std::vector<at::Tensor> flat;
  for (const auto &weight : weights) {
    flat.push_back(weight.reshape(-1));
  }
  const auto all = at::cat(flat, 0);
  std::int64_t at = 0;
  for (const auto &weight : weights) {
    auto *own = weight.unsafeGetTensorImpl();
    own->set_storage_keep_dtype(all.storage());
    own->set_storage_offset(at);
    at += weight.numel();
  }
  return all;
}

using torch::CppFunction;

TORCH_LIBRARY_IMPL(aten, AutocastCUDA, m) { m.impl("gru.data", &gru_autocast); }

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(CppFunction::makeFromBoxedFunction<&run>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("copy_", CppFunction::makeFromBoxedFunction<&copy>());
  // Composite ones that would look for CUDA's own kernels within.
  m.impl("convolution", CppFunction::makeFromBoxedFunction<&run>());
  m.impl("convolution_backward", CppFunction::makeFromBoxedFunction<&run>());
  for (const auto *name :
       {"_foreach_add.List", "_foreach_add_.List", "_foreach_add_.Scalar", "_foreach_addcdiv_.Scalar",
        "_foreach_addcmul_.Scalar", "_foreach_clamp_max_.Scalar", "_foreach_clamp_min_.Scalar", "_foreach_div_.Scalar",
        "_foreach_lerp_.Scalar", "_foreach_mul_.Scalar", "_foreach_mul_.Tensor", "_foreach_norm.Scalar",
        "_foreach_sqrt"}) {
    m.impl(name, CppFunction::makeFromBoxedFunction<&run>());
  }
  m.impl("_cudnn_rnn_flatten_weight", &flatten_weights);
  m.impl("_thnn_fused_gru_cell", &gru_cell);
  m.impl("_thnn_fused_gru_cell_backward", &gru_cell_backward);
}

// ------------------------------------------------------------------------------------------------------- the device

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return GPU; }
  c10::Device getDevice() const override { return GPU; }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() <= 0, "the simulated device: there is no ", device);
  }
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, GPU); }
  c10::Stream getDefaultStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, GPU); }
  c10::Stream exchangeStream(c10::Stream) const override { return c10::Stream(c10::Stream::DEFAULT, GPU); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  bool queryStream(const c10::Stream &) const override { return true; }
  void synchronizeStream(const c10::Stream &) const override { wait("stream", &Counts::other); }
  void synchronizeDevice(const c10::DeviceIndex) const override { wait("device", &Counts::other); }
  // An event knows how much the device had been sent. To wait for it while the device has more to do is no wait for
  // the device's last word.
  void record(void **event, const c10::Stream &, const c10::DeviceIndex, const c10::EventFlag) const override {
    if (!*event) {
      *event = new std::uint64_t;
    }
    std::lock_guard<std::mutex> lock(counts.mutex);
    *static_cast<std::uint64_t *>(*event) = counts.launches;
  }
  void block(void *, const c10::Stream &) const override {}
  bool queryEvent(void *) const override { return true; }
  void synchronizeEvent(void *event) const override {
    const bool last = *static_cast<std::uint64_t *>(event) == counts.launches;
    wait(last ? "event" : "earlier event", &Counts::other, nullptr, 0, last);
  }
  void destroyEvent(void *event, const c10::DeviceIndex) const noexcept override {
    delete static_cast<std::uint64_t *>(event);
  }
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard)

} // namespace

namespace at {
struct SimulatedHooks : CUDAHooksInterface {
  explicit SimulatedHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  int getNumGPUs() const override { return 1; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(DeviceIndex) const override {}
  DeviceIndex exchangeDevice(DeviceIndex) const override { return 0; }
  DeviceIndex maybeExchangeDevice(DeviceIndex) const override { return 0; }
  Device getDeviceFromPtr(void *) const override { return GPU; }
  Allocator *getCUDADeviceAllocator() const override { return &memory; }
  Allocator *getPinnedMemoryAllocator() const override { return &pinned_memory; }
  bool isPinnedPtr(const void *data) const override { return is_pinned(data); }
  void deviceSynchronize(DeviceIndex) const override { wait("device", &Counts::other); }
  const Generator &getDefaultGenerator(DeviceIndex = -1) const override {
    static const auto generator = at::make_generator<at::CPUGeneratorImpl>(0);
    return generator;
  }
  Generator getNewGenerator(DeviceIndex = -1) const override { return at::make_generator<at::CPUGeneratorImpl>(0); }
};
C10_REGISTER_TYPED_CLASS(CUDAHooksRegistry, "CUDAHooks", SimulatedHooks)
} // namespace at

// For programs that count what they do themselves.
extern "C" {
std::uint64_t simulated_waits() {
  std::lock_guard<std::mutex> lock(counts.mutex);
  return counts.all;
}
std::uint64_t simulated_launches() {
  std::lock_guard<std::mutex> lock(counts.mutex);
  return counts.launches;
}
}
