#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <vector>

#include "tape/tape.hpp"

// A tape made ready to run. Nodes that no output needs are dropped; the others are put in an order in which equal operations
// stand together, so that each loop of the evaluation does one operation on many numbers:
//
//   stage   fixed (parameters only); of the objective: value, gradient; of the rows: values, first derivatives; second
//   derivatives.
//           Run when they are asked for: the objective alone, and its gradient alone, need nothing that only rows need
//   epoch   what has to be known before the next external functions are called; all calls of an epoch are one batch
//   chunk   as many nodes, in the order of the model, as stay in the cache together
//   level   longest path from the chunk's beginning
//
// Nodes of one level do not depend on each other; those with the same operation are a run. Numbers are stored in this order: a
// run writes a contiguous piece, and where a model repeats a constraint, it reads contiguous pieces, too.

namespace fastexpr::tape {

/// Of a stage's numbers, operands are in the stages that it needs: the gradient and the values need the objective, `first` these
/// three, `second` all.
enum class Stage : std::uint8_t { fixed, objective, values, gradient, first, second };
constexpr std::size_t n_stages = 6;

/// The operands at one position of a run's nodes: first + i * stride, or looked up.
struct Operand {
  std::int32_t first;
  std::int32_t stride;
  std::int64_t indices;  // into Schedule::indices; -1: strided
};

/// The scales at one position of the terms of a run of sums: the same for all nodes, or looked up.
struct Scale {
  double value;
  std::int64_t scales;  // into Schedule::scales; -1: the same
};

struct Run {
  Operation operation;
  std::int32_t first;     // where the numbers go
  std::int32_t count;     // nodes
  std::int32_t n_linear;  // of sums
  std::int32_t n_bilinear;
  std::int64_t operands;  // into Schedule::operands: one per operand, two per bilinear term
  std::int64_t scale;     // into Schedule::run_scales: one per term
};

/// Calls of one external function that are evaluated together.
struct Batch {
  std::size_t evaluation;       // the same for batches of the same calls
  int order;                    // 0 value, 1 Jacobian, 2 Hessian
  std::vector<Scaled> inputs;   // (calls, n); ids are places
  std::vector<Scaled> weights;  // (calls, m), for order 2
  std::int64_t first;           // where the numbers go
  Index calls;
  Index n_weights;  // of each call
  Index size;       // numbers of each call
};

/// Where a call is evaluated: a batch of this order has it.
struct CallPlace {
  Index call;
  Index point;
  int order;
  std::size_t evaluation;
};

/// Runs, then batches.
struct Epoch {
  std::size_t runs_end;
  std::size_t batches_end;
};

/// Outputs of the program: scale * the number at a place.
struct Gather {
  std::vector<double> scales;
  std::vector<std::int32_t> places;

  void operator()(const double* numbers, double* result) const {
    for (std::size_t i = 0; i < places.size(); ++i) result[i] = scales[i] * numbers[places[i]];
  }
};

/// What a program is for.
struct Outputs {
  struct Numbers {
    std::vector<Scaled> numbers;
    Stage stage;  // in which they are wanted
  };
  std::vector<Numbers> numbers;          // by `gather`
  std::vector<Index> hessians_of_calls;  // second derivatives of calls that are wanted whole, by `hessian_of_call`
};

/// The places at which an external function is evaluated together, and the highest derivative that is asked for.
struct CallGroup {
  Index target;
  Index points;
  int order;
};

/// A tape in the order of its evaluation. Found once, never changed after that: programs in any number of threads share it.
struct Schedule {
  Index n_variables = 0, n_parameters = 0, n_instructions = 0;
  std::size_t n_numbers = 0;  // one, variables, parameters, weights, external results, then the runs'
  std::vector<ExternalPointer> externals;
  std::vector<Run> runs;
  std::vector<Operand> operands;
  std::vector<Scale> run_scales;
  std::vector<std::int32_t> indices;
  std::vector<double> scales;
  std::vector<Batch> batches;
  std::vector<CallGroup> groups;
  std::vector<CallPlace> call_places;
  std::vector<Epoch> epochs;
  std::array<std::size_t, n_stages> epochs_end{};
  std::vector<Gather> gathers;
  std::vector<std::int32_t> hessians_of_calls;

  Index bytes() const;
};

std::shared_ptr<const Schedule> make_schedule(const Tape& tape, const Outputs& outputs);

/// A schedule with the numbers that are computed by it, for one thread at a time.
class Program {
 public:
  explicit Program(std::shared_ptr<const Schedule> schedule);
  /// Shares the schedule. Variables, parameters and weights are the same, and nothing is computed yet.
  Program(const Program& other);
  Program& operator=(const Program&) = delete;

  double* variables() { return numbers_.data() + 1; }
  double* parameters() { return variables() + schedule_->n_variables; }
  const double* parameters() const { return numbers_.data() + 1 + schedule_->n_variables; }
  double* weights() { return parameters() + schedule_->n_parameters; }

  /// Computes a stage; those that it needs have been computed at the same point.
  void run(Stage stage);
  /// Computes stages of values at points (count, n_variables), external functions at all of them in one call, and calls
  /// visit(point), in which `gather` gives the numbers of that point. Fixed numbers have been computed.
  void run_together(const double* points, Index count, std::initializer_list<Stage> stages,
                    const std::function<void(Index)>& visit);
  void gather(std::size_t output, double* result) const { schedule_->gathers[output](numbers_.data(), result); }

  /// The external's array of second derivatives of the k-th of Outputs::hessians_of_calls.
  const double* hessian_of_call(std::size_t k) const { return numbers_.data() + schedule_->hessians_of_calls[k]; }

  External::Evaluation& evaluation(std::size_t number) const { return *evaluations_[number]; }
  const Schedule& schedule() const { return *schedule_; }
  Index bytes() const { return schedule_->bytes() + static_cast<Index>(numbers_.size() * sizeof(double)); }

 private:
  void make_evaluations();
  template <class OnRuns, class OnBatch>
  void for_epochs(Stage stage, const OnRuns& on_runs, const OnBatch& on_batch) const;
  void run_one(const Run& run);
  void run_sums(const Run& run);
  void finish_sums(const Run& run, std::int32_t begin, std::int32_t n);
  double chain_sum(const Run& run, std::int32_t i) const;
  void clear_without_weights(const Batch& batch, double* result) const;
  void run_batch(const Batch& batch);
  void run_batch_together(const Batch& batch, External::Evaluation& evaluation, std::vector<std::vector<double>>& numbers);
  const double* fetch(const Operand& operand, std::int32_t begin, std::int32_t n, double* buffer) const;
  std::int32_t place(const Operand& operand, std::int32_t i) const {
    return operand.indices < 0 ? operand.first + i * operand.stride
                               : schedule_->indices[static_cast<std::size_t>(operand.indices + i)];
  }

  std::shared_ptr<const Schedule> schedule_;
  std::vector<double> numbers_;
  std::vector<std::unique_ptr<External::Evaluation>> evaluations_;
  std::vector<double> batch_inputs_, batch_weights_;
};

}  // namespace fastexpr::tape
