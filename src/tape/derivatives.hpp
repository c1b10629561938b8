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

/// The second derivatives of L = sum_i weight(i) * roots[i]. What is dense in many variables stays together, so that there are no
/// nodes for each of its entries: with z the hubs, nodes that many variables enter and that L is curved in, G = dz/dx, and y_c
/// the outputs of a call at variables,
///   H = W_xx + W_xz G + (W_xz G)' + G' W_zz G + sum_c (Hessian of weights'y_c).
struct LagrangianHessian {
  struct Coupling {
    std::int32_t first;   // a variable or a hub
    std::int32_t second;  // a hub, not after the first one where both are
    Scaled weight;        // stands for the pair in both orders; that of a hub with itself once
  };
  SymbolicMatrix entries;  // W_xx, the lower triangle
  SymbolicMatrix hubs;     // G, a row a hub
  std::vector<Coupling> with_variables;
  std::vector<Coupling> among_hubs;
  std::vector<Index> calls;  // whose inputs are variables, or do not vary; their weights are set
};

/// By edge pushing (Gower and Mello, "A new framework for the computation of Hessians", 2012), once, on symbols.
LagrangianHessian lagrangian_hessian(Tape& tape, Partials& partials, const std::vector<Scaled>& roots);

}  // namespace fastexpr::tape
