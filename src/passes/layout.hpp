#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace fastexpr {

/// Where each node's numbers stand in the buffers of a workspace, in doubles per point (and per column). Found once per graph.
/// Views share the buffers of what they view. Tangent slots are reused as soon as the last reader is done, so that only live
/// tangents are in memory.
class Layout {
 public:
  explicit Layout(const Graph& graph);

  /// Nodes that are worked on at every evaluation, in order: they depend on x and are no views.
  const std::vector<NodeId>& active() const { return active_; }
  /// Nodes whose value never changes: evaluated once for a workspace.
  const std::vector<NodeId>& constant() const { return constant_; }

  /// The node whose buffers this node uses: itself, or what it is a view of.
  NodeId storage(NodeId id) const { return storage_[static_cast<std::size_t>(id)]; }
  Index value_offset(NodeId id) const { return value_offset_[static_cast<std::size_t>(storage(id))]; }
  Index tangent_slot(NodeId id) const { return tangent_slot_[static_cast<std::size_t>(storage(id))]; }
  Index local_offset(NodeId id, int order) const { return local_offset_[order - 1][static_cast<std::size_t>(id)]; }
  /// Where the branches of the node's units stand among those of all nodes; -1 where it has no kinks.
  Index branch_offset(NodeId id) const { return branch_offset_[static_cast<std::size_t>(id)]; }
  /// Nodes with kinked units, in order, and how many units they have together.
  const std::vector<NodeId>& kinked() const { return kinked_; }
  Index branch_size() const { return branch_size_; }
  /// Position of the node's first input in a list of all nodes' inputs.
  std::size_t first_input(NodeId id) const { return first_input_[static_cast<std::size_t>(id)]; }
  /// Whether some curved node reads, directly or through others, this node's tangent.
  bool is_tangent_needed_for_curvature(NodeId id) const { return leads_to_curvature_[static_cast<std::size_t>(id)]; }
  /// Whether x itself needs an explicit identity block when it is the seed.
  bool is_identity_needed() const { return is_identity_needed_; }

  double work() const { return work_; }  // multiplications of one column of all tangents at one point
  Index value_size() const { return value_size_; }
  Index tangent_size() const { return tangent_size_; }
  Index local_size(int order) const { return local_size_[order - 1]; }
  Index scratch_size() const { return scratch_size_; }      // largest scratch of an operator
  Index curvature_size() const { return curvature_size_; }  // S of the inputs of a curved node, at the largest
  Index diagonal_size() const { return diagonal_size_; }    // q of a node with diagonal curvature, at the largest
  Index largest_curved_size() const { return largest_curved_size_; }
  std::size_t n_input_links() const { return n_input_links_; }
  std::size_t most_inputs() const { return most_inputs_; }

 private:
  void place_values(const Graph& graph);
  void place_tangents(const Graph& graph);
  void find_needs(const Graph& graph);

  std::vector<NodeId> active_, constant_, storage_, kinked_;
  std::vector<Index> value_offset_, tangent_slot_, local_offset_[2], branch_offset_;
  std::vector<std::size_t> first_input_;
  std::vector<bool> leads_to_curvature_;
  bool is_identity_needed_ = false;
  double work_ = 0;
  Index branch_size_ = 0, value_size_ = 0, tangent_size_ = 0, local_size_[2] = {0, 0}, scratch_size_ = 0, curvature_size_ = 0,
        diagonal_size_ = 0, largest_curved_size_ = 0;
  std::size_t n_input_links_ = 0, most_inputs_ = 0;
};

}  // namespace fastexpr
