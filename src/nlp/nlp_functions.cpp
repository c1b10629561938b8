#include "nlp/nlp_functions.hpp"

#include <algorithm>
#include <cstring>

#include "nlp/cell_functions.hpp"
#include "nlp/kinks.hpp"
#include "nlp/network.hpp"
#include "tape/derivatives.hpp"
#include "tape/steps.hpp"

namespace fastexpr::nlp {

using tape::Scaled;
using tape::Stage;
using tape::SymbolicMatrix;

namespace {

/// Entries of the matrix's rows [begin, end), the first of which is row 0.
Positions positions_of(const SymbolicMatrix& matrix, std::size_t begin, std::size_t end) {
  Positions result;
  for (std::size_t row = begin; row < end; ++row)
    result.rows.insert(result.rows.end(), static_cast<std::size_t>(matrix.starts[row + 1] - matrix.starts[row]),
                       static_cast<std::int32_t>(row - begin));
  result.columns.assign(matrix.columns.begin() + matrix.starts[begin], matrix.columns.begin() + matrix.starts[end]);
  return result;
}

/// The sum of the root's terms that depend on no variable; 0 where nothing else is left.
Scaled additive_constant(tape::Tape& tape, Scaled root) {
  const tape::Node node = tape.node(root.id);
  if (node.is_fixed || node.operation != tape::Operation::sum) return tape::Tape::constant(0.0);
  std::vector<tape::Term> fixed;
  for (const tape::Term& term : tape.terms(node))
    if (tape.node(term.a).is_fixed && tape.node(term.b).is_fixed) fixed.push_back({root.scale * term.scale, term.a, term.b});
  return fixed.empty() ? tape::Tape::constant(0.0) : tape.sum(fixed, true);
}

}  // namespace

Compiled::Compiled(std::shared_ptr<const OwnedStatement> statement, std::vector<tape::ExternalPointer> externals, bool has_second,
                   Kinks* kinks)
    : stated(std::move(statement)), has_hessian(has_second) {
  const Statement& read = stated->statement;
  n_parameters = read.n_parameters + (kinks == nullptr ? 0 : kinks->most_branches());
  const Index most_rows = static_cast<Index>(read.rows.size()) + (kinks == nullptr ? 0 : kinks->most_roots());
  auto owned = std::make_unique<tape::Tape>(read.n_variables, n_parameters, most_rows, std::move(externals));
  tape::Tape& tape = *owned;
  roots = read_statement(read, tape, kinks);
  has_kinks = kinks == nullptr && Kinks::are_in(tape);
  if (kinks != nullptr) kinks->finish(tape, roots);
  n_nodes = tape.size() - tape.n_leaves();
  const bool has_steps = tape::has_steps(tape);
  std::vector<Scaled> row_constants;  // values, so they come before the derivatives
  for (auto root = roots.begin() + 1; root != roots.end(); ++root) row_constants.push_back(additive_constant(tape, *root));
  tape::Partials partials(tape);
  const SymbolicMatrix first = tape::gradients(tape, partials, roots);

  const auto n_gradient = static_cast<std::ptrdiff_t>(first.starts[1]);  // row 0 is the objective's
  gradient_columns.assign(first.columns.begin(), first.columns.begin() + n_gradient);
  jacobian = positions_of(first, 1, roots.size());

  tape::Outputs outputs;
  outputs.numbers.resize(n_outputs);
  outputs.numbers[objective_value] = {{roots[0]}, Stage::objective};
  outputs.numbers[row_values] = {{roots.begin() + 1, roots.end()}, Stage::values};
  outputs.numbers[objective_gradient] = {{first.entries.begin(), first.entries.begin() + n_gradient}, Stage::gradient};
  outputs.numbers[jacobian_entries] = {{first.entries.begin() + n_gradient, first.entries.end()}, Stage::first};
  outputs.numbers[row_constant_values] = {std::move(row_constants), Stage::fixed};
  if (has_hessian) hessian = Hessian(tape, tape::lagrangian_hessian(tape, partials, roots), outputs);
  schedule = tape::make_schedule(tape, outputs);
  if (has_steps) steps_tape = std::move(owned);
}

NlpFunctions::NlpFunctions(const Statement& statement, std::vector<tape::ExternalPointer> externals, bool has_hessian)
    : NlpFunctions(std::make_shared<const OwnedStatement>(statement), std::move(externals), has_hessian, nullptr) {}

NlpFunctions::NlpFunctions(std::shared_ptr<const OwnedStatement> statement, std::vector<tape::ExternalPointer> externals,
                           bool has_hessian, Kinks* kinks)
    : NlpFunctions(std::make_shared<const Compiled>(std::move(statement), std::move(externals), has_hessian, kinks)) {}

NlpFunctions::NlpFunctions(std::shared_ptr<const Compiled> compiled)
    : compiled_(std::move(compiled)), program_(compiled_->schedule), gradient_entries_(compiled_->gradient_columns.size()) {}

NlpFunctions::NlpFunctions(const NlpFunctions& other) : NlpFunctions(other.compiled_) { other.parameters(program_.parameters()); }

void NlpFunctions::parameters(double* values) const {
  const std::scoped_lock lock(mutex_);
  std::copy_n(program_.parameters(), n_parameters(), values);
}

std::unique_ptr<CellFunctions> NlpFunctions::cells() {
  const std::scoped_lock lock(mutex_);
  // A solver may do without second derivatives where points have to be made exact, and judged. Foreign functions may have none.
  const auto is_network = [](const tape::ExternalPointer& target) {
    return dynamic_cast<const Network*>(target.get()) != nullptr;
  };
  const bool are_known = std::all_of(externals().begin(), externals().end(), is_network);
  return std::make_unique<CellFunctions>(compiled_->stated, externals(), has_hessian() || are_known, program_.parameters());
}

void NlpFunctions::forget_point() {
  const std::scoped_lock lock(mutex_);
  has_point_ = false;
}

void NlpFunctions::set_parameters(const double* values) {
  const std::scoped_lock lock(mutex_);
  std::copy_n(values, n_parameters(), program_.parameters());
  done_.fill(false);
  has_point_ = false;
}

void NlpFunctions::row_constants(double* result) {
  const std::scoped_lock lock(mutex_);
  require({Stage::fixed});
  program_.gather(Compiled::row_constant_values, result);
}

std::vector<std::string> NlpFunctions::steps(const double* lower, const double* upper) const {
  if (compiled_->steps_tape == nullptr) return {};
  std::vector<double> values(static_cast<std::size_t>(n_parameters()));
  parameters(values.data());
  return tape::find_steps(*compiled_->steps_tape, compiled_->roots, compiled_->n_nodes, lower, upper, values.data());
}

void NlpFunctions::move_to(const double* x) {
  const auto size = static_cast<std::size_t>(n_variables()) * sizeof(double);
  require({Stage::fixed});
  if (has_point_ && (size == 0 || std::memcmp(x, program_.variables(), size) == 0)) return;
  has_point_ = false;  // should an external function throw, nothing is known
  std::fill(done_.begin() + 1, done_.end(), false);
  if (size != 0) std::memcpy(program_.variables(), x, size);
  has_point_ = true;
}

void NlpFunctions::require(std::initializer_list<Stage> stages) {
  for (const Stage stage : stages) {
    bool& is_done = done_[static_cast<std::size_t>(stage)];
    if (!is_done) program_.run(stage);
    is_done = true;
  }
}

double NlpFunctions::objective(const double* x) {
  const std::scoped_lock lock(mutex_);
  move_to(x);
  require({Stage::objective});
  double result = 0.0;
  program_.gather(Compiled::objective_value, &result);
  return result;
}

void NlpFunctions::constraints(const double* x, double* result) {
  const std::scoped_lock lock(mutex_);
  move_to(x);
  require({Stage::objective, Stage::values});
  program_.gather(Compiled::row_values, result);
}

void NlpFunctions::values(const double* points, Index count, double* objectives, double* rows) {
  constexpr std::size_t most_numbers = std::size_t{1} << 23;  // of all points that are evaluated together
  const std::scoped_lock lock(mutex_);
  require({Stage::fixed});
  const auto most = static_cast<Index>(std::max<std::size_t>(1, most_numbers / program_.schedule().n_numbers));
  for (Index begin = 0; begin < count; begin += most)
    program_.run_together(points + begin * n_variables(), std::min(most, count - begin), {Stage::objective, Stage::values},
                          [&](Index p) {
                            program_.gather(Compiled::objective_value, objectives + begin + p);
                            program_.gather(Compiled::row_values, rows + (begin + p) * n_rows());
                          });
}

void NlpFunctions::gradient(const double* x, double* result) {
  const std::scoped_lock lock(mutex_);
  move_to(x);
  require({Stage::objective, Stage::gradient});
  program_.gather(Compiled::objective_gradient, gradient_entries_.data());
  std::fill_n(result, n_variables(), 0.0);
  const std::vector<std::int32_t>& columns = compiled_->gradient_columns;
  for (std::size_t e = 0; e < columns.size(); ++e) result[columns[e]] = gradient_entries_[e];
}

void NlpFunctions::jacobian(const double* x, double* entries) {
  const std::scoped_lock lock(mutex_);
  move_to(x);
  require({Stage::objective, Stage::values, Stage::gradient, Stage::first});
  program_.gather(Compiled::jacobian_entries, entries);
}

void NlpFunctions::hessian(const double* x, const double* multipliers, double objective_factor, double* entries) {
  const std::scoped_lock lock(mutex_);
  move_to(x);
  require({Stage::objective, Stage::values, Stage::gradient, Stage::first});
  program_.weights()[0] = objective_factor;
  std::copy_n(multipliers, n_rows(), program_.weights() + 1);
  program_.run(Stage::second);
  compiled_->hessian.fill(program_, hessian_scratch_, entries);
}

}  // namespace fastexpr::nlp
