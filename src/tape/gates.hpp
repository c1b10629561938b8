#pragma once

#include <vector>

#include "tape/tape.hpp"

namespace fastexpr::tape {

/// For each node that is there, whether it counts at a point: a number of the tape, 1 or 0; the constant 1 for nodes outside of
/// branches. A node inside a branch of a `select` that is not taken has no influence, and its derivatives may be NaN: 0 is
/// put in their place. (0 times NaN would be NaN, and taking 0 for that would hide a true 0 times infinity.)
std::vector<Scaled> find_gates(Tape& tape, const std::vector<Scaled>& roots);

/// 1 where one of two gates is.
Scaled either(Tape& tape, Scaled a, Scaled b);

/// `number` where the gate is 1, else 0.
Scaled gated(Tape& tape, Scaled gate, Scaled number);

}  // namespace fastexpr::tape
