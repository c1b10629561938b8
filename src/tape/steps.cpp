#include "tape/steps.hpp"

#include <algorithm>
#include <map>

namespace fastexpr::tape {

namespace {

bool is_step(Operation operation) {
  return operation == Operation::ceil || operation == Operation::floor ||
         (operation >= Operation::less && operation <= Operation::both);
}

std::string name_of(Operation operation) {
  if (operation == Operation::ceil) return "ceil";
  if (operation == Operation::floor) return "floor";
  return operation == Operation::select ? "a choice between constants" : "a comparison";
}

/// What is known of a node: whether free variables move it, whether with a derivative, and the first step on the way.
struct Fact {
  bool is_moved = false;
  bool is_sloped = false;
  std::string step;

  void join(const Fact& other) {
    is_moved = is_moved || other.is_moved;
    is_sloped = is_sloped || other.is_sloped;
    if (step.empty()) step = other.step;
  }
};

class Steps {
 public:
  Steps(const Tape& tape, Id end, const std::vector<bool>& is_free) : tape_(tape), facts_(static_cast<std::size_t>(end)) {
    for (std::size_t j = 0; j < is_free.size(); ++j)
      if (is_free[j]) facts_[static_cast<std::size_t>(tape.variable(static_cast<Index>(j)))] = {true, true, ""};
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
    if (fact.is_moved && !fact.is_sloped && fact.step.empty()) fact.step = name_of(node.operation);
    return fact;
  }

  Fact fact_of_output(const Node& node) {
    const Call& call = tape_.calls()[static_cast<std::size_t>(node.a)];
    Fact fact;
    std::vector<bool> is_moved;
    for (const Scaled& input : call.inputs) {
      is_moved.push_back(!input.is_zero() && (*this)[input.id].is_moved);
      if (is_moved.back()) fact.join((*this)[input.id]);
    }
    if (!fact.is_moved) return {};
    auto& steps = steps_of_calls_[node.a];
    if (steps.empty()) steps = tape_.external(call).steps(is_moved);
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
    const auto steps = external->steps(std::vector<bool>(static_cast<std::size_t>(external->n_inputs()), true));
    return std::any_of(steps.begin(), steps.end(), [](const std::string& step) { return !step.empty(); });
  });
}

std::vector<std::string> find_steps(const Tape& tape, const std::vector<Scaled>& roots, Index n_nodes,
                                    const std::vector<bool>& is_free) {
  const Steps steps(tape, static_cast<Id>(tape.n_leaves() + n_nodes), is_free);
  std::vector<std::string> result;
  for (const Scaled& root : roots) result.push_back(root.is_zero() ? "" : steps[root.id].step);
  return result;
}

}  // namespace fastexpr::tape
