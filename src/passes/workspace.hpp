#pragma once

#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "passes/layout.hpp"

namespace fastexpr {

/// Uninitialised doubles on a cache-line boundary that grow when more are needed and never shrink.
class Buffer {
 public:
  /// At least `count` doubles; what was in them is lost when they grow. Throws std::bad_alloc.
  double* require(Index count);
  double* data() const { return data_.get(); }
  Index bytes() const { return capacity_ * static_cast<Index>(sizeof(double)); }

 private:
  struct Free {
    void operator()(double* data) const { std::free(data); }
  };
  std::unique_ptr<double, Free> data_;
  Index capacity_ = 0;
};

/// What the adjoint of one number starts with, beside the seeds of the outputs: an argument of a wall that is differentiated.
struct WallSeed {
  NodeId node;
  Index row;  // in its block: unit * points + point
  Index column;
  double weight;
};

/// Blocks (size, points, columns) of all nodes' adjoints, which sum up: what comes first is written, and what follows is added.
class AdjointBlocks {
 public:
  AdjointBlocks(const Layout& layout, Index points, Index n_nodes)
      : layout_(&layout), points_(points), has_begun_(static_cast<std::size_t>(n_nodes)) {}

  /// Room for so many columns; no block has begun. Throws std::bad_alloc.
  void require(Index columns);
  Index columns() const { return columns_; }
  double* block(NodeId id) const { return buffer_.data() + layout_->value_offset(id) * points_ * columns_; }
  /// The same, to add to: set to zero where nobody has since `require`. `size`: of the node.
  double* begun(NodeId id, Index size);
  bool has(NodeId id) const { return has_begun_[static_cast<std::size_t>(layout_->storage(id))] != 0; }
  /// The same, to be written whole, which `note` then says; null where somebody has added to it.
  double* fresh(NodeId id) const { return has(id) ? nullptr : block(id); }
  void note(NodeId id) { has_begun_[static_cast<std::size_t>(layout_->storage(id))] = 1; }
  Index bytes() const { return buffer_.bytes(); }

 private:
  const Layout* layout_;
  Index points_, columns_ = 0;
  Buffer buffer_;
  std::vector<char> has_begun_;  // by node
};

/// Every buffer of one evaluation at `points` points, for one thread at a time. Buffers come into being at their first use
/// (a value needs no room for tangents) and stay, so that evaluations after the first of their kind allocate nothing.
class Workspace {
 public:
  Workspace(const Graph& graph, const Layout& layout, Index points);

  Index points() const { return points_; }
  double* value(NodeId id) const { return values_.data() + layout_->value_offset(id) * points_; }
  const double* const* input_values(NodeId id) const { return input_values_.data() + layout_->first_input(id); }

  void require_local(int order);
  void require_tangents(Index columns);      // live ones only
  void require_all_tangents(Index columns);  // every node's, side by side with the adjoints
  void require_curvature(Index columns);

  double* local(NodeId id) const { return local_.data() + layout_->local_offset(id, order_) * points_; }
  double* tangent(NodeId id) const {
    const Index offset = are_all_tangents_kept_ ? layout_->value_offset(id) : layout_->tangent_slot(id);
    return tangents_.data() + offset * points_ * tangent_columns_;
  }
  AdjointBlocks& adjoints() { return adjoints_; }
  double* adjoint(NodeId id) const { return adjoints_.block(id); }
  AdjointBlocks& second_adjoints() { return second_adjoints_; }
  double* second_adjoint(NodeId id) const { return second_adjoints_.block(id); }
  double* scratch() const { return scratch_.data(); }
  double* curvature() const { return curvature_.data(); }
  double* diagonal() const { return diagonal_.data(); }
  double* adjoint_column() const { return adjoint_column_.data(); }
  double* dense_hessian(Index count) { return dense_hessian_.require(count); }
  double* seed_hessian(Index count) { return seed_hessian_.require(count); }  // M and M A where tangents start at affine images
  double* seed(Index count) { return seed_.require(count); }                  // for the caller's conversions

  /// Whether a pass with so many columns takes milliseconds: then it calls look_for_interruption() between nodes.
  bool is_long(Index columns) const;

  Index tangent_columns() const { return tangent_columns_; }
  Index adjoint_columns() const { return adjoints_.columns(); }

  /// Whether a factor of 0 annihilates what is not finite: see passes/annihilation.hpp.
  bool annihilates() const { return annihilates_; }
  void set_annihilates(bool annihilates) { annihilates_ = annihilates; }

  /// Branches that hold from here on for the kinked units, (branch_size, points) by the layout; null: those that x is on.
  void set_branches(const Branch* branches) { branches_ = branches; }
  const Branch* branches() const { return branches_; }
  /// Those of a node; null where it has no kinks.
  const Branch* branches(NodeId id) const {
    if (branches_ == nullptr || layout_->branch_offset(id) < 0) return nullptr;
    return branches_ + layout_->branch_offset(id) * points_;
  }
  /// Added to what run_adjoints starts with.
  void set_wall_seeds(std::span<const WallSeed> seeds) { wall_seeds_ = seeds; }
  std::span<const WallSeed> wall_seeds() const { return wall_seeds_; }

  /// Where the node is differentiated.
  Point at(NodeId id) const {
    return {input_values(id), value(id), order_ > 0 ? local(id) : nullptr, scratch_.data(), points_, annihilates_, branches(id)};
  }

  // Lists of pointers for one node at a time.
  const double** tangent_pointers() { return tangent_pointers_.data(); }
  double** adjoint_pointers() { return adjoint_pointers_.data(); }

  Index bytes() const;

 private:
  const Layout* layout_;
  Index points_;
  int order_ = 0;
  bool are_all_tangents_kept_ = false;
  bool annihilates_ = false;
  const Branch* branches_ = nullptr;
  std::span<const WallSeed> wall_seeds_;
  Index tangent_columns_ = 0;
  Buffer values_, local_, tangents_, scratch_, curvature_, diagonal_, adjoint_column_, dense_hessian_, seed_hessian_, seed_;
  AdjointBlocks adjoints_, second_adjoints_;
  std::vector<const double*> input_values_;
  std::vector<const double*> tangent_pointers_;
  std::vector<double*> adjoint_pointers_;
};

}  // namespace fastexpr
