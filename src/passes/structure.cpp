#include "passes/structure.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "linalg/interruption.hpp"

namespace fastexpr {

namespace {

using Id = DependenceSets::Id;

/// Collects entries in any order, with repetitions, in memory of about the result's size.
class PatternBuilder {
 public:
  PatternBuilder(Index rows, Index columns)
      : columns_(columns), rows_(static_cast<std::size_t>(rows)), limits_(rows_.size(), 64) {}

  void add(std::int32_t row, const std::vector<std::int32_t>& columns) {
    auto& entries = rows_[static_cast<std::size_t>(row)];
    entries.insert(entries.end(), columns.begin(), columns.end());
    Index& limit = limits_[static_cast<std::size_t>(row)];
    if (static_cast<Index>(entries.size()) <= limit) return;
    sort_out(entries);
    limit = 2 * static_cast<Index>(entries.size()) + 64;
  }

  Pattern finish() {
    Pattern pattern{static_cast<Index>(rows_.size()), columns_, {0}, {}};
    for (auto& entries : rows_) {
      sort_out(entries);
      pattern.indices.insert(pattern.indices.end(), entries.begin(), entries.end());
      pattern.starts.push_back(pattern.n_entries());
    }
    return pattern;
  }

 private:
  static void sort_out(std::vector<std::int32_t>& entries) {
    std::sort(entries.begin(), entries.end());
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  }

  Index columns_;
  std::vector<std::vector<std::int32_t>> rows_;
  std::vector<Index> limits_;
};

Pattern transposed(const Pattern& pattern) {
  PatternBuilder builder(pattern.columns, pattern.rows);
  for (Index row = 0; row < pattern.rows; ++row)
    for (Index e = pattern.starts[static_cast<std::size_t>(row)]; e < pattern.starts[static_cast<std::size_t>(row) + 1]; ++e)
      builder.add(pattern.indices[static_cast<std::size_t>(e)], {static_cast<std::int32_t>(row)});
  return builder.finish();
}

Index longest_row(const Pattern& pattern) {
  Index longest = 0;
  for (std::size_t row = 0; row < static_cast<std::size_t>(pattern.rows); ++row)
    longest = std::max(longest, pattern.starts[row + 1] - pattern.starts[row]);
  return longest;
}

/// A colour for every column.
Coloring all_different(Index columns) {
  Coloring coloring{std::vector<std::int32_t>(static_cast<std::size_t>(columns)), columns};
  std::iota(coloring.colors.begin(), coloring.colors.end(), 0);
  return coloring;
}

// Greedy, in the given order of columns. `by_column` is the transpose of `pattern`. Columns that are left out get no colour;
// rows of their numbers do not count.
Coloring color_columns(const Pattern& pattern, const Pattern& by_column, const std::vector<bool>& left_out) {
  const auto n = static_cast<std::size_t>(pattern.columns);
  Coloring coloring{std::vector<std::int32_t>(n, -1), 0};
  std::vector<std::int32_t> taken_by(n + 1, -1);
  for (std::size_t column = 0; column < n; ++column) {
    if (!left_out.empty() && left_out[column]) continue;
    for (Index e = by_column.starts[column]; e < by_column.starts[column + 1]; ++e) {
      const auto row = static_cast<std::size_t>(by_column.indices[static_cast<std::size_t>(e)]);
      if (!left_out.empty() && left_out[row]) continue;
      for (Index other = pattern.starts[row]; other < pattern.starts[row + 1]; ++other) {
        const std::int32_t color = coloring.colors[static_cast<std::size_t>(pattern.indices[static_cast<std::size_t>(other)])];
        if (color >= 0) taken_by[static_cast<std::size_t>(color)] = static_cast<std::int32_t>(column);
      }
    }
    std::int32_t color = 0;
    while (taken_by[static_cast<std::size_t>(color)] == static_cast<std::int32_t>(column)) ++color;
    coloring.colors[column] = color;
    coloring.n_colors = std::max(coloring.n_colors, static_cast<Index>(color) + 1);
  }
  return coloring;
}

Coloring color_columns(const Pattern& pattern, const Pattern& by_column) {
  if (longest_row(pattern) == pattern.columns) return all_different(pattern.columns);  // no two columns can share a colour
  return color_columns(pattern, by_column, {});
}

/// Hubs are the few columns that meet nearly all others, such as a final time that scales every step. With a colour for each of
/// them they can be forgotten: an entry of a hub's row is read from the hub's column. So many that colours are saved.
std::vector<bool> find_hubs(const Pattern& hessian) {
  const auto n = static_cast<std::size_t>(hessian.columns);
  const auto length = [&](std::int32_t row) {
    return hessian.starts[static_cast<std::size_t>(row) + 1] - hessian.starts[static_cast<std::size_t>(row)];
  };
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return length(a) > length(b); });
  std::size_t best = 0;
  for (std::size_t k = 1; k < n; ++k)
    if (static_cast<Index>(k) + length(order[k]) < static_cast<Index>(best) + length(order[best])) best = k;
  std::vector<bool> is_hub(n, false);
  for (std::size_t k = 0; k < best; ++k) is_hub[static_cast<std::size_t>(order[k])] = true;
  return is_hub;
}

