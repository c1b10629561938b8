#include "tape/program.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "linalg/vector_math.hpp"

namespace fastexpr::tape {

namespace {

constexpr std::int32_t block = 256;  // numbers handled at a time: their buffers stay in the first-level cache

using Map = void (*)(const double*, double*, Index);

Map vectorized(Operation operation) {
  switch (operation) {
    case Operation::sqrt:
      return vector_math::sqrt;
    case Operation::exp:
      return vector_math::exp;
    case Operation::log:
      return vector_math::log;
    case Operation::sin:
      return vector_math::sin;
    case Operation::cos:
      return vector_math::cos;
    case Operation::tanh:
      return vector_math::tanh;
    default:
      return nullptr;
  }
}

void reciprocals(const double* a, double* result, std::int32_t n) {
  for (std::int32_t i = 0; i < n; ++i) result[i] = 1.0 / a[i];
}

void choices(const double* condition, const double* a, const double* b, double* result, std::int32_t n) {
  for (std::int32_t i = 0; i < n; ++i) result[i] = condition[i] != 0.0 ? a[i] : b[i];
}

}  // namespace

Program::Program(std::shared_ptr<const Schedule> schedule) : schedule_(std::move(schedule)), numbers_(schedule_->n_numbers, 0.0) {
  numbers_[0] = 1.0;
  make_evaluations();
}

Program::Program(const Program& other) : schedule_(other.schedule_), numbers_(other.numbers_) { make_evaluations(); }

void Program::make_evaluations() {
  for (const auto& [target, points, order] : schedule_->groups)
    evaluations_.push_back(schedule_->externals[static_cast<std::size_t>(target)]->evaluation(points, order));
  for (const Batch& batch : schedule_->batches) {
    batch_inputs_.resize(std::max(batch_inputs_.size(), batch.inputs.size()));
    batch_weights_.resize(std::max(batch_weights_.size(), batch.weights.size()));
  }
}

template <class OnRuns, class OnBatch>
void Program::for_epochs(Stage stage, const OnRuns& on_runs, const OnBatch& on_batch) const {
  const auto s = static_cast<std::size_t>(stage);
  const std::size_t begin = s == 0 ? 0 : schedule_->epochs_end[s - 1];
  for (std::size_t e = begin; e < schedule_->epochs_end[s]; ++e) {
    const Epoch previous = e == 0 ? Epoch{0, 0} : schedule_->epochs[e - 1];
    on_runs(previous.runs_end, schedule_->epochs[e].runs_end);
    for (std::size_t b = previous.batches_end; b < schedule_->epochs[e].batches_end; ++b) on_batch(schedule_->batches[b]);
  }
}

void Program::run(Stage stage) {
  for_epochs(
      stage,
      [this](std::size_t begin, std::size_t end) {
        for (std::size_t r = begin; r < end; ++r) run_one(schedule_->runs[r]);
      },
      [this](const Batch& batch) { run_batch(batch); });
}

void Program::run_together(const double* points, Index count, std::initializer_list<Stage> stages,
                           const std::function<void(Index)>& visit) {
  std::vector<std::vector<double>> numbers(static_cast<std::size_t>(count), numbers_);
  for (Index p = 0; p < count; ++p)
    std::copy_n(points + p * schedule_->n_variables, schedule_->n_variables, numbers[static_cast<std::size_t>(p)].data() + 1);
  std::vector<std::unique_ptr<External::Evaluation>> evaluations(schedule_->groups.size());
  const auto at_each = [&](const auto& body) {
    for (std::size_t p = 0; p < numbers.size(); ++p) {
      numbers_.swap(numbers[p]);
      body(static_cast<Index>(p));
      numbers_.swap(numbers[p]);
    }
  };
  for (const Stage stage : stages)
    for_epochs(
        stage,
        [&](std::size_t begin, std::size_t end) {
          at_each([&](Index) {
            for (std::size_t r = begin; r < end; ++r) run_one(schedule_->runs[r]);
          });
        },
        [&](const Batch& batch) {
          const CallGroup& group = schedule_->groups[batch.evaluation];
          std::unique_ptr<External::Evaluation>& evaluation = evaluations[batch.evaluation];
          if (evaluation == nullptr)
            evaluation = schedule_->externals[static_cast<std::size_t>(group.target)]->evaluation(count * batch.calls, 0);
          run_batch_together(batch, *evaluation, numbers);
        });
  at_each(visit);
}

const double* Program::fetch(const Operand& operand, std::int32_t begin, std::int32_t n, double* buffer) const {
  if (operand.indices >= 0) {
    const std::int32_t* index = schedule_->indices.data() + operand.indices + begin;
    for (std::int32_t i = 0; i < n; ++i) buffer[i] = numbers_[static_cast<std::size_t>(index[i])];
    return buffer;
  }
  const double* first = numbers_.data() + operand.first + std::int64_t{begin} * operand.stride;
  if (operand.stride == 1) return first;
  for (std::int32_t i = 0; i < n; ++i) buffer[i] = first[std::int64_t{i} * operand.stride];
  return buffer;
}

void Program::run_one(const Run& run) {
  if (is_sum(run.operation)) {
    run_sums(run);
    return;
  }
  const Operand* operands = schedule_->operands.data() + run.operands;
  double* result = numbers_.data() + run.first;
  const bool has_b = !is_unary(run.operation), has_c = run.operation == Operation::select;
  const Map map = vectorized(run.operation);
  double a_buffer[block], b_buffer[block], c_buffer[block];
  for (std::int32_t begin = 0; begin < run.count; begin += block) {
    const std::int32_t n = std::min(block, run.count - begin);
    const double* a = fetch(operands[0], begin, n, a_buffer);
    const double* b = has_b ? fetch(operands[1], begin, n, b_buffer) : a;
    const double* c = has_c ? fetch(operands[2], begin, n, c_buffer) : a;
    double* y = result + begin;
    if (map != nullptr)
      map(a, y, n);
    else if (run.operation == Operation::reciprocal)
      reciprocals(a, y, n);
    else if (run.operation == Operation::select)
      choices(a, b, c, y, n);
    else
      for (std::int32_t i = 0; i < n; ++i) y[i] = evaluate(run.operation, a[i], b[i], c[i]);
  }
}

void Program::run_sums(const Run& run) {
  const Operand* const operands = schedule_->operands.data() + run.operands;
  const Scale* const scales = schedule_->run_scales.data() + run.scale;
  double* const result = numbers_.data() + run.first;
  const auto scale_of = [&](std::int32_t t, std::int32_t i) {
    return scales[t].scales < 0 ? scales[t].value : schedule_->scales[static_cast<std::size_t>(scales[t].scales + i)];
  };
  const auto number = [&](const Operand& operand, std::int32_t i) {
    return numbers_[static_cast<std::size_t>(place(operand, i))];
  };
  if (run.count < 4) {
    for (std::int32_t i = 0; i < run.count; ++i) {
      double total = 0.0;
      const Operand* operand = operands;
      for (std::int32_t t = 0; t < run.n_linear; ++t) total += scale_of(t, i) * number(*operand++, i);
      for (std::int32_t t = 0; t < run.n_bilinear; ++t, operand += 2) {
        const double a = number(operand[0], i), b = number(operand[1], i);
        total += scale_of(run.n_linear + t, i) * (a * b);
      }
      result[i] = total;
    }
    finish_sums(run, 0, run.count);
    return;
  }
  double a_buffer[block], b_buffer[block];
  for (std::int32_t begin = 0; begin < run.count; begin += block) {
    const std::int32_t n = std::min(block, run.count - begin);
    double* y = result + begin;
    const Operand* operand = operands;
    for (std::int32_t t = 0; t < run.n_linear + run.n_bilinear; ++t) {
      const double* a = fetch(*operand++, begin, n, a_buffer);
      if (t >= run.n_linear) {
        const double* b = fetch(*operand++, begin, n, b_buffer);
        for (std::int32_t i = 0; i < n; ++i) a_buffer[i] = a[i] * b[i];
        a = a_buffer;
      }
      if (scales[t].scales < 0) {
        const double scale = scales[t].value;
        if (t == 0)
          for (std::int32_t i = 0; i < n; ++i) y[i] = scale * a[i];
        else
          for (std::int32_t i = 0; i < n; ++i) y[i] += scale * a[i];
      } else {
        const double* scale = schedule_->scales.data() + scales[t].scales + begin;
        if (t == 0)
          for (std::int32_t i = 0; i < n; ++i) y[i] = scale[i] * a[i];
        else
          for (std::int32_t i = 0; i < n; ++i) y[i] += scale[i] * a[i];
      }
    }
    finish_sums(run, begin, n);
  }
}

/// A chain_sum that is NaN may have 0 times infinity in it.
void Program::finish_sums(const Run& run, std::int32_t begin, std::int32_t n) {
  if (run.operation != Operation::chain_sum) return;
  double* const y = numbers_.data() + run.first + begin;
  bool is_any_nan = false;
  for (std::int32_t i = 0; i < n; ++i) is_any_nan |= y[i] != y[i];
  for (std::int32_t i = 0; is_any_nan && i < n; ++i)
    if (std::isnan(y[i])) y[i] = chain_sum(run, begin + i);
}

double Program::chain_sum(const Run& run, std::int32_t i) const {
  const Operand* operand = schedule_->operands.data() + run.operands;
  const auto next_number = [&] { return numbers_[static_cast<std::size_t>(place(*operand++, i))]; };
  double total = 0.0;
  for (std::int32_t t = 0; t < run.n_linear + run.n_bilinear; ++t) {
    const Scale& scale = schedule_->run_scales[static_cast<std::size_t>(run.scale + t)];
    const double factor = scale.scales < 0 ? scale.value : schedule_->scales[static_cast<std::size_t>(scale.scales + i)];
    const double a = next_number(), b = t < run.n_linear ? 1.0 : next_number();
    if (a != 0.0 && b != 0.0) total += factor * (a * b);
  }
  return total;
}

void Program::run_batch(const Batch& batch) {
  const auto load = [this](const std::vector<Scaled>& from, std::vector<double>& to) {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i].scale * numbers_[static_cast<std::size_t>(from[i].id)];
  };
  load(batch.inputs, batch_inputs_);
  External::Evaluation& evaluation = *evaluations_[batch.evaluation];
  double* result = numbers_.data() + batch.first;
  if (batch.order == 0) {
    evaluation.value(batch_inputs_.data(), result);
  } else if (batch.order == 1) {
    evaluation.jacobian(batch_inputs_.data(), result);
  } else {
    load(batch.weights, batch_weights_);
    evaluation.hessian(batch_inputs_.data(), batch_weights_.data(), result);
    clear_without_weights(batch, result);
  }
}

