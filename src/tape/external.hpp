#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "linalg/matrix.hpp"

namespace fastexpr::tape {

/// A function of several numbers that is no algebra of the tape's: a network, or a foreign function. Evaluated at many places of
/// the model in one call.
class External {
 public:
  /// A derivative that can be nonzero: d output_row / d input_column, or with respect to inputs row and column <= row.
  struct Entry {
    std::int32_t row;
    std::int32_t column;
    std::int32_t place;  // in the array of one point
  };
  struct Entries {
    std::vector<Entry> entries;  // ascending by row
    Index size = 0;              // of the array of one point
  };

  virtual ~External() = default;
  virtual Index n_inputs() const = 0;
  virtual Index n_outputs() const = 0;
  virtual Entries jacobian_entries() const = 0;
  /// Of any combination of the outputs.
  virtual Entries hessian_entries() const = 0;
  /// For every output, a component that is constant piece by piece and through which it depends on these inputs; empty where
  /// there is none.
  virtual std::vector<std::string> steps(const std::vector<bool>& is_free) const {
    (void)is_free;
    return std::vector<std::string>(static_cast<std::size_t>(n_outputs()));
  }

  /// x (points, n) -> value (points, m).
  virtual void value(Index points, const double* x, double* value) const = 0;
  /// -> result (points, size of the entries' array).
  virtual void jacobian(Index points, const double* x, double* result) const = 0;
  /// weights (points, m) -> result, likewise.
  virtual void hessian(Index points, const double* x, const double* weights, double* result) const = 0;
};

using ExternalPointer = std::shared_ptr<const External>;

}  // namespace fastexpr::tape
