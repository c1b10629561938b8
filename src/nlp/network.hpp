#pragma once

#include <limits>
#include <string>

#include "function/evaluation.hpp"
#include "graph/errors.hpp"
#include "tape/external.hpp"

namespace fastexpr::nlp {

/// A network as an external function of the tape: all its places in the model are one batch.
class Network : public tape::External {
 public:
  explicit Network(std::shared_ptr<const Function> function) : function_(std::move(function)) {}

  Index n_inputs() const override { return function_->n_inputs(); }
  Index n_outputs() const override { return function_->n_outputs(); }
  Entries jacobian_entries() const override { return entries(function_->structure().jacobian, false); }
  Entries hessian_entries() const override { return entries(function_->structure().hessian, true); }
  std::vector<std::string> steps(const double* lower, const double* upper) const override {
    std::vector<Interval> x;
    for (Index i = 0; i < n_inputs(); ++i) x.push_back({lower[i], upper[i]});
    return function_->steps(x.data());
  }

  const std::shared_ptr<const Function>& function() const { return function_; }

  /// A network at its places.
  class Evaluation final : public External::Evaluation {
   public:
    Evaluation(const std::shared_ptr<const Function>& function, Index points, int order, bool has_sparse_jacobian,
               bool has_sparse_hessian)
        : evaluation_(function, points, order, has_sparse_jacobian, has_sparse_hessian) {}

    void value(const double* x, double* value) override {
      evaluation_.move_to(x);
      evaluation_.value(value);
    }
    void jacobian(const double* x, double* result) override {
      evaluation_.move_to(x);
      evaluation_.jacobian(result);
    }
    void hessian(const double* x, const double* weights, double* result) override {
      evaluation_.move_to(x);
      evaluation_.hessian(weights, result);
    }

    bool has_further_weights(Index point) const override { return evaluation_.has_wall_weights(point); }

    /// What no other external function has.
    fastexpr::Evaluation& cells() { return evaluation_; }

   private:
    fastexpr::Evaluation evaluation_;
  };

  std::unique_ptr<External::Evaluation> evaluation(Index points, int order) const override {
    const bool has_sparse_jacobian = order >= 1 && is_sparse(function_->structure().jacobian);
    const bool has_sparse_hessian = order >= 2 && is_sparse(function_->structure().hessian);
    return std::make_unique<Evaluation>(function_, points, order, has_sparse_jacobian, has_sparse_hessian);
  }

 private:
  /// Whether the entries alone are stored: point by point, where a dense array would be mostly zeros.
  static bool is_sparse(const Pattern& pattern) { return 4 * pattern.n_entries() < pattern.rows * pattern.columns; }

  static Entries entries(const Pattern& pattern, bool is_lower_only) {
    Entries result;
    result.size = is_sparse(pattern) ? pattern.n_entries() : pattern.rows * pattern.columns;
    if (result.size > std::numeric_limits<std::int32_t>::max())
      throw GraphError("a network has too many derivatives: got " + std::to_string(pattern.rows) + " x " +
                       std::to_string(pattern.columns) + ", expected less than 2^31.");
    for (Index row = 0; row < pattern.rows; ++row) {
      const auto begin = pattern.starts[static_cast<std::size_t>(row)], end = pattern.starts[static_cast<std::size_t>(row) + 1];
      for (Index e = begin; e < end; ++e) {
        const std::int32_t column = pattern.indices[static_cast<std::size_t>(e)];
        const Index place = is_sparse(pattern) ? e : row * pattern.columns + column;
        if (is_lower_only && column > row) continue;
        result.entries.push_back({static_cast<std::int32_t>(row), column, static_cast<std::int32_t>(place)});
      }
    }
    return result;
  }

  std::shared_ptr<const Function> function_;
};

}  // namespace fastexpr::nlp
