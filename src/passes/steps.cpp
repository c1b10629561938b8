#include <algorithm>

#include "passes/passes.hpp"
#include "passes/structure.hpp"

// Three facts about every unit, each kept as a set, for operators know how sets pass through them:
//
//   moved   whether x changes its value at all
//   sloped  whether one does so with a derivative
//   steps   the nodes through which it jumps
//
// What the box leaves one value does not move. What moves without a slope is a step, whatever the operator: a comparison, but
// also a Where between two constants. A condition alone is none: the derivative of what it selects holds on either side.

namespace fastexpr {

namespace {

using Id = DependenceSets::Id;

class Steps {
 public:
  Steps(const Graph& graph, const Layout& layout, const Interval* x)
      : graph_(graph), layout_(layout), bounds_(find_bounds(graph, layout, x)) {
    const auto size = static_cast<std::size_t>(layout.value_size());
    for (std::vector<Id>* fact : {&moved_, &sloped_, &steps_}) fact->assign(size, DependenceSets::empty);
    for (Index i = 0; i < graph.n_inputs(); ++i)
      if (x[i].lower < x[i].upper) moved_[place(0, i)] = sloped_[place(0, i)] = sets_.single(0);
    for (const NodeId id : layout.constant()) mark_zeros(id);
    for (const NodeId id : layout.active()) visit(id);
  }

  std::vector<NodeId> of_outputs() const {
    std::vector<NodeId> result;
    for (const NodeId output : graph_.outputs())
      for (Index i = 0; i < graph_.size(output); ++i) {
        const Id known = steps_[place(output, i)];
        result.push_back(is_none(known) ? -1 : sets_.members(known).front());
      }
    return result;
  }

 private:
  static bool is_none(Id id) { return id == DependenceSets::empty || id == DependenceSets::zero; }

  std::size_t place(NodeId id, Index i) const { return static_cast<std::size_t>(layout_.value_offset(id) + i); }

  /// A constant 0 annihilates what it is multiplied with.
  void mark_zeros(NodeId id) {
    const Operator& op = *graph_.node(id).op;
    if (op.n_inputs() > 0) return;
    std::vector<double> numbers(static_cast<std::size_t>(op.size()));
    op.value(nullptr, numbers.data(), 1, nullptr);
    for (Index i = 0; i < op.size(); ++i)
      if (numbers[static_cast<std::size_t>(i)] == 0)
        for (std::vector<Id>* fact : {&moved_, &sloped_, &steps_}) (*fact)[place(id, i)] = DependenceSets::zero;
  }

  void visit(NodeId id) {
    const Operator& op = *graph_.node(id).op;
    op.influence(sets_, inputs_of(id, moved_), moved_.data() + place(id, 0));
    op.dependence(sets_, inputs_of(id, sloped_), sloped_.data() + place(id, 0));
    op.dependence(sets_, inputs_of(id, steps_), steps_.data() + place(id, 0));
    for (Index i = 0; i < op.size(); ++i) {
      const std::size_t unit = place(id, i);
      if (bounds_[unit].lower == bounds_[unit].upper) moved_[unit] = sloped_[unit] = steps_[unit] = DependenceSets::empty;
      if (is_none(moved_[unit])) continue;
      if (op.is_step() || (is_none(sloped_[unit]) && is_none(steps_[unit]))) steps_[unit] = sets_.single(id);
    }
  }

  const Id* const* inputs_of(NodeId id, const std::vector<Id>& fact) {
    const Node& node = graph_.node(id);
    copies_.resize(node.inputs.size());
    inputs_.clear();
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      const Id* own = fact.data() + place(node.inputs[k], 0);
      const Id* end = own + graph_.size(node.inputs[k]);
      if (!node.op->keeps_zeros() && std::find(own, end, DependenceSets::zero) != end) {
        copies_[k].assign(own, end);
        std::replace(copies_[k].begin(), copies_[k].end(), DependenceSets::zero, DependenceSets::empty);
        own = copies_[k].data();
      }
      inputs_.push_back(own);
    }
    return inputs_.data();
  }

  const Graph& graph_;
  const Layout& layout_;
  std::vector<Interval> bounds_;
  DependenceSets sets_;
  std::vector<Id> moved_, sloped_, steps_;
  std::vector<std::vector<Id>> copies_;
  std::vector<const Id*> inputs_;
};

}  // namespace

std::vector<NodeId> find_steps(const Graph& graph, const Layout& layout, const Interval* x) {
  for (NodeId id = 1; id < graph.n_nodes(); ++id)
    if (graph.node(id).op->is_step() && graph.depends(id)) return Steps(graph, layout, x).of_outputs();
  return std::vector<NodeId>(static_cast<std::size_t>(graph.n_outputs()), -1);
}

}  // namespace fastexpr
