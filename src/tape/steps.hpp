#pragma once

#include <string>
#include <vector>

#include "tape/tape.hpp"

namespace fastexpr::tape {

/// Whether anything on the tape could be constant piece by piece: rounding, conditions, networks with such parts.
bool has_steps(const Tape& tape);

/// For every root, what it depends on through the free variables and is constant piece by piece; empty where there is nothing.
/// A condition that selects between values with derivatives is none. Only the model's own `n_nodes` are looked at.
std::vector<std::string> find_steps(const Tape& tape, const std::vector<Scaled>& roots, Index n_nodes,
                                    const std::vector<bool>& is_free);

}  // namespace fastexpr::tape
