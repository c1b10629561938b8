#pragma once

#include <vector>

#include "graph/operator.hpp"

namespace fastexpr {

/// The operator of this name for these shapes. Throws GraphError (unknown name: lists the known ones; a bad attribute) or
/// ShapeError.
OperatorPointer make_operator(OperatorSpec spec);

/// Names of all operators, sorted.
std::vector<std::string> operator_names();

}  // namespace fastexpr
