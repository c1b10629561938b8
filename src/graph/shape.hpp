#pragma once

#include <string>
#include <vector>

#include "linalg/matrix.hpp"

namespace fastexpr {

using Shape = std::vector<Index>;

/// Number of elements; throws ShapeError on a negative dimension or more than 2^40 elements.
Index size_of(const Shape& shape);

/// "(1, 4)", as Python prints a tuple.
std::string to_string(const Shape& shape);

/// NumPy broadcasting of two shapes; throws ShapeError naming both.
Shape broadcast(const Shape& a, const Shape& b);

}  // namespace fastexpr
