#pragma once

#include "operators/elementwise.hpp"

namespace fastexpr {

/// Functions with a gate min(max(h, 0), 1), h = alpha u + beta: kinks at h = 0 and h = 1, between them branch 1. Branches count
/// from the left.
class HardGate : public Elementwise {
 public:
  explicit HardGate(const OperatorSpec& spec)
      : Elementwise(spec), alpha_(finite_number(spec, "alpha")), beta_(finite_number(spec, "beta")) {}

  std::vector<double> kinks() const final {
    return alpha_ == 0 ? std::vector<double>{} : std::vector<double>{-beta_ / alpha_, (1.0 - beta_) / alpha_};
  }

 protected:
  double h(double u) const { return alpha_ * u + beta_; }

  Branch branch_of(double u) const final {
    const Branch rising = h(u) <= 0 ? 0 : (h(u) >= 1 ? 2 : 1);
    return alpha_ > 0 ? rising : 2 - rising;
  }

  /// Whether the gate is open on a branch other than 1.
  bool is_open(Branch branch) const { return (branch == 2) == (alpha_ > 0); }

  double alpha_, beta_;
};

}  // namespace fastexpr
