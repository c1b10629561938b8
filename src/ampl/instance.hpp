#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "ampl/loaded_network.hpp"

namespace fastexpr::ampl {

/// One call of the external function: an output of a network at a point, with the derivatives the host wants.
struct Query {
  Index output;
  const double* x;      // (n,)
  double* derivatives;  // (n,), or null
  double* hessian;      // packed upper triangle (n(n+1)/2,), or null
};

/// A network at one place of a model, and all that is known about it at the point it was last asked for.
///
/// A solver asks for one output at a time: for m outputs and their derivatives it calls m times and more at the same x. The
/// first call at a new x evaluates value and Jacobian of all outputs; the first that wants a Hessian evaluates those of
/// every output a Hessian was ever wanted of. All other calls at that x copy.
/// Calls from several threads wait for each other here, and nowhere else.
class Instance {
 public:
  explicit Instance(std::shared_ptr<const LoadedNetwork> network) : network_(std::move(network)) {}
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const LoadedNetwork& network() const { return *network_; }

  /// Sets `value` and fills the query's arrays. False, and nothing done, where the point is new and the network's file was
  /// replaced since it was loaded. `use` counts the calls of the process: the instance remembers its last.
  bool answer(const Query& query, std::int64_t use, double& value);

  std::int64_t last_use() const { return last_use_; }

 private:
  bool is_at(const double* x) const;
  void evaluate(const double* x, bool with_hessians);
  std::vector<double> unit_weights(const std::vector<Index>& outputs) const;
  void keep_hessians(const std::vector<Index>& outputs, const std::vector<double>& hessians);
  void account();

  const std::shared_ptr<const LoadedNetwork> network_;
  std::mutex mutex_;
  std::atomic<std::int64_t> last_use_ = 0;
  std::int64_t accounted_bytes_ = 0;
  // The point, and what is known there. Empty vectors: not known yet.
  std::vector<double> x_;                      // (n,)
  std::vector<double> value_;                  // (m,)
  std::vector<double> jacobian_;               // (m, n)
  std::vector<std::vector<double>> hessians_;  // per output: packed upper triangle
  std::vector<bool> has_hessian_;              // per output: hessians_ belongs to x_
  std::vector<bool> wants_hessian_;            // per output: was ever asked for
};

}  // namespace fastexpr::ampl
