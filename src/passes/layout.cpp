#include "passes/layout.hpp"

#include <algorithm>
#include <map>

namespace fastexpr {

namespace {

constexpr Index alignment = 8;  // doubles: one cache line at one point and one column

Index padded(Index size) { return (size + alignment - 1) / alignment * alignment; }

/// Slots of a growing buffer, given back and taken again, smallest fit first.
class SlotAllocator {
 public:
  Index take(Index size) {
    const auto fit = free_.lower_bound(size);
    if (fit == free_.end()) {
      end_ += size;
      return end_ - size;
    }
    const auto [capacity, offset] = *fit;
    free_.erase(fit);
    if (capacity > size) free_.emplace(capacity - size, offset + size);
    return offset;
  }
  void give_back(Index offset, Index size) { free_.emplace(size, offset); }
  Index end() const { return end_; }

 private:
  std::multimap<Index, Index> free_;  // size -> offset
  Index end_ = 0;
};

}  // namespace

Layout::Layout(const Graph& graph) {
  place_values(graph);
  find_needs(graph);
  place_tangents(graph);
}

void Layout::place_values(const Graph& graph) {
  const auto n_nodes = static_cast<std::size_t>(graph.n_nodes());
  storage_.resize(n_nodes, 0);
  value_offset_.resize(n_nodes, 0);
  tangent_slot_.resize(n_nodes, 0);
  first_input_.resize(n_nodes, 0);
  for (auto& offsets : local_offset_) offsets.resize(n_nodes, 0);
  branch_offset_.resize(n_nodes, -1);
  value_size_ = padded(graph.n_inputs());
  for (NodeId id = 1; id < graph.n_nodes(); ++id) {
    const auto i = static_cast<std::size_t>(id);
    const Node& node = graph.node(id);
    first_input_[i] = n_input_links_;
    n_input_links_ += node.inputs.size();
    most_inputs_ = std::max(most_inputs_, node.inputs.size());
    if (node.op->is_view()) {
      storage_[i] = storage(node.inputs[0]);
      continue;
    }
    storage_[i] = id;
    value_offset_[i] = value_size_;
    value_size_ += padded(node.op->size());
    scratch_size_ = std::max(scratch_size_, node.op->scratch_size());
    (graph.depends(id) ? active_ : constant_).push_back(id);
    if (!graph.depends(id)) continue;
    work_ += static_cast<double>(node.op->work());
    if (const Index n_branches = node.op->branch_size(); n_branches > 0) {
      kinked_.push_back(id);
      branch_offset_[i] = branch_size_;
      branch_size_ += n_branches;
    }
    for (int order = 1; order <= 2; ++order) {
      local_offset_[order - 1][i] = local_size_[order - 1];
      local_size_[order - 1] += padded(node.op->local_size(order));
    }
  }
}

void Layout::find_needs(const Graph& graph) {
  leads_to_curvature_.assign(static_cast<std::size_t>(graph.n_nodes()), false);
  for (auto it = active_.rbegin(); it != active_.rend(); ++it) {
    const Node& node = graph.node(*it);
    const bool is_wanted = graph.is_curved(*it) || leads_to_curvature_[static_cast<std::size_t>(*it)];
    Index inputs_size = 0;
    for (const NodeId input : node.inputs) {
      const NodeId source = storage(input);
      if (!graph.depends(source)) continue;
      if (is_wanted) leads_to_curvature_[static_cast<std::size_t>(source)] = true;
      if (source == 0 && (graph.is_curved(*it) || !node.op->has_identity_tangent())) is_identity_needed_ = true;
      inputs_size += padded(graph.size(source));
    }
    if (!graph.is_curved(*it)) continue;
    if (graph.diagonal_input(*it) >= 0) diagonal_size_ = std::max(diagonal_size_, node.op->size());
    largest_curved_size_ = std::max(largest_curved_size_, node.op->size());
    curvature_size_ = std::max(curvature_size_, inputs_size);
  }
  for (const NodeId output : graph.outputs())
    if (storage(output) == 0) is_identity_needed_ = true;
}

void Layout::place_tangents(const Graph& graph) {
  std::vector<NodeId> last_reader(static_cast<std::size_t>(graph.n_nodes()), 0);
  for (const NodeId id : active_)
    for (const NodeId input : graph.node(id).inputs) last_reader[static_cast<std::size_t>(storage(input))] = id;
  for (const NodeId output : graph.outputs()) last_reader[static_cast<std::size_t>(storage(output))] = graph.n_nodes();

  SlotAllocator slots;
  tangent_slot_[0] = slots.take(padded(graph.n_inputs()));
  std::vector<NodeId> done;
  for (const NodeId id : active_) {
    tangent_slot_[static_cast<std::size_t>(id)] = slots.take(padded(graph.size(id)));
    done.clear();
    for (const NodeId input : graph.node(id).inputs) {
      const NodeId source = storage(input);
      const bool is_last = last_reader[static_cast<std::size_t>(source)] == id && graph.depends(source);
      if (is_last && std::find(done.begin(), done.end(), source) == done.end()) done.push_back(source);
    }
    for (const NodeId source : done) slots.give_back(tangent_slot(source), padded(graph.size(source)));
  }
  tangent_size_ = slots.end();
}

}  // namespace fastexpr
