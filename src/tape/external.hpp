#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "linalg/matrix.hpp"

namespace fastexpr::tape {

/// A function of several numbers that is no algebra of the tape's: a network, or a foreign function. Evaluated at many places of
/// the model in one call. All arrays row-major.
class External {
 public:
  using Positions = std::vector<std::pair<std::int32_t, std::int32_t>>;

  virtual ~External() = default;
  virtual Index n_inputs() const = 0;
  virtual Index n_outputs() const = 0;
  /// (output, input) of the first derivatives that can be nonzero.
  virtual Positions jacobian_positions() const = 0;
  /// (i, j), j <= i, of the second derivatives that can be nonzero, of any combination of the outputs.
  virtual Positions hessian_positions() const = 0;

  /// x (points, n) -> value (points, m).
  virtual void value(Index points, const double* x, double* value) const = 0;
  /// -> jacobian (points, m, n).
  virtual void jacobian(Index points, const double* x, double* jacobian) const = 0;
  /// weights (points, m) -> hessian (points, n, n).
  virtual void hessian(Index points, const double* x, const double* weights, double* hessian) const = 0;
};

using ExternalPointer = std::shared_ptr<const External>;

}  // namespace fastexpr::tape
