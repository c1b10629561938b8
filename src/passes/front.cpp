#include "passes/front.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "linalg/interruption.hpp"
#include "linalg/scratch.hpp"
#include "passes/costs.hpp"
#include "passes/curvature.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

namespace {

using Id = DependenceSets::Id;

constexpr Index least_inputs = 32;            // fewer columns are not worth the search
constexpr Index most_units = Index{1} << 22;  // looked at in the search

bool is_wanted(const Graph& graph, const Layout& layout, NodeId id) {
  return graph.is_curved(id) || layout.is_tangent_needed_for_curvature(id);
}

/// For each node, the last one that is wanted and reads it: z is what a node behind the front reads.
std::vector<NodeId> last_readers(const Graph& graph, const Layout& layout) {
  std::vector<NodeId> last(static_cast<std::size_t>(graph.n_nodes()), -1);
  for (const NodeId id : layout.active())
    if (is_wanted(graph, layout, id))
      for (const NodeId input : graph.node(id).inputs) last[static_cast<std::size_t>(layout.storage(input))] = id;
  return last;
}

/// Looks at one node after the other: what its units depend on, and what a front that ends there costs.
class Search {
 public:
  Search(const Graph& graph, const Layout& layout) : graph_(graph), layout_(layout), n_(static_cast<double>(graph.n_inputs())) {
    ids_.assign(static_cast<std::size_t>(layout.value_size()), DependenceSets::empty);
    for (Index i = 0; i < graph.n_inputs(); ++i) of(0)[i] = sets_.single(static_cast<std::int32_t>(i));
    for (const NodeId id : layout.active()) count(id, behind_);
  }

  Front run(double most) {
    const std::vector<NodeId> last = last_readers(graph_, layout_);
    double best_cost = std::numeric_limits<double>::infinity();
    NodeId best = 0;
    Index units = 0, cut_size = last[0] > 0 ? graph_.n_inputs() : 0;
    for (const NodeId id : layout_.active()) {
      if (!is_wanted(graph_, layout_, id)) continue;
      units += graph_.size(id);
      if (units > most_units || !take(id)) break;
      for (const NodeId source : sources_read_last(id, last)) cut_size -= graph_.size(source);
      if (last[static_cast<std::size_t>(id)] > id) cut_size += graph_.size(id);
      const double cost = cost_behind(static_cast<double>(cut_size));
      if (cut_size < graph_.n_inputs() && cost < best_cost) {
        best_cost = cost;
        best = id;
      }
    }
    Front front;
    if (best > 0 && best_cost < most) front = front_to(best, last);
    if (best > 0) front.cost = best_cost;
    return front;
  }

 private:
  struct Work {
    double products = 0, rows = 0;
  };

  Id* of(NodeId id) { return ids_.data() + layout_.value_offset(id); }

  /// What this node is the last to read: it leaves z when the front takes the node.
  std::vector<NodeId> sources_read_last(NodeId id, const std::vector<NodeId>& last) const {
    std::vector<NodeId> sources;
    for (const NodeId input : graph_.node(id).inputs) {
      const NodeId source = layout_.storage(input);
      const bool is_last = graph_.depends(source) && last[static_cast<std::size_t>(source)] == id;
      if (is_last && std::find(sources.begin(), sources.end(), source) == sources.end()) sources.push_back(source);
    }
    return sources;
  }

  void count(NodeId id, Work& work, double sign = 1) const {
    const costs::Cost cost = costs::of_node(graph_, layout_, id);
    work.products += sign * cost.tangent;
    work.rows += sign * cost.rows;
  }

  /// Adds the node to the front; false where it cannot be.
  bool take(NodeId id) {
    const Node& node = graph_.node(id);
    if (graph_.is_curved(id)) {
      const int input = graph_.diagonal_input(id);
      if (input < 0) return false;
      const NodeId source = node.inputs[static_cast<std::size_t>(input)];
      for (Index i = 0; i < graph_.size(source); ++i) {
        const auto seen = static_cast<double>(sets_.members(of(source)[i]).size());
        if (seen > n_ / 2) return false;
        widest_ = std::max(widest_, seen);
        squares_ += seen * seen / 2;
      }
    }
    std::vector<const Id*> inputs;
    for (const NodeId input : node.inputs) inputs.push_back(of(input));
    node.op->dependence(sets_, inputs.data(), of(id));
    count(id, front_);
    count(id, behind_, -1);
    return true;
  }

  double cost_behind(double z) const {
    return (widest_ + z) * front_.products + squares_ + z * behind_.products + costs::of_updates(behind_.rows, z) +
           costs::of_congruence(z, n_);
  }