Coloring color_hessian(const Pattern& hessian, const std::vector<bool>& is_hub) {
  if (hessian.n_entries() == hessian.rows * hessian.columns) return all_different(hessian.columns);
  Coloring coloring = color_columns(hessian, hessian, is_hub);
  for (std::size_t column = 0; column < is_hub.size(); ++column)
    if (is_hub[column]) coloring.colors[column] = static_cast<std::int32_t>(coloring.n_colors++);
  return coloring;
}

/// What is asked: where derivatives can be nonzero, those of walls' arguments, too, or what values depend on, with a derivative
/// or without.
enum class Question { derivatives, kinks, values };

/// Dependence of every unit on x, node by node, and the pairs that curvature couples.
class Dependences {
 public:
  Dependences(const Graph& graph, const Layout& layout, Question question) : graph_(graph), layout_(layout) {
    ids_.assign(static_cast<std::size_t>(layout.value_size()), DependenceSets::empty);
    for (Index i = 0; i < graph.n_inputs(); ++i) ids_[static_cast<std::size_t>(i)] = sets_.single(static_cast<std::int32_t>(i));
    for (const NodeId id : layout.constant()) find_zeros(id);
    if (question == Question::kinks) of_kinks_.assign(static_cast<std::size_t>(layout.branch_size()), DependenceSets::empty);
    std::vector<const Id*> inputs;
    CoupledSets coupled;
    for (const NodeId id : layout.active()) {
      look_for_interruption();
      const Node& node = graph.node(id);
      inputs.clear();
      without_zeros_.clear();
      for (const NodeId input : node.inputs) inputs.push_back(node.op->keeps_zeros() ? of(input) : without_zeros(input));
      if (question == Question::values) {
        node.op->influence(sets_, inputs.data(), of(id));
        continue;
      }
      node.op->dependence(sets_, inputs.data(), of(id));
      if (question == Question::kinks) {
        if (node.op->branch_size() > 0) node.op->influence(sets_, inputs.data(), of_kinks_.data() + layout.branch_offset(id));
        continue;
      }
      if (!graph.is_curved(id)) continue;
      node.op->couple(sets_, inputs.data(), coupled);
      for (const auto& [a, b] : coupled) pairs_.insert(std::minmax(a, b));
      coupled.clear();
    }
  }

  Pattern outputs() {
    PatternBuilder builder(graph_.n_outputs(), graph_.n_inputs());
    std::int32_t row = 0;
    for (const NodeId output : graph_.outputs())
      for (Index i = 0; i < graph_.size(output); ++i) builder.add(row++, sets_.members(of(output)[i]));
    return builder.finish();
  }

