// Steps of many parameters at a time: a GPU is sent a few kernels for all of them, where operations on single tensors
// would send some for each. Nothing here makes the host wait.

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_clamp_max.h>
#include <ATen/ops/_foreach_clamp_min.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <cstddef>
#include <exception>
#include <string>
#include <vector>

namespace {

using Tensors = std::vector<at::Tensor>;

} // namespace

extern "C" {

// `Call` in together.rs: lists of as many tensors each, and where to put why something failed, ended by a zero.
struct RsicCall {
  const at::Tensor *const *lists[4];
  std::size_t count;
  char why[500];
};

// `Adaptive` in update.rs.
struct RsicAdaptive {
  double beta1, beta2, decay, shrink, rate, root, eps;
  bool divides;
};
}

namespace {

Tensors list(const RsicCall &call, std::size_t number) {
  Tensors list;
  list.reserve(call.count);
  for (std::size_t i = 0; i < call.count; ++i) {
    list.push_back(*call.lists[number][i]);
  }
  return list;
}

template <class Work> bool attempt(RsicCall &call, Work work) {
  try {
    work();
    return true;
  } catch (const std::exception &error) {
    call.why[std::string(error.what()).copy(call.why, sizeof call.why - 1)] = '\0';
    return false;
  }
}

} // namespace

extern "C" {

// Of parameters, gradients, their running means, and those of their squares.
bool rsic_adaptive_steps(const RsicAdaptive *by, RsicCall *call) {
  return attempt(*call, [&] {
    const auto p = list(*call, 0), m = list(*call, 2), v = list(*call, 3);
    auto g = list(*call, 1);
    if (by->shrink != 1.0) {
      at::_foreach_mul_(p, by->shrink);
    }
    if (by->decay != 0.0) {
      g = at::_foreach_add(g, p, by->decay);
    }
    at::_foreach_lerp_(m, g, 1.0 - by->beta1);
    at::_foreach_mul_(v, by->beta2);
    at::_foreach_addcmul_(v, g, g, 1.0 - by->beta2);
    if (!by->divides) {
      at::_foreach_add_(p, m, -by->rate);
      return;
    }
    g.clear(); // its memory for the roots
    const auto roots = at::_foreach_sqrt(v);
    if (by->root != 1.0) {
      at::_foreach_div_(roots, by->root);
    }
    at::_foreach_add_(roots, by->eps);
    at::_foreach_addcdiv_(p, m, roots, -by->rate);
  });
}

// Of parameters, gradients and velocities.
bool rsic_sgd_steps(double lr, double momentum, double decay, RsicCall *call) {
  return attempt(*call, [&] {
    const auto p = list(*call, 0), g = list(*call, 1), v = list(*call, 2);
    at::_foreach_mul_(v, momentum);
    at::_foreach_add_(v, g);
    if (decay > 0.0) {
      at::_foreach_add_(v, p, decay);
    }
    at::_foreach_add_(p, v, -lr);
  });
}

bool rsic_scale_all(double factor, RsicCall *call) {
  return attempt(*call, [&] { at::_foreach_mul_(list(*call, 0), factor); });
}

bool rsic_clamp_all(double limit, RsicCall *call) {
  return attempt(*call, [&] {
    const auto all = list(*call, 0);
    at::_foreach_clamp_min_(all, -limit);
    at::_foreach_clamp_max_(all, limit);
  });
}

// Scales all so that their common norm is at most `limit`, and gives the norm before: a new tensor.
bool rsic_clip_all(double limit, RsicCall *call, at::Tensor **norm) {
  return attempt(*call, [&] {
    const auto all = list(*call, 0);
    const auto before = at::linalg_vector_norm(at::stack(at::_foreach_norm(all)));
    at::_foreach_mul_(all, (limit / (before.to(at::kDouble) + 1e-6)).clamp_max(1.0).to(before.scalar_type()));
    *norm = new at::Tensor(before);
  });
}
}
