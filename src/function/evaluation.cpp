#include "function/evaluation.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "function/evaluation_chunk.hpp"
#include "function/implementation.hpp"
#include "linalg/interruption.hpp"
#include "linalg/thread_pool.hpp"

namespace fastexpr {

namespace {

constexpr Index most_kept = Index{64} << 20;  // bytes of tangents that wait for the Hessian

}  // namespace

Evaluation::Evaluation(std::shared_ptr<const Function> function, Index points, int order, bool has_sparse_jacobian,
                       bool has_sparse_hessian)
    : function_(std::move(function)),
      points_(points),
      order_(order),
      has_sparse_jacobian_(has_sparse_jacobian),
      has_sparse_hessian_(has_sparse_hessian),
      x_(static_cast<std::size_t>(points * function_->n_inputs())) {
  Function::Implementation& self = *function_->implementation_;
  const Index n = self.n();
  if (order_ == 2 && !self.graph.is_curved()) order_ = 1;
  if (order_ == 2 && !has_sparse_hessian) {
    keeps_tangents_ = !has_sparse_jacobian && self.plan().way == HessianWay::tangents &&
                      self.layout.value_size() * n * points * static_cast<Index>(sizeof(double)) <= most_kept;
  }
  const bool is_single = has_sparse_jacobian || has_sparse_hessian;  // compressed derivatives are computed point by point
  const Index most = is_single ? 1 : chunk_for(order_ == 2 ? n : order_ == 1 ? std::min(n, self.m()) : 1);
  for (Index first = 0; first < points;) {
    const Index size = static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(std::min(most, points - first))));
    chunks_.emplace_back(first, std::make_unique<Workspace>(self.graph, self.layout, size));
    first += size;
  }
}

Evaluation::~Evaluation() = default;

void Evaluation::move_to(const double* x) {
  const std::size_t bytes = x_.size() * sizeof(double);
  if (has_point_ && std::memcmp(x_.data(), x, bytes) == 0) return;
  std::memcpy(x_.data(), x, bytes);
  has_point_ = true;
  for (Chunk& chunk : chunks_) chunk.forget();
}

template <class Body>
void Evaluation::for_chunks(const Body& body) {
  if (chunks_.size() == 1) return body(chunks_.front());
  const auto run = [&](Index begin, Index end) {
    for (Index c = begin; c < end; ++c) {
      look_for_interruption();
      body(chunks_[static_cast<std::size_t>(c)]);
    }
  };
  linalg::parallel_for(static_cast<Index>(chunks_.size()), 1, std::ref(run));
}

void Evaluation::evaluate(Chunk& chunk) const {
  if (chunk.has_values) return;
  function_->implementation_->load(*chunk.workspace, x_.data() + chunk.first * function_->n_inputs());
  chunk.has_values = true;
}

void Evaluation::linearize(Chunk& chunk) const {
  evaluate(chunk);
  if (chunk.is_linearized) return;
  const Function::Implementation& self = *function_->implementation_;
  run_linearize(self.graph, self.layout, *chunk.workspace, order_);
  chunk.is_linearized = true;
}

void Evaluation::find_tangents(Chunk& chunk) const {
  linearize(chunk);
  if (chunk.has_tangents) return;
  const Function::Implementation& self = *function_->implementation_;
  run_kept_tangents(self.graph, self.layout, *chunk.workspace);
  chunk.has_tangents = true;
}

void Evaluation::value(double* value) {
  for_chunks([&](Chunk& chunk) {
    evaluate(chunk);
    function_->implementation_->gather(*chunk.workspace, value + chunk.first * function_->n_outputs());
  });
}

void Evaluation::chunk_jacobian(Chunk& chunk, double* jacobian) const {
  Function::Implementation& self = *function_->implementation_;
  if (keeps_tangents_) {
    find_tangents(chunk);
    self.gather_tangents(*chunk.workspace, jacobian);
    self.settle_jacobian(*chunk.workspace, jacobian);
    return;
  }
  linearize(chunk);
  if (has_sparse_jacobian_)
    self.sparse_jacobian(*chunk.workspace, function_->structure(), jacobian);
  else
    self.jacobian(*chunk.workspace, jacobian);
}

void Evaluation::jacobian(double* jacobian) {
  const Index size =
      has_sparse_jacobian_ ? function_->structure().jacobian.n_entries() : function_->n_outputs() * function_->n_inputs();
  for_chunks([&](Chunk& chunk) { chunk_jacobian(chunk, jacobian + chunk.first * size); });
}

void Evaluation::chunk_hessian(Chunk& chunk, const double* weights, double* hessian) const {
  Function::Implementation& self = *function_->implementation_;
  Workspace& workspace = *chunk.workspace;
  const Chunk::Seeded seeded(chunk);
  if (has_sparse_hessian_) {
    linearize(chunk);
    return self.sparse_hessian(workspace, function_->structure(), weights, hessian);
  }
  Request part;
  part.points = workspace.points();
  part.weights = weights;
  part.hessian = hessian;
  if (keeps_tangents_) {
    find_tangents(chunk);
    self.hessian_from_kept_tangents(workspace, part);
    if (self.settle_hessian(workspace, part)) chunk.has_tangents = false;
  } else {
    linearize(chunk);
    self.hessian(workspace, part);
  }
}

void Evaluation::hessian(const double* weights, double* hessian) {
  const Index size =
      has_sparse_hessian_ ? function_->structure().hessian.n_entries() : function_->n_inputs() * function_->n_inputs();
  if (order_ < 2) {  // no second derivatives, whatever the point
    std::fill_n(hessian, points_ * size, 0.0);
    return;
  }
  for_chunks(
      [&](Chunk& chunk) { chunk_hessian(chunk, weights + chunk.first * function_->n_outputs(), hessian + chunk.first * size); });
}

}  // namespace fastexpr