void Program::run_batch_together(const Batch& batch, External::Evaluation& evaluation,
                                 std::vector<std::vector<double>>& numbers) {
  const auto size = static_cast<std::size_t>(batch.calls * batch.size);
  std::vector<double> inputs, results(size * numbers.size());
  inputs.reserve(batch.inputs.size() * numbers.size());
  for (const std::vector<double>& own : numbers)
    for (const Scaled& input : batch.inputs) inputs.push_back(input.scale * own[static_cast<std::size_t>(input.id)]);
  evaluation.value(inputs.data(), results.data());
  for (std::size_t p = 0; p < numbers.size(); ++p) std::copy_n(results.data() + p * size, size, numbers[p].data() + batch.first);
}

/// A call none of whose outputs counts has no second derivatives, whatever its inputs are: it may stand in a branch that is not
/// taken, where they are NaN.
void Program::clear_without_weights(const Batch& batch, double* result) const {
  const Index m = batch.n_weights;
  for (Index call = 0; call < batch.calls; ++call) {
    const double* weights = batch_weights_.data() + call * m;
    if (std::all_of(weights, weights + m, [](double w) { return w == 0.0; }) &&
        !evaluations_[batch.evaluation]->has_further_weights(call))
      std::fill_n(result + call * batch.size, batch.size, 0.0);
  }
}

Index Schedule::bytes() const {
  std::size_t total = runs.size() * sizeof(Run) + operands.size() * sizeof(Operand) + run_scales.size() * sizeof(Scale) +
                      indices.size() * sizeof(std::int32_t) + scales.size() * sizeof(double);
  for (const Gather& gather : gathers) total += gather.places.size() * (sizeof(double) + sizeof(std::int32_t));
  return static_cast<Index>(total);
}

}  // namespace fastexpr::tape
