#pragma once

#include <string>
#include <vector>

#include "tape/tape.hpp"

namespace fastexpr::tape {

/// Whether anything on the tape could be constant piece by piece: rounding, conditions, networks with such parts.
bool has_steps(const Tape& tape);

/// For every root, what is constant piece by piece and moves it while the variables are in this box, under these parameters;
/// empty where there is nothing. A condition that selects between values with derivatives is none. Only the model's own
/// `n_nodes` are looked at.
std::vector<std::string> find_steps(const Tape& tape, const std::vector<Scaled>& roots, Index n_nodes, const double* lower,
                                    const double* upper, const double* parameters);

}  // namespace fastexpr::tape