  Front front_to(NodeId end, const std::vector<NodeId>& last) {
    Front front;
    front.cut.last = end;
    std::set<Id> distinct;
    std::vector<bool> leads(static_cast<std::size_t>(graph_.n_nodes()), false);
    for (auto it = layout_.active().rbegin(); it != layout_.active().rend(); ++it) {
      const NodeId id = *it;
      if (id > end) continue;
      const bool is_curved = graph_.is_curved(id);
      if (is_curved) front.curved.push_back({id, seen_by(id, distinct)});
      if (leads[static_cast<std::size_t>(id)]) front.nodes.push_back(id);
      if (!is_curved && !leads[static_cast<std::size_t>(id)]) continue;
      for (const NodeId input : graph_.node(id).inputs) leads[static_cast<std::size_t>(layout_.storage(input))] = true;
    }
    std::reverse(front.curved.begin(), front.curved.end());
    std::reverse(front.nodes.begin(), front.nodes.end());
    for (const NodeId id : layout_.active()) {
      if (id > end || last[static_cast<std::size_t>(id)] <= end) continue;
      front.cut.nodes.push_back(id);
      front.cut.offsets.push_back(front.cut.columns);
      front.cut.columns += graph_.size(id);
    }
    Pattern together{static_cast<Index>(distinct.size()), graph_.n_inputs(), {0}, {}};
    for (const Id id : distinct) append(together, id);
    front.components = color_columns(together);
    return front;
  }

  Pattern seen_by(NodeId id, std::set<Id>& distinct) {
    const NodeId source = graph_.node(id).inputs[static_cast<std::size_t>(graph_.diagonal_input(id))];
    Pattern pattern{graph_.size(source), graph_.n_inputs(), {0}, {}};
    for (Index i = 0; i < graph_.size(source); ++i) {
      append(pattern, of(source)[i]);
      distinct.insert(of(source)[i]);
    }
    return pattern;
  }

  void append(Pattern& pattern, Id id) const {
    pattern.indices.insert(pattern.indices.end(), sets_.members(id).begin(), sets_.members(id).end());
    pattern.starts.push_back(pattern.n_entries());
  }

  const Graph& graph_;
  const Layout& layout_;
  double n_;
  DependenceSets sets_;
  std::vector<Id> ids_;
  Work front_, behind_;
  double widest_ = 0, squares_ = 0;
};

/// H += sum over units of q t t', with t the row of the unit's tangent, told apart by the colours of its components.
void add_rows(const Front::Curved& node, const Coloring& components, const double* tangent, Index stride, const double* q,
              Index q_stride, Index n, double* H) {
  double* t = linalg::scratch(linalg::ScratchSlot::gathered, n);
  for (Index unit = 0; unit < node.seen.rows; ++unit, tangent += stride, q += q_stride) {
    if (*q == 0) continue;
    const Index start = node.seen.starts[static_cast<std::size_t>(unit)];
    const Index count = node.seen.starts[static_cast<std::size_t>(unit) + 1] - start;
    const std::int32_t* seen = node.seen.indices.data() + start;
    for (Index a = 0; a < count; ++a) t[a] = tangent[components.colors[static_cast<std::size_t>(seen[a])]];
    for (Index a = 0; a < count; ++a) {
      const double factor = *q * t[a];
      double* row = H + seen[a] * n;
      for (Index b = a; b < count; ++b) row[seen[b]] += factor * t[b];
    }
  }
}

}  // namespace

Front find_front(const Graph& graph, const Layout& layout, double most) {
  if (graph.n_inputs() < least_inputs || !graph.is_curved()) return {};
  return Search(graph, layout).run(most);
}

void add_front_curvature(const Graph& graph, Workspace& workspace, const Front& front, Index weightings, double* hessian) {
  if (front.curved.empty()) return;
  const Index n = graph.n_inputs(), points = workspace.points(), columns = front.components.n_colors;
  workspace.require_tangents(columns);
  workspace.require_curvature(columns);
  std::memset(workspace.tangent(0), 0, static_cast<std::size_t>(n * points * columns) * sizeof(double));
  for (Index i = 0; i < n; ++i)
    for (Index p = 0; p < points; ++p) {
      const Index color = front.components.colors[static_cast<std::size_t>(i)];
      if (color >= 0) workspace.tangent(0)[(i * points + p) * columns + color] = 1;
    }
  auto tangents = front.nodes.begin();
  for (const Front::Curved& curved : front.curved) {
    look_for_interruption();
    for (; tangents != front.nodes.end() && *tangents < curved.id; ++tangents) run_tangent(graph, workspace, *tangents);
    const NodeId source = graph.node(curved.id).inputs[static_cast<std::size_t>(graph.diagonal_input(curved.id))];
    for (Index w = 0; w < weightings; ++w) {
      const double* q = curvature_diagonal(graph, workspace, curved.id, weightings, w);
      for (Index p = 0; p < points; ++p)
        add_rows(curved, front.components, workspace.tangent(source) + p * columns, points * columns, q + p, points, n,
                 hessian + (p * weightings + w) * n * n);
    }
  }
}

}  // namespace fastexpr
