#include "ampl/instance.hpp"

#include <algorithm>
#include <cstring>

#include "ampl/statistics.hpp"

namespace fastexpr::ampl {

namespace {

constexpr Index packed_size(Index n) { return n * (n + 1) / 2; }

template <typename T>
std::int64_t bytes_of(const std::vector<T>& numbers) {
  return static_cast<std::int64_t>(numbers.capacity() * sizeof(T));
}

}  // namespace

Instance::~Instance() { statistics().bytes -= accounted_bytes_; }

bool Instance::answer(const Query& query, std::int64_t use, double& value) {
  const std::lock_guard lock(mutex_);
  last_use_ = use;
  const Index n = network_->function().n_inputs();
  const bool is_new = !is_at(query.x);
  if (is_new && network_->was_replaced()) return false;
  if (is_new) x_.clear();  // until the evaluation has succeeded, nothing is known
  const auto output = static_cast<std::size_t>(query.output);
  if (query.hessian) {
    wants_hessian_.resize(static_cast<std::size_t>(network_->function().n_outputs()));
    wants_hessian_[output] = true;
  }
  if (is_new || (query.hessian && !has_hessian_[output])) evaluate(query.x, query.hessian != nullptr);
  value = value_[output];
  if (query.derivatives) std::copy_n(jacobian_.data() + query.output * n, n, query.derivatives);
  if (query.hessian) std::copy_n(hessians_[output].data(), packed_size(n), query.hessian);
  return true;
}

/// Bit by bit: -0.0 and 0.0 are different points, and a NaN equals itself.
bool Instance::is_at(const double* x) const { return !x_.empty() && std::memcmp(x_.data(), x, x_.size() * sizeof(double)) == 0; }

void Instance::evaluate(const double* x, bool with_hessians) {
  const Function& function = network_->function();
  const auto n = static_cast<std::size_t>(function.n_inputs());
  const auto m = static_cast<std::size_t>(function.n_outputs());
  const bool is_new = x_.empty();
  Request request;
  request.x = x;
  if (is_new) {
    has_hessian_.assign(m, false);
    value_.resize(m);
    jacobian_.resize(m * n);
    request.value = value_.data();
    request.jacobian = jacobian_.data();
  }
  std::vector<Index> outputs;
  for (std::size_t k = 0; with_hessians && k < m; ++k)
    if (wants_hessian_[k] && !has_hessian_[k]) outputs.push_back(static_cast<Index>(k));
  const std::vector<double> weights = unit_weights(outputs);
  std::vector<double> hessians(outputs.size() * n * n);
  if (!outputs.empty()) {
    request.weights = weights.data();
    request.weightings = static_cast<Index>(outputs.size());
    request.hessian = hessians.data();
  }
  function.evaluate(request);
  keep_hessians(outputs, hessians);
  x_.assign(x, x + n);
  account();
  if (is_new) ++statistics().evaluations;
  if (!outputs.empty()) ++statistics().hessian_evaluations;
  statistics().hessians += static_cast<std::int64_t>(outputs.size());
}

/// One row of weights per output that picks it alone: (outputs, m).
std::vector<double> Instance::unit_weights(const std::vector<Index>& outputs) const {
  const Index m = network_->function().n_outputs();
  std::vector<double> weights(outputs.size() * static_cast<std::size_t>(m), 0.0);
  for (std::size_t row = 0; row < outputs.size(); ++row)
    weights[row * static_cast<std::size_t>(m) + static_cast<std::size_t>(outputs[row])] = 1.0;
  return weights;
}

/// The upper triangle packed by columns is the lower one packed by rows: the beginnings of the rows, one after the other.
void Instance::keep_hessians(const std::vector<Index>& outputs, const std::vector<double>& hessians) {
  const Index n = network_->function().n_inputs();
  hessians_.resize(has_hessian_.size());
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const auto output = static_cast<std::size_t>(outputs[k]);
    hessians_[output].resize(static_cast<std::size_t>(packed_size(n)));
    const double* row = hessians.data() + static_cast<Index>(k) * n * n;
    double* packed = hessians_[output].data();
    for (Index j = 0; j < n; ++j, row += n, packed += j) std::copy_n(row, j + 1, packed);
    has_hessian_[output] = true;
  }
}

/// Tells the process-wide count of bytes what this instance holds now.
void Instance::account() {
  std::int64_t bytes = static_cast<std::int64_t>(sizeof(Instance)) + bytes_of(x_) + bytes_of(value_) + bytes_of(jacobian_);
  for (const auto& hessian : hessians_) bytes += bytes_of(hessian);
  statistics().bytes += bytes - accounted_bytes_;
  accounted_bytes_ = bytes;
}

}  // namespace fastexpr::ampl
