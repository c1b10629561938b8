#pragma once

#include "function/function.hpp"
#include "tape/external.hpp"

namespace fastexpr::nlp {

/// A network as an external function of the tape: all its places in the model are one batch.
class Network : public tape::External {
 public:
  explicit Network(std::shared_ptr<const Function> function) : function_(std::move(function)) {}

  Index n_inputs() const override { return function_->n_inputs(); }
  Index n_outputs() const override { return function_->n_outputs(); }
  Positions jacobian_positions() const override { return positions(function_->structure().jacobian, false); }
  Positions hessian_positions() const override { return positions(function_->structure().hessian, true); }

  void value(Index points, const double* x, double* value) const override {
    Request request;
    request.points = points;
    request.x = x;
    request.value = value;
    function_->evaluate(request);
  }
  void jacobian(Index points, const double* x, double* jacobian) const override {
    Request request;
    request.points = points;
    request.x = x;
    request.jacobian = jacobian;
    function_->evaluate(request);
  }
  void hessian(Index points, const double* x, const double* weights, double* hessian) const override {
    Request request;
    request.points = points;
    request.x = x;
    request.weights = weights;
    request.hessian = hessian;
    function_->evaluate(request);
  }

 private:
  static Positions positions(const Pattern& pattern, bool is_lower_only) {
    Positions result;
    for (Index row = 0; row < pattern.rows; ++row)
      for (Index e = pattern.starts[static_cast<std::size_t>(row)]; e < pattern.starts[static_cast<std::size_t>(row) + 1]; ++e)
        if (const std::int32_t column = pattern.indices[static_cast<std::size_t>(e)]; !is_lower_only || column <= row)
          result.emplace_back(static_cast<std::int32_t>(row), column);
    return result;
  }

  std::shared_ptr<const Function> function_;
};

}  // namespace fastexpr::nlp
