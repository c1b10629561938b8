#include "tape/steps.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace fastexpr::tape {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool is_step(Operation operation) {
  return operation == Operation::ceil || operation == Operation::floor ||
         (operation >= Operation::less && operation <= Operation::both);
}

std::string name_of(Operation operation) {
  if (operation == Operation::ceil) return "ceil";
  if (operation == Operation::floor) return "floor";
  return operation == Operation::select ? "a choice between constants" : "a comparison";
}

/// What is known of a node: whether the variables move it, whether with a derivative, the first step on the way, and between
/// which numbers it stays, roughly.
struct Fact {
  bool is_moved = false;
  bool is_sloped = false;
  std::string step;
  double lower = -infinity;
  double upper = infinity;

  void join(const Fact& other) {
    is_moved = is_moved || other.is_moved;
    is_sloped = is_sloped || other.is_sloped;
    if (step.empty()) step = other.step;
  }
};

class Steps {
 public:
  Steps(const Tape& tape, Id end, const double* lower, const double* upper, const double* parameters)
      : tape_(tape), facts_(static_cast<std::size_t>(end)) {
    facts_[Tape::one] = {false, false, "", 1.0, 1.0};
    for (Index j = 0; j < tape.n_variables(); ++j) {
      const bool is_free = lower[j] < upper[j];
      facts_[static_cast<std::size_t>(tape.variable(j))] = {is_free, is_free, "", lower[j], upper[j]};
    }
    for (Index k = 0; k < tape.n_parameters(); ++k)
      facts_[static_cast<std::size_t>(tape.parameter(k))] = {false, false, "", parameters[k], parameters[k]};
    for (Id id = tape.n_leaves(); id < end; ++id) facts_[static_cast<std::size_t>(id)] = fact_of(tape.node(id));
  }

  const Fact& operator[](Id id) const { return facts_[static_cast<std::size_t>(id)]; }

 private:
  Fact fact_of(const Node& node) {
    if (node.operation == Operation::given) return fact_of_output(node);
    Fact fact;
    tape_.for_operands(node, [&](Id operand) { fact.join((*this)[operand]); });
    if (node.operation == Operation::select) {
      fact.is_sloped = (*this)[node.b].is_sloped || (*this)[node.c].is_sloped;
      fact.step = (*this)[node.b].step.empty() ? (*this)[node.c].step : (*this)[node.b].step;
    }
    if (is_step(node.operation)) fact = {fact.is_moved, false, ""};
    bound(node, fact);
    if (is_step(node.operation) && fact.lower == fact.upper) fact.is_moved = false;
    if (fact.is_moved && !fact.is_sloped && fact.step.empty()) fact.step = name_of(node.operation);
    return fact;
  }

  /// Of sums of single numbers, and what steps make of an interval; the rest may be anything.
  void bound(const Node& node, Fact& fact) const {
    if (node.operation == Operation::sum && node.c == 0) {
      fact.lower = fact.upper = 0.0;
      for (const Term& t : tape_.terms(node)) {
        const Fact& part = (*this)[t.a];
        fact.lower += t.scale * (t.scale > 0.0 ? part.lower : part.upper);
        fact.upper += t.scale * (t.scale > 0.0 ? part.upper : part.lower);
      }
      return;
    }
    if (!is_step(node.operation)) return;
    const Fact& a = (*this)[node.a];
    if (node.operation == Operation::ceil || node.operation == Operation::floor) {
      fact.lower = evaluate(node.operation, a.lower - slack(a.lower), 0.0, 0.0);
      fact.upper = evaluate(node.operation, a.upper + slack(a.upper), 0.0, 0.0);
      return;
    }
    const Fact& b = (*this)[node.b];
    const double margin = slack(a.lower) + slack(a.upper) + slack(b.lower) + slack(b.upper);
    fact.lower = 0.0;
    fact.upper = 1.0;
    if (node.operation == Operation::both) {
      if (a.upper == 0.0 || b.upper == 0.0) fact.upper = 0.0;
      if (a.lower == 1.0 && b.lower == 1.0) fact.lower = 1.0;
    } else if (b.upper < a.lower - margin || (node.operation == Operation::equal && a.upper < b.lower - margin)) {
      fact.upper = 0.0;
    } else if (node.operation != Operation::equal && a.upper < b.lower - margin) {
      fact.lower = 1.0;
    }
  }

  /// For rounding, and for solvers that leave a box by some 1e-8.
  static double slack(double end) { return 1e-7 * std::max(1.0, std::abs(end)); }

  Fact fact_of_output(const Node& node) {
    const Call& call = tape_.calls()[static_cast<std::size_t>(node.a)];
    Fact fact;
    std::vector<double> lower, upper;
    for (const Scaled& input : call.inputs) {
      const Fact& part = (*this)[input.id];
      if (part.is_moved) fact.join(part);
      const double ends[] = {input.scale * part.lower, input.scale * part.upper};
      lower.push_back(input.is_zero() ? 0.0 : std::min(ends[0], ends[1]));
      upper.push_back(input.is_zero() ? 0.0 : std::max(ends[0], ends[1]));
    }
    if (!fact.is_moved) return {};
    auto& steps = steps_of_calls_[node.a];
    if (steps.empty()) steps = tape_.external(call).steps(lower.data(), upper.data());
    if (fact.step.empty()) fact.step = steps[static_cast<std::size_t>(node.c)];
    return fact;
  }

  const Tape& tape_;
  std::vector<Fact> facts_;
  std::map<Id, std::vector<std::string>> steps_of_calls_;
};

}  // namespace

bool has_steps(const Tape& tape) {
  for (Id id = tape.n_leaves(); id < tape.size(); ++id)
    if (is_step(tape.node(id).operation)) return true;
  return std::any_of(tape.externals().begin(), tape.externals().end(), [](const ExternalPointer& external) {
    const auto n = static_cast<std::size_t>(external->n_inputs());
    const auto steps = external->steps(std::vector<double>(n, -infinity).data(), std::vector<double>(n, infinity).data());
    return std::any_of(steps.begin(), steps.end(), [](const std::string& step) { return !step.empty(); });
  });
}

std::vector<std::string> find_steps(const Tape& tape, const std::vector<Scaled>& roots, Index n_nodes, const double* lower,
                                    const double* upper, const double* parameters) {
  const Steps steps(tape, static_cast<Id>(tape.n_leaves() + n_nodes), lower, upper, parameters);
  std::vector<std::string> result;
  for (const Scaled& root : roots) result.push_back(root.is_zero() ? "" : steps[root.id].step);
  return result;
}

}  // namespace fastexpr::tape
