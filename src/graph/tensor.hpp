#pragma once

#include <memory>
#include <vector>

#include "graph/shape.hpp"

namespace fastexpr {

/// A constant array in its own precision, row-major, read-only. Copies share the numbers; `owner` keeps them alive
/// (a NumPy array, a mapped file, a vector).
struct Tensor {
  Precision precision = Precision::float64;
  Shape shape;
  const void* data = nullptr;
  std::shared_ptr<const void> owner;

  Index size() const { return size_of(shape); }
  Index bytes() const { return size() * size_in_bytes(precision); }
  /// Element i widened to double; exact for float32 and for int64 below 2^53.
  double at(Index i) const;
  /// All elements widened to double.
  std::vector<double> widened() const;
  /// All elements of an int64 tensor; throws GraphError for another precision.
  std::vector<Index> integers() const;
};

/// A tensor that owns a copy of these numbers.
Tensor make_tensor(Shape shape, std::vector<double> numbers);
Tensor make_tensor(Shape shape, std::vector<Index> numbers);

}  // namespace fastexpr
