#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "nlp/hessian.hpp"
#include "nlp/statement.hpp"
#include "tape/program.hpp"

namespace fastexpr::nlp {

class CellFunctions;

/// Objective f and rows g of a nonlinear program, with sparse exact derivatives. Structure is found once, when this is made.
/// Numbers that are not finite are results like others. Threads may share it; they take turns.
class NlpFunctions {
 public:
  /// Without `has_hessian`, second derivatives are neither found nor stored.
  NlpFunctions(const Statement& statement, std::vector<tape::ExternalPointer> externals, bool has_hessian);
  /// The same program on given branches: `kinks` says of which. Its further parameters are branches, its further rows arguments.
  NlpFunctions(const Statement& statement, std::vector<tape::ExternalPointer> externals, bool has_hessian, Kinks* kinks);

  Index n_variables() const { return n_variables_; }
  Index n_parameters() const { return n_parameters_; }
  Index n_rows() const { return n_rows_; }
  bool has_hessian() const { return has_hessian_; }
  const Positions& jacobian_positions() const { return jacobian_; }
  /// Of the lower triangle.
  const Positions& hessian_positions() const { return hessian_.positions(); }

  /// Whether there are kinked units: of networks, or the tape's own abs, minimum, maximum and comparisons.
  bool has_kinks() const { return statement_ != nullptr; }
  /// The program in cells, under the parameters at hand; only where there are kinks.
  std::unique_ptr<CellFunctions> cells();

  void set_parameters(const double* values);
  double objective(const double* x);
  void gradient(const double* x, double* result);     // (n)
  void constraints(const double* x, double* result);  // (m)
  void jacobian(const double* x, double* entries);
  /// Of objective_factor * f + multipliers @ g; only where has_hessian.
  void hessian(const double* x, const double* multipliers, double objective_factor, double* entries);

  /// Additive constants of the rows (m), under the parameters at hand: what a row is but for the terms that vary.
  void row_constants(double* result);
  /// For the objective, then every row, what is constant piece by piece and moves it while the variables are in this box:
  /// "floor", or a network's "TreeEnsemble 'forest'"; empty where there is nothing; no entries where nothing on the
  /// tape could be.
  std::vector<std::string> steps(const double* lower, const double* upper) const;

  Index n_nodes() const { return n_nodes_; }                           // values of the model itself
  Index n_instructions() const { return program_->n_instructions(); }  // with derivatives
  Index n_runs() const { return program_->n_runs(); }
  Index n_batches() const { return program_->n_batches(); }
  Index bytes() const { return program_->bytes() + hessian_.bytes(); }

  /// What is known at the point is known no more: external functions are others.
  void forget_point();
  const tape::Program& program() const { return *program_; }

 private:
  enum Output : std::size_t { objective_value, row_values, objective_gradient, jacobian_entries, row_constant_values, n_outputs };

  void prepare();
  void move_to(const double* x);
  void require(tape::Stage stage);

  Index n_variables_, n_parameters_, n_rows_;
  bool has_hessian_;
  Index n_nodes_ = 0;
  Positions jacobian_;
  Hessian hessian_;
  std::vector<std::int32_t> gradient_columns_;
  std::vector<double> gradient_entries_;
  std::shared_ptr<const OwnedStatement> statement_;  // where there are kinks
  std::vector<tape::ExternalPointer> externals_;
  std::unique_ptr<tape::Tape> steps_tape_;  // only where a step is on it
  std::vector<tape::Scaled> roots_;
  std::unique_ptr<tape::Program> program_;
  tape::Stage computed_ = tape::Stage::fixed;  // at the point in the program
  bool has_parameters_ = false;
  bool has_point_ = false;
  std::mutex mutex_;
};

}  // namespace fastexpr::nlp