  void gather_kinks(KinkStructure& result) const {
    std::map<Id, std::int32_t> numbers;
    for (const Id id : of_kinks_) {
      const auto [known, is_new] = numbers.try_emplace(id, static_cast<std::int32_t>(result.sets.size()));
      if (is_new) result.sets.push_back(sets_.members(id));
      result.set_of_unit.push_back(known->second);
    }
  }

  Pattern hessian() {
    PatternBuilder builder(graph_.n_inputs(), graph_.n_inputs());
    for (const auto& [a, b] : pairs_) {
      for (const std::int32_t i : sets_.members(a)) builder.add(i, sets_.members(b));
      if (a != b)
        for (const std::int32_t i : sets_.members(b)) builder.add(i, sets_.members(a));
    }
    return builder.finish();
  }

 private:
  /// Marks the zeros of a node that has no inputs.
  void find_zeros(NodeId id) {
    const Operator& op = *graph_.node(id).op;
    if (op.n_inputs() > 0) return;
    std::vector<double> numbers(static_cast<std::size_t>(op.size()));
    op.value(nullptr, numbers.data(), 1, nullptr);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      if (numbers[i] == 0) of(id)[i] = DependenceSets::zero;
  }

  /// For operators that do not know of zeros.
  const Id* without_zeros(NodeId id) {
    const Id* own = of(id);
    const Id* end = own + graph_.size(id);
    if (std::find(own, end, DependenceSets::zero) == end) return own;
    std::replace_copy(own, end, std::back_inserter(without_zeros_.emplace_back()), DependenceSets::zero, DependenceSets::empty);
    return without_zeros_.back().data();
  }

  Id* of(NodeId id) { return ids_.data() + layout_.value_offset(id); }

  const Graph& graph_;
  const Layout& layout_;
  DependenceSets sets_;
  std::vector<Id> ids_, of_kinks_;
  std::vector<std::vector<Id>> without_zeros_;  // of the node at hand; their own memory does not move
  std::set<std::pair<Id, Id>> pairs_;
};

}  // namespace

Coloring color_columns(const Pattern& pattern) { return color_columns(pattern, transposed(pattern)); }

Pattern find_influence(const Graph& graph, const Layout& layout) {
  return Dependences(graph, layout, Question::values).outputs();
}

KinkStructure find_kink_structure(const Graph& graph, const Layout& layout) {
  KinkStructure result;
  Dependences(graph, layout, Question::kinks).gather_kinks(result);
  std::vector<std::int32_t> ranks(static_cast<std::size_t>(graph.n_nodes()), 0);
  const auto behind = [&](NodeId id) { return ranks[static_cast<std::size_t>(id)] + (layout.branch_offset(id) >= 0 ? 1 : 0); };
  for (NodeId id = 1; id < graph.n_nodes(); ++id) {
    std::int32_t& rank = ranks[static_cast<std::size_t>(id)];
    for (const NodeId input : graph.node(id).inputs) rank = std::max(rank, behind(input));
    if (layout.branch_offset(id) >= 0)
      result.rank_of_unit.insert(result.rank_of_unit.end(), static_cast<std::size_t>(graph.node(id).op->branch_size()), rank);
  }
  for (const NodeId output : graph.outputs()) result.depth = std::max(result.depth, behind(output));
  return result;
}

Structure find_structure(const Graph& graph, const Layout& layout) {
  Dependences dependences(graph, layout, Question::derivatives);
  Structure structure;
  structure.jacobian = dependences.outputs();
  structure.hessian = dependences.hessian();
  const Pattern by_column = transposed(structure.jacobian);
  structure.jacobian_columns = color_columns(structure.jacobian, by_column);
  structure.jacobian_rows = color_columns(by_column, structure.jacobian);
  structure.is_hub = find_hubs(structure.hessian);
  structure.hessian_columns = color_hessian(structure.hessian, structure.is_hub);
  return structure;
}

}  // namespace fastexpr
