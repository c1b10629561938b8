#pragma once

#include "graph/operator.hpp"

// One maker per operator: it checks the specification and throws GraphError or ShapeError. registry.cpp lists them by name.

namespace fastexpr {

OperatorPointer make_constant(OperatorSpec spec);
OperatorPointer make_linear(OperatorSpec spec);
OperatorPointer make_tanh(OperatorSpec spec);

}  // namespace fastexpr
