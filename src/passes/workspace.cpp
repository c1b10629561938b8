#include "passes/workspace.hpp"

#include <algorithm>
#include <new>

namespace fastexpr {

namespace {

/// Numbers of a block. No product of sizes overflows unseen: a network may be of any size, and so may its derivatives.
Index counted(Index size, Index points, Index columns = 1) {
  constexpr Index most = Index{1} << 48;
  Index count = 0;
  if (__builtin_mul_overflow(size, points, &count) || __builtin_mul_overflow(count, columns, &count) || count > most)
    throw std::bad_alloc();
  return count;
}

}  // namespace

double* Buffer::require(Index count) {
  if (count > capacity_) {
    constexpr std::size_t line = 64;
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(double) + line - 1) / line * line;
    data_.reset();
    capacity_ = 0;
    data_.reset(static_cast<double*>(std::aligned_alloc(line, bytes)));
    if (data_ == nullptr) throw std::bad_alloc();
    capacity_ = static_cast<Index>(bytes / sizeof(double));
  }
  return data_.get();
}

Workspace::Workspace(const Graph& graph, const Layout& layout, Index points)
    : layout_(&layout),
      points_(points),
      adjoints_(layout, points, graph.n_nodes()),
      second_adjoints_(layout, points, graph.n_nodes()) {
  values_.require(counted(layout.value_size(), points));
  scratch_.require(counted(layout.scratch_size(), points));
  input_values_.resize(layout.n_input_links());
  tangent_pointers_.resize(layout.most_inputs());
  adjoint_pointers_.resize(layout.most_inputs());
  for (NodeId id = 1; id < graph.n_nodes(); ++id) {
    std::size_t link = layout.first_input(id);
    for (const NodeId input : graph.node(id).inputs) input_values_[link++] = value(input);
  }
  for (const NodeId id : layout.constant()) graph.node(id).op->value(input_values(id), value(id), points, scratch_.data());
}

bool Workspace::is_long(Index columns) const {
  constexpr double some_milliseconds = 4e6;
  return layout_->work() * static_cast<double>(points_ * columns) > some_milliseconds;
}

void Workspace::require_local(int order) {
  order_ = order;
  if (order > 0) local_.require(counted(layout_->local_size(order), points_));
}

void Workspace::require_tangents(Index columns) {
  are_all_tangents_kept_ = false;
  tangent_columns_ = columns;
  tangents_.require(counted(layout_->tangent_size(), points_, columns));
}

void Workspace::require_all_tangents(Index columns) {
  are_all_tangents_kept_ = true;
  tangent_columns_ = columns;
  tangents_.require(counted(layout_->value_size(), points_, columns));
}

void AdjointBlocks::require(Index columns) {
  columns_ = columns;
  buffer_.require(counted(layout_->value_size(), points_, columns));
  std::fill(has_begun_.begin(), has_begun_.end(), 0);
}

double* AdjointBlocks::begun(NodeId id, Index size) {
  if (!has(id)) std::fill_n(block(id), size * points_ * columns_, 0.0);
  note(id);
  return block(id);
}

void Workspace::require_curvature(Index columns) {
  curvature_.require(counted(layout_->curvature_size(), points_, columns));
  diagonal_.require(counted(layout_->diagonal_size(), points_));
  adjoint_column_.require(counted(layout_->largest_curved_size(), points_));
}

Index Workspace::bytes() const {
  Index total = adjoints_.bytes() + second_adjoints_.bytes();
  for (const Buffer* buffer : {&values_, &local_, &tangents_, &scratch_, &curvature_, &diagonal_, &adjoint_column_,
                               &dense_hessian_, &seed_hessian_, &seed_})
    total += buffer->bytes();
  return total;
}

}  // namespace fastexpr
