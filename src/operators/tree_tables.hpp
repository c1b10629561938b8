#pragma once

#include "graph/operator.hpp"

// The tables of decision trees, see tree_ensemble.cpp.

namespace fastexpr {

/// A row of the table of nodes. In a leaf, `first` and `second` are the range of its numbers.
struct TreeNode {
  Index mode, first, second, third, goes_yes_on_nan;
};

enum TreeMode : Index { leaf, at_most, below, at_least, above, equal, different, n_modes };

inline const TreeNode* tree_nodes(const OperatorSpec& spec) { return reinterpret_cast<const TreeNode*>(spec.constants[0].data); }

/// Throws GraphError where a walk through the trees could leave the tables or never end.
void check_tree_tables(const OperatorSpec& spec);

}  // namespace fastexpr
