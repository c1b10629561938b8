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

/// Which nodes may have no influence at a point where their derivatives are NaN: they are inside a branch of a `select` that is
/// not taken, or have a fixed factor that is 0.
std::vector<bool> find_conditional(const Tape& tape);

/// Row i: the derivatives of roots[i]. Each root is differentiated backwards; a node that several of them use is differentiated
/// once, as a root of its own, and enters theirs by the chain rule. So the work is linear in the nodes and the entries.
SymbolicMatrix gradients(Tape& tape, Partials& partials, const std::vector<Scaled>& roots, const std::vector<bool>& conditional);

/// The lower triangle of the second derivatives of sum_i weight(i) * roots[i]: edge pushing (Gower and Mello, "A new framework
/// for the computation of Hessians", 2012), once, on symbols.
SymbolicMatrix lagrangian_hessian(Tape& tape, Partials& partials, const std::vector<Scaled>& roots,
                                  const std::vector<bool>& conditional);

}  // namespace fastexpr::tape
