#pragma once

#include <vector>

#include "tape/partials.hpp"

namespace fastexpr::tape {

/// A sparse matrix whose entries are nodes: entries [starts[i], starts[i + 1]) are row i's, columns ascending.
struct SymbolicMatrix {
  std::vector<Index> starts;
  std::vector<std::int32_t> columns;  // variables
  std::vector<Scaled> entries;
};

/// Row i: the derivatives of roots[i], backwards. Where roots share much, a node that several of them use is differentiated once,
/// as a root of its own, and enters theirs by the chain rule.
SymbolicMatrix gradients(Tape& tape, Partials& partials, const std::vector<Scaled>& roots);

/// The lower triangle of the second derivatives of sum_i weight(i) * roots[i]: edge pushing (Gower and Mello, "A new framework
/// for the computation of Hessians", 2012), once, on symbols.
SymbolicMatrix lagrangian_hessian(Tape& tape, Partials& partials, const std::vector<Scaled>& roots);

}  // namespace fastexpr::tape
