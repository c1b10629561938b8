#pragma once

#include <vector>

#include "nlp/positions.hpp"
#include "tape/derivatives.hpp"
#include "tape/program.hpp"

namespace fastexpr::nlp {

/// The second derivatives of a Lagrangian as numbers at fixed places: what `tape::LagrangianHessian` keeps together is multiplied
/// out and added up here, at each point.
class Hessian {
 public:
  Hessian() = default;
  /// Appends what the program has to compute to `outputs`.
  Hessian(const tape::Tape& tape, tape::LagrangianHessian symbolic, tape::Outputs& outputs);

  /// Of the lower triangle, row by row.
  const Positions& positions() const { return positions_; }
  Index bytes() const;

  /// Of one thread.
  struct Scratch {
    std::vector<double> symbolic, gradients, variable_weights, hub_weights;
  };
  /// After the program's stage `second`.
  void fill(const tape::Program& program, Scratch& scratch, double* entries) const;

 private:
  using Couplings = std::vector<tape::LagrangianHessian::Coupling>;

  /// Entries [begin, end) of a call's array, from `sources_`.
  struct Call {
    std::size_t begin;
    std::size_t end;
  };
  /// A group of numbers that the program is asked for.
  struct Numbers {
    std::size_t output = 0;
    std::size_t count = 0;

    void gather(const tape::Program& program, std::vector<double>& values) const {
      values.resize(count);
      program.gather(output, values.data());
    }
  };

  void take_call(const tape::Tape& tape, Index number);
  Numbers want(std::vector<tape::Scaled> numbers, tape::Outputs& outputs) const;
  template <class Visit>
  void for_places(const Visit& visit) const;
  void find_positions(Index n_variables);
  bool is_only_symbolic() const { return calls_.empty() && with_variables_.empty() && among_hubs_.empty(); }
  const std::int32_t* add_calls(const tape::Program& program, const std::int32_t* target, double* entries) const;
  const std::int32_t* add_with_variables(const Scratch& scratch, const std::int32_t* target, double* entries) const;
  void add_among_hubs(const Scratch& scratch, const std::int32_t* target, double* entries) const;

  Positions positions_;
  std::vector<std::int32_t> targets_;  // where each summand goes, in the order of `for_places`; empty: each to its own place

  tape::SymbolicMatrix entries_, hubs_;  // structures; the numbers are the program's
  Couplings with_variables_, among_hubs_;
  std::vector<Call> calls_;
  std::size_t first_call_ = 0;  // in Outputs::hessians_of_calls
  std::vector<std::int32_t> sources_, rows_of_calls_, columns_of_calls_;
  std::vector<double> factors_;  // of calls' entries; empty: all 1
  Numbers symbolic_, gradients_, variable_weights_, hub_weights_;
};

}  // namespace fastexpr::nlp
