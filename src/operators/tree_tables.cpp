#include "operators/tree_tables.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "graph/errors.hpp"
#include "graph/rows.hpp"

namespace fastexpr {

namespace {

[[noreturn]] void refuse_node(Index place, const std::string& what) {
  refuse("node " + std::to_string(place) + " " + what + ". The table is damaged.");
}

void check_constants(const OperatorSpec& spec) {
  const std::vector<Tensor>& tables = spec.constants;
  if (tables.size() != 5) refuse("got " + std::to_string(tables.size()) + " constants, expected 5.");
  const Index n_nodes = tables[1].size();
  const bool are_integers = tables[0].precision == Precision::int64 && tables[2].precision == Precision::int64 &&
                            tables[4].precision == Precision::int64;
  const bool are_floats = tables[1].precision != Precision::int64 && tables[3].precision != Precision::int64;
  if (!are_integers || !are_floats || tables[0].shape != Shape{n_nodes, 5} || tables[2].size() != tables[3].size())
    refuse(
        "the tables do not fit together: expected nodes int64 (n, 5), thresholds (n), targets int64 (k), numbers (k), "
        "roots int64.");
}

void check_roots(const OperatorSpec& spec) {
  const std::vector<Index> roots = spec.constants[4].integers();
  Index previous = -1;
  for (const Index root : roots) {
    if (root <= previous || root >= spec.constants[1].size()) refuse_node(root, "cannot be the root of the next tree");
    previous = root;
  }
  if (roots.empty() || roots[0] != 0) refuse("the first root must be node 0.");
}

void check_nodes(const OperatorSpec& spec, Index n_features) {
  const TreeNode* nodes = tree_nodes(spec);
  const std::vector<double> thresholds = spec.constants[1].widened();
  std::vector<Index> ends = spec.constants[4].integers();
  const Index n_nodes = spec.constants[1].size();
  ends.push_back(n_nodes);
  std::size_t tree = 0;
  for (Index place = 0; place < n_nodes; ++place) {
    if (place == ends[tree + 1]) ++tree;
    const TreeNode& node = nodes[place];
    if (node.mode < leaf || node.mode >= n_modes) refuse_node(place, "has the unknown mode " + std::to_string(node.mode));
    if (node.mode == leaf) continue;
    const Index end = ends[tree + 1];
    if (node.first < 0 || node.first >= n_features)
      refuse_node(place, "tests feature " + std::to_string(node.first) + " of " + std::to_string(n_features));
    if (node.second <= place || node.second >= end || node.third <= place || node.third >= end)
      refuse_node(place, "leads to nodes that do not stand behind it in its tree");
    if (std::isnan(thresholds[static_cast<std::size_t>(place)])) refuse_node(place, "has the threshold nan");
  }
}

void check_leaves(const OperatorSpec& spec, Index n_targets) {
  const TreeNode* nodes = tree_nodes(spec);
  const std::vector<Index> targets = spec.constants[2].integers();
  const Index n_numbers = spec.constants[3].size();
  for (Index place = 0; place < spec.constants[1].size(); ++place) {
    const TreeNode& node = nodes[place];
    if (node.mode != leaf) continue;
    if (node.first < 0 || node.second < node.first || node.second > n_numbers)
      refuse_node(place, "names numbers that do not exist");
    Index previous = -1;
    for (Index j = node.first; j < node.second; ++j) {
      const Index target = targets[static_cast<std::size_t>(j)];
      if (target <= previous || target >= n_targets)
        refuse_node(place, "names target " + std::to_string(target) + " of " + std::to_string(n_targets));
      previous = target;
    }
  }
  if (!rows::are_finite(spec.constants[3].widened().data(), n_numbers)) refuse("a number of a leaf is not finite.");
}

}  // namespace

void check_tree_tables(const OperatorSpec& spec) {
  const Shape& input = spec.input_shapes[0];
  if (input.empty()) refuse("got an input of shape " + to_string(input) + ", expected (rows, features).");
  const Index n_targets = spec.attributes.integer("n_targets");
  if (n_targets < 1) refuse("n_targets: got " + std::to_string(n_targets) + ", expected at least 1.");
  const std::string& aggregate = spec.attributes.text("aggregate");
  if (aggregate != "sum" && aggregate != "mean" && aggregate != "min" && aggregate != "max")
    refuse("aggregate: got '" + aggregate + "', expected sum, mean, min or max.");
  check_constants(spec);
  check_roots(spec);
  check_nodes(spec, input.back());
  check_leaves(spec, n_targets);
}

}  // namespace fastexpr
