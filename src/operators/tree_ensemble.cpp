// Decision trees: every tree leads a row of features to one leaf, and what the leaves say about a target is put together.
//   u (..., features) -> v (..., targets);  v_t = sum, mean, min or max over the trees of the leaf's number for target t
// A piecewise constant function: its derivatives are 0.
//   attributes: n_targets; aggregate ("sum", "mean", "min", "max": over the leaves that name the target, 0 where none does)
//   constants: nodes int64 (n, 5), thresholds (n), targets int64 (k), numbers (k), roots int64 (trees)
// A node is {mode, feature, yes, no, where NaN goes}: its test is "u[feature] <mode> threshold", and it leads to the node `yes`
// or `no` of the same tree, which stands behind it, so that every walk ends. A leaf is {0, first, last, 0, 0}: it says
// numbers[j] about targets[j], which ascend, for first <= j < last. The nodes of a tree are those from its root to the next.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "graph/rows.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"
#include "operators/tree_tables.hpp"

namespace fastexpr {

namespace {

enum class Aggregate { sum, mean, min, max };

bool test(Index mode, double u, double threshold) {
  switch (mode) {
    case at_most:
      return u <= threshold;
    case below:
      return u < threshold;
    case at_least:
      return u >= threshold;
    case above:
      return u > threshold;
    case equal:
      return u == threshold;
    default:
      return u != threshold;
  }
}

/// Whether some number in the interval passes the test.
bool can_pass(Index mode, Interval u, double threshold) {
  switch (mode) {
    case at_most:
      return u.lower <= threshold;
    case below:
      return u.lower < threshold;
    case at_least:
      return u.upper >= threshold;
    case above:
      return u.upper > threshold;
    case equal:
      return interval::contains(u, threshold);
    default:
      return u.lower != threshold || u.upper != threshold;
  }
}

Index opposite(Index mode) {
  constexpr Index opposites[] = {leaf, above, at_least, below, at_most, different, equal};
  return opposites[mode];
}

class TreeEnsemble final : public Operator {
 public:
  explicit TreeEnsemble(const OperatorSpec& spec)
      : Operator(spec, checked_shape(spec)),
        n_features_(spec.input_shapes[0].back()),
        n_targets_(spec.attributes.integer("n_targets")),
        aggregate_(aggregate_of(spec.attributes.text("aggregate"))),
        nodes_(tree_nodes(this->spec())),
        thresholds_(spec.constants[1].widened()),
        targets_(spec.constants[2].integers()),
        numbers_(spec.constants[3].widened()),
        roots_(spec.constants[4].integers()) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    const double start = aggregate_ == Aggregate::min   ? interval::infinity
                         : aggregate_ == Aggregate::max ? -interval::infinity
                                                        : 0.0;
    std::fill(output, output + size() * points, start);
    for (Index row = 0; row < n_rows(); ++row)
      for (const Index root : roots_)
        for (Index p = 0; p < points; ++p) {
          const TreeNode& found = leaf_of(root, inputs[0] + row * n_features_ * points + p, points);
          collect(found, output + row * n_targets_ * points + p, points);
        }
    finish(output, size() * points);
  }

  bool heeds_annihilation() const override { return true; }

  void tangent(const Point& at, const double* const*, double* output_tangent, Index columns) const override {
    rows::fill_zero(output_tangent, size() * at.points * columns);
  }

  void adjoint(const Point&, const double*, double* const*, Index) const override {}

  bool is_affine(const std::vector<bool>&) const override { return true; }

