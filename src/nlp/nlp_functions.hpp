#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <vector>

#include "nlp/hessian.hpp"
#include "nlp/statement.hpp"
#include "tape/program.hpp"

namespace fastexpr::nlp {

class CellFunctions;

/// A nonlinear program as it was stated, with the structure and the schedule found for it. Never changed: copies share it.
struct Compiled {
  enum Output : std::size_t { objective_value, row_values, objective_gradient, jacobian_entries, row_constant_values, n_outputs };

  Compiled(std::shared_ptr<const OwnedStatement> statement, std::vector<tape::ExternalPointer> externals, bool has_hessian,
           Kinks* kinks);

  std::shared_ptr<const OwnedStatement> stated;
  bool has_hessian;
  bool has_kinks = false;
  Index n_parameters = 0;
  Index n_nodes = 0;  // of the model itself
  Positions jacobian;
  Hessian hessian;
  std::vector<std::int32_t> gradient_columns;
  std::unique_ptr<const tape::Tape> steps_tape;  // only where a step is on it
  std::vector<tape::Scaled> roots;               // the objective and the rows
  std::shared_ptr<const tape::Schedule> schedule;
};

/// Objective f and rows g of a nonlinear program, with sparse exact derivatives. Structure is found once, when this is made;
/// copies share it, and have parameters and a point of their own. Numbers that are not finite are results like others. Threads
/// may share it; they take turns.
class NlpFunctions {
 public:
  /// Without `has_hessian`, second derivatives are neither found nor stored.
  NlpFunctions(const Statement& statement, std::vector<tape::ExternalPointer> externals, bool has_hessian);
  /// The same program on given branches: `kinks` says of which. Its further parameters are branches, its further rows arguments.
  NlpFunctions(std::shared_ptr<const OwnedStatement> statement, std::vector<tape::ExternalPointer> externals, bool has_hessian,
               Kinks* kinks);
  NlpFunctions(const NlpFunctions& other);
  NlpFunctions& operator=(const NlpFunctions&) = delete;

  Index n_variables() const { return statement().n_variables; }
  Index n_parameters() const { return compiled_->n_parameters; }
  Index n_rows() const { return static_cast<Index>(compiled_->roots.size()) - 1; }
  bool has_hessian() const { return compiled_->has_hessian; }
  const Positions& jacobian_positions() const { return compiled_->jacobian; }
  Index n_jacobian_entries() const { return static_cast<Index>(compiled_->jacobian.rows.size()); }
  /// Of the lower triangle.
  const Positions& hessian_positions() const { return compiled_->hessian.positions(); }

  /// What it was made from.
  const Statement& statement() const { return compiled_->stated->statement; }
  const std::vector<tape::ExternalPointer>& externals() const { return compiled_->schedule->externals; }
  void parameters(double* values) const;

  /// Whether there are kinked units: of networks, or the tape's own abs, minimum, maximum and comparisons.
  bool has_kinks() const { return compiled_->has_kinks; }
  /// The program in cells, under the parameters at hand; only where there are kinks.
  std::unique_ptr<CellFunctions> cells();

  void set_parameters(const double* values);
  double objective(const double* x);
  /// At points (count, n), networks at all of them in one batch: objectives (count), rows (count, m).
  void values(const double* points, Index count, double* objectives, double* rows);
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

  Index n_nodes() const { return compiled_->n_nodes; }                          // values of the model itself
  Index n_instructions() const { return compiled_->schedule->n_instructions; }  // with derivatives
  Index n_runs() const { return static_cast<Index>(compiled_->schedule->runs.size()); }
  Index n_batches() const { return static_cast<Index>(compiled_->schedule->batches.size()); }
  Index bytes() const { return program_.bytes() + compiled_->hessian.bytes(); }

  /// What is known at the point is known no more: external functions are others.
  void forget_point();
  const tape::Program& program() const { return program_; }

 private:
  explicit NlpFunctions(std::shared_ptr<const Compiled> compiled);

  void move_to(const double* x);
  void require(std::initializer_list<tape::Stage> stages);

  std::shared_ptr<const Compiled> compiled_;
  tape::Program program_;
  std::vector<double> gradient_entries_;
  Hessian::Scratch hessian_scratch_;
  std::array<bool, tape::n_stages> done_{};  // `fixed` with the parameters at hand, others at the point in the program
  bool has_point_ = false;
  mutable std::mutex mutex_;
};

}  // namespace fastexpr::nlp
