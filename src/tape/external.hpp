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
  /// For every output, a component that is constant piece by piece and moves it while inputs are in this box; empty where there
  /// is none.
  virtual std::vector<std::string> steps(const double* lower, const double* upper) const {
    (void)lower;
    (void)upper;
    return std::vector<std::string>(static_cast<std::size_t>(n_outputs()));
  }

  /// The function at a number of places: at these points, at others, and so on, as a solver asks. What it has computed at the
  /// points of the last call it may use again.
  class Evaluation {
   public:
    virtual ~Evaluation() = default;
    /// x (points, n) -> value (points, m).
    virtual void value(const double* x, double* value) = 0;
    /// -> result (points, size of the entries' array).
    virtual void jacobian(const double* x, double* result) = 0;
    /// weights (points, m) -> result, likewise.
    virtual void hessian(const double* x, const double* weights, double* result) = 0;
    /// Whether something besides the outputs has a weight at this point.
    virtual bool has_further_weights(Index point) const {
      (void)point;
      return false;
    }
  };
  /// order: the highest derivative that will be asked for. The external outlives it.
  virtual std::unique_ptr<Evaluation> evaluation(Index points, int order) const = 0;
};

using ExternalPointer = std::shared_ptr<const External>;

}  // namespace fastexpr::tape