  Index work() const override { return 16 * n_rows() * static_cast<Index>(roots_.size()); }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index row = 0; row < n_rows(); ++row) {
      Interval* bound = output + row * n_targets_;
      if (interval::is_any_nan(inputs[0] + row * n_features_, n_features_, 1)) {
        std::fill_n(bound, n_targets_, interval::may_be_nan);
        continue;
      }
      const std::vector<bool> can_be_reached = reachable(inputs[0] + row * n_features_);
      std::vector<Said> all(static_cast<std::size_t>(n_targets_), start_of_bounds());
      for (std::size_t tree = 0; tree < roots_.size(); ++tree) add_tree(can_be_reached, tree, all);
      for (std::size_t target = 0; target < all.size(); ++target) bound[target] = finished(all[target]);
    }
  }

  bool is_step() const override { return true; }

  std::string note() const override {
    return "has decision trees, whose value is constant piece by piece: their derivatives are 0, and a gradient-based solver "
           "will "
           "not move what only they depend on.";
  }

  void influence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    std::vector<bool> is_tested(static_cast<std::size_t>(n_features_), false);
    for (std::size_t place = 0; place < thresholds_.size(); ++place)
      if (nodes_[place].mode != leaf) is_tested[static_cast<std::size_t>(nodes_[place].first)] = true;
    for (Index row = 0; row < n_rows(); ++row) {
      std::vector<DependenceSets::Id> tested;
      for (Index feature = 0; feature < n_features_; ++feature)
        if (is_tested[static_cast<std::size_t>(feature)]) tested.push_back(inputs[0][row * n_features_ + feature]);
      std::fill_n(output + row * n_targets_, n_targets_, sets.unite(std::move(tested)));
    }
  }

  void dependence(DependenceSets&, const DependenceSets::Id* const*, DependenceSets::Id* output) const override {
    std::fill(output, output + size(), DependenceSets::empty);
  }

 private:
  static Shape checked_shape(const OperatorSpec& spec) {
    expect_inputs(spec, 1);
    check_tree_tables(spec);
    Shape shape = spec.input_shapes[0];
    shape.back() = spec.attributes.integer("n_targets");
    return shape;
  }

  static Aggregate aggregate_of(const std::string& name) {
    return name == "min" ? Aggregate::min : name == "max" ? Aggregate::max : name == "mean" ? Aggregate::mean : Aggregate::sum;
  }

  Index n_rows() const { return size() / n_targets_; }

  const TreeNode& leaf_of(Index root, const double* row, Index points) const {
    Index place = root;
    while (nodes_[place].mode != leaf) {
      const TreeNode& node = nodes_[place];
      const double u = row[node.first * points];
      const bool is_yes = std::isnan(u) ? node.goes_yes_on_nan != 0 : test(node.mode, u, threshold(place));
      place = is_yes ? node.second : node.third;
    }
    return nodes_[place];
  }

  void collect(const TreeNode& found, double* output, Index points) const {
    for (Index j = found.first; j < found.second; ++j) {
      double& total = output[targets_[static_cast<std::size_t>(j)] * points];
      const double number = numbers_[static_cast<std::size_t>(j)];
      total = aggregate_ == Aggregate::min   ? std::min(total, number)
              : aggregate_ == Aggregate::max ? std::max(total, number)
                                             : total + number;
    }
  }

  void finish(double* output, Index count) const {
    if (aggregate_ == Aggregate::mean)
      for (Index i = 0; i < count; ++i) output[i] /= static_cast<double>(roots_.size());
    if (aggregate_ == Aggregate::min || aggregate_ == Aggregate::max)
      for (Index i = 0; i < count; ++i) output[i] = std::isinf(output[i]) ? 0.0 : output[i];
  }

  double threshold(Index place) const { return thresholds_[static_cast<std::size_t>(place)]; }

  /// Which nodes a row in these intervals can come to. Nodes stand behind those that lead to them.
  std::vector<bool> reachable(const Interval* row) const {
    std::vector<bool> can_be_reached(thresholds_.size(), false);
    for (const Index root : roots_) can_be_reached[static_cast<std::size_t>(root)] = true;
    for (std::size_t place = 0; place < thresholds_.size(); ++place) {
      const TreeNode& node = nodes_[place];
      if (!can_be_reached[place] || node.mode == leaf) continue;
      const Interval u = row[node.first];
      if (can_pass(node.mode, u, thresholds_[place])) can_be_reached[static_cast<std::size_t>(node.second)] = true;
      if (can_pass(opposite(node.mode), u, thresholds_[place])) can_be_reached[static_cast<std::size_t>(node.third)] = true;
    }
    return can_be_reached;
  }

  /// What trees may say about a target, and whether they say anything for certain.
  struct Said {
    Interval number;
    bool is_certain;
  };

  Said start_of_bounds() const {
    return {aggregate_ == Aggregate::min || aggregate_ == Aggregate::max ? Interval{interval::infinity, -interval::infinity}
                                                                         : Interval{0, 0},
            false};
  }

  /// Joins what the leaves of one tree that can be reached say into what those before it do.
  void add_tree(const std::vector<bool>& can_be_reached, std::size_t tree, std::vector<Said>& all) const {
    const std::size_t first = static_cast<std::size_t>(roots_[tree]);
    const std::size_t last = tree + 1 < roots_.size() ? static_cast<std::size_t>(roots_[tree + 1]) : thresholds_.size();
    std::vector<Interval> said(all.size(), {interval::infinity, -interval::infinity});
    std::vector<Index> n_leaves(all.size(), 0);
    Index n_reached = 0;
    for (std::size_t place = first; place < last; ++place) {
      const TreeNode& node = nodes_[place];
      if (!can_be_reached[place] || node.mode != leaf) continue;
      ++n_reached;
      for (Index j = node.first; j < node.second; ++j) {
        const auto target = static_cast<std::size_t>(targets_[static_cast<std::size_t>(j)]);
        said[target] = hull(said[target], numbers_[static_cast<std::size_t>(j)]);
        ++n_leaves[target];
      }
    }
    for (std::size_t target = 0; target < all.size(); ++target)
      if (n_leaves[target] > 0) join(all[target], {said[target], n_leaves[target] == n_reached});
  }

  static Interval hull(Interval a, double number) { return {std::min(a.lower, number), std::max(a.upper, number)}; }

  /// Where a tree may be silent, a sum may be that of the others.
  void join(Said& all, Said tree) const {
    if (aggregate_ == Aggregate::sum || aggregate_ == Aggregate::mean) {
      const Interval term = tree.is_certain ? tree.number : hull(tree.number, 0.0);
      all.number = interval::add(all.number, term);
      return;
    }
    const bool is_both = all.is_certain && tree.is_certain;
    Interval together = hull(hull(all.number, tree.number.lower), tree.number.upper);
    if (aggregate_ == Aggregate::min && is_both) together.upper = std::min(all.number.upper, tree.number.upper);
    if (aggregate_ == Aggregate::min && !is_both && all.is_certain) together.upper = all.number.upper;
    if (aggregate_ == Aggregate::min && !is_both && tree.is_certain) together.upper = tree.number.upper;
    if (aggregate_ == Aggregate::max && is_both) together.lower = std::max(all.number.lower, tree.number.lower);
    if (aggregate_ == Aggregate::max && !is_both && all.is_certain) together.lower = all.number.lower;
    if (aggregate_ == Aggregate::max && !is_both && tree.is_certain) together.lower = tree.number.lower;
    all = {together, all.is_certain || tree.is_certain};
  }

  Interval finished(Said all) const {
    const auto count = static_cast<double>(roots_.size());
    if (aggregate_ == Aggregate::sum) return all.number;
    if (aggregate_ == Aggregate::mean) return interval::widened({all.number.lower / count, all.number.upper / count}, 2);
    return all.is_certain ? all.number : hull(all.number.lower > all.number.upper ? Interval{0, 0} : all.number, 0.0);
  }

  Index n_features_;
  Index n_targets_;
  Aggregate aggregate_;
  const TreeNode* nodes_;  // the constant's own numbers
  std::vector<double> thresholds_;
  std::vector<Index> targets_;
  std::vector<double> numbers_;
  std::vector<Index> roots_;
};

const Registered<TreeEnsemble> tree_ensemble("TreeEnsemble");

}  // namespace

}  // namespace fastexpr
