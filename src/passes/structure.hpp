#pragma once

#include <vector>

#include "passes/layout.hpp"

namespace fastexpr {

/// Positions of the entries that can be nonzero, row by row, columns ascending (CSR).
struct Pattern {
  Index rows = 0;
  Index columns = 0;
  std::vector<Index> starts;          // rows + 1
  std::vector<std::int32_t> indices;  // column of each entry

  Index n_entries() const { return static_cast<Index>(indices.size()); }
};

/// A colour for every column (or row) such that two of one colour never meet in a row (column): one pass with the sum of their
/// directions tells them apart (Curtis, Powell and Reid 1974).
struct Coloring {
  std::vector<std::int32_t> colors;
  Index n_colors = 0;
};

/// What is known of the derivatives before any number is: found once per function, from how units depend on x.
struct Structure {
  Pattern jacobian;  // (m, n)
  Pattern hessian;   // (n, n), symmetric, of any combination of the outputs
  Coloring jacobian_columns;
  Coloring jacobian_rows;
  Coloring hessian_columns;
  std::vector<bool> is_hub;  // columns of the Hessian with a colour of their own: their rows are read from them
};

/// What is known of the kinked units, numbered by the layout, before any number is.
struct KinkStructure {
  std::vector<std::vector<std::int32_t>> sets;  // of components of x, each once
  std::vector<std::int32_t> set_of_unit;        // what arguments of its walls depend on
  std::vector<std::int32_t> rank_of_unit;       // above those of all kinked units that they depend on
  std::int32_t depth = 0;                       // above the rank of every unit that an output depends on
};

/// Colours for the columns of a pattern.
Coloring color_columns(const Pattern& pattern);

/// For every output unit, a step (see Operator::is_step) that jumps within the box of x (n) and moves its value, other than as a
/// condition that selects between values with derivatives; -1 where there is none.
std::vector<NodeId> find_steps(const Graph& graph, const Layout& layout, const Interval* x);

/// Which components of x (columns) the value of each output (row) depends on, with a derivative or without.
Pattern find_influence(const Graph& graph, const Layout& layout);

KinkStructure find_kink_structure(const Graph& graph, const Layout& layout);

Structure find_structure(const Graph& graph, const Layout& layout);

}  // namespace fastexpr
