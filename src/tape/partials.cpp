#include "tape/partials.hpp"

#include <algorithm>
#include <cmath>

// With v the node and a, b its operands:
//   reciprocal v' = -v^2, v'' = 2 v^3          sqrt v' = 1/(2v), v'' = -v'/(2a)       log v' = 1/a, v'' = -v'^2
//   tan v' = 1 + v^2, v'' = 2 v v'             asin v' = ((1-a)(1+a))^(-1/2), v'' = a v'^3
//   atan v' = 1/(1+a^2), v'' = -2 a v'^2       tanh v' = sech^2 a, v'' = -2 v v'
//   asinh v' = (1+a^2)^(-1/2), v'' = -a v'^3   acosh v' = ((a-1)(a+1))^(-1/2), v'' = -a v'^3
//   atanh v' = 1/((1-a)(1+a)), v'' = 2 a v'^2  abs v' = sign a (0 at 0)

namespace fastexpr::tape {

namespace {

Scaled times(double factor, Scaled x) { return {factor * x.scale, x.id}; }

}  // namespace

Partials::Partials(Tape& tape) : tape_(tape), n_nodes_(static_cast<std::size_t>(tape.size())) {
  tape.begin_derivatives();
  for (std::size_t target = 0; target < tape.externals().size(); ++target) {
    const External::Entries& jacobian = tape.jacobian_entries(static_cast<Index>(target));
    std::vector<std::size_t> starts(static_cast<std::size_t>(tape.externals()[target]->n_outputs()) + 1, 0);
    for (const External::Entry& entry : jacobian.entries) ++starts[static_cast<std::size_t>(entry.row) + 1];
    for (std::size_t k = 1; k < starts.size(); ++k) starts[k] += starts[k - 1];
    starts_of_outputs_.push_back(std::move(starts));
  }
  first_jacobian_.assign(tape.calls().size(), 0);
}

void Partials::add_first(Id operand, Scaled derivative) {
  if (!derivative.is_zero() && tape_.node(operand).depends) first_.push_back({operand, derivative});
}

const std::vector<Partial>& Partials::first(Id id) {
  first_.clear();
  const Node node = tape_.node(id);  // a copy: derivatives are appended to the same tape
  if (node.operation == Operation::sum) {
    for (const Term& t : tape_.terms(node)) {
      if (t.a == t.b) {
        add_first(t.a, {2.0 * t.scale, t.a});
      } else {
        add_first(t.a, {t.scale, t.b});
        add_first(t.b, {t.scale, t.a});
      }
    }
  } else if (node.operation == Operation::given) {
    add_output(node);
  } else if (is_unary(node.operation)) {
    add_unary(node, id);
  } else if (!is_leaf(node.operation)) {
    add_other(node);
  }
  return first_;
}

void Partials::add_unary(const Node& node, Id id) {
  if (tape_.node(node.a).depends) add_first(node.a, first_of_unary(node, id));
}

Scaled Partials::first_of_unary(const Node& node, Id id) {
  const Scaled v = Tape::as_scaled(id), a = Tape::as_scaled(node.a), unit = Tape::constant(1.0);
  const auto square = [this](Scaled x) { return tape_.product(x, x); };
  const auto reciprocal = [this](Scaled x) { return tape_.apply(Operation::reciprocal, x); };
  const auto reciprocal_root = [&](Scaled x) { return reciprocal(tape_.apply(Operation::sqrt, x)); };
  const auto one_minus_square = [&] { return tape_.product(tape_.plus(unit, times(-1.0, a)), tape_.plus(unit, a)); };
  switch (node.operation) {
    case Operation::reciprocal:
      return times(-1.0, square(v));
    case Operation::sqrt:
      return times(0.5, reciprocal(v));
    case Operation::exp:
      return v;
    case Operation::log:
      return reciprocal(a);
    case Operation::log10:
      return times(1.0 / std::log(10.0), reciprocal(a));
    case Operation::sin:
      return tape_.apply(Operation::cos, a);
    case Operation::cos:
      return times(-1.0, tape_.apply(Operation::sin, a));
    case Operation::tan:
      return tape_.plus(unit, square(v));
    case Operation::asin:
      return reciprocal_root(one_minus_square());
    case Operation::acos:
      return times(-1.0, reciprocal_root(one_minus_square()));
    case Operation::atan:
      return reciprocal(tape_.plus(unit, square(a)));
    case Operation::sinh:
      return tape_.apply(Operation::cosh, a);
    case Operation::cosh:
      return tape_.apply(Operation::sinh, a);
    case Operation::tanh:
      return tape_.apply(Operation::sech2, a);
    case Operation::asinh:
      return reciprocal_root(tape_.plus(unit, square(a)));
    case Operation::acosh:
      return reciprocal_root(tape_.product(tape_.plus(a, times(-1.0, unit)), tape_.plus(a, unit)));
    case Operation::atanh:
      return reciprocal(one_minus_square());
    case Operation::abs:
      return tape_.apply(Operation::sign, a);
    default:
      return {};  // ceil, floor: constant between their steps
  }
}

Scaled Partials::second_of_unary(const Node& node, Id id) {
  const Scaled v = Tape::as_scaled(id), a = Tape::as_scaled(node.a), d = first_of_unary(node, id);
  const auto product = [this](Scaled x, Scaled y) { return tape_.product(x, y); };
  // a d^2, a d^3: factor by factor, for d^2 is too small for a double long before a d^2 is.
  const auto times_square = [&](Scaled x, Scaled y) { return product(product(x, y), y); };
  switch (node.operation) {
    case Operation::reciprocal:
      return times(-2.0, product(d, v));
    case Operation::sqrt:
      return times(-0.5, product(d, tape_.apply(Operation::reciprocal, a)));
    case Operation::exp:
      return v;
    case Operation::log:
      return times(-1.0, product(d, d));
    case Operation::log10:
      return times(-std::log(10.0), product(d, d));
    case Operation::sin:
    case Operation::cos:
      return times(-1.0, v);
    case Operation::tan:
      return times(2.0, product(v, d));
    case Operation::asin:
    case Operation::acos:
      return product(times_square(a, d), d);
    case Operation::atan:
      return times(-2.0, times_square(a, d));
    case Operation::sinh:
    case Operation::cosh:
      return v;
    case Operation::tanh:
      return times(-2.0, product(v, d));
    case Operation::asinh:
    case Operation::acosh:
      return times(-1.0, product(times_square(a, d), d));
    case Operation::atanh:
      return times(2.0, times_square(a, d));
    default:
      return {};
  }
}

void Partials::add_other(const Node& node) {
  const Scaled a = Tape::as_scaled(node.a), b = Tape::as_scaled(node.b), unit = Tape::constant(1.0);
  const bool a_depends = tape_.node(node.a).depends, b_depends = tape_.node(node.b).depends;
  const auto add_choice = [&](Id first, Id second, Scaled is_first) {
    add_first(first, is_first);
    add_first(second, tape_.plus(unit, times(-1.0, is_first)));
  };
  switch (node.operation) {
    case Operation::power:
      if (tape_.is_constant_node(node.b)) {
        const double p = tape_.constant_of(node.b);
        add_first(node.a, times(p, tape_.power(a, Tape::constant(p - 1.0))));
        break;
      }
      if (a_depends) add_first(node.a, tape_.apply(Operation::power_da, a, b));
      if (b_depends) add_first(node.b, tape_.apply(Operation::power_db, a, b));
      break;
    case Operation::minimum:
      add_choice(node.a, node.b, tape_.apply(Operation::less_equal, a, b));
      break;
    case Operation::maximum:
      add_choice(node.a, node.b, tape_.apply(Operation::less_equal, b, a));
      break;
    case Operation::select:
      add_choice(node.b, node.c, a);
      break;
    default:
      break;  // comparisons are constant but for jumps
  }
}

void Partials::add_output(const Node& node) {
  const auto number = static_cast<std::size_t>(node.a);
  const Call& call = tape_.calls()[number];
  const std::vector<std::size_t>& starts = starts_of_outputs_[static_cast<std::size_t>(call.target)];
  const std::vector<External::Entry>& entries = tape_.jacobian_entries(call.target).entries;
  if (first_jacobian_[number] == 0) {
    first_jacobian_[number] = tape_.size();
    for (const External::Entry& entry : entries) tape_.given(node.a, 1, entry.place);
  }
  const auto output = static_cast<std::size_t>(node.c);
  for (std::size_t e = starts[output]; e < starts[output + 1]; ++e) {
    const Scaled& input = call.inputs[static_cast<std::size_t>(entries[e].column)];
    add_first(input.id, {input.scale, first_jacobian_[number] + static_cast<Id>(e)});
  }
}

const std::vector<SecondPartial>& Partials::second(Id id) {
  second_.clear();
  const Node node = tape_.node(id);
  const auto depends = [this](Id operand) { return tape_.node(operand).depends; };
  if (node.operation == Operation::sum) {
    for (const Term& t : tape_.terms(node).subspan(static_cast<std::size_t>(node.b)))
      if (depends(t.a) && depends(t.b)) second_.push_back({t.a, t.b, Tape::constant(t.a == t.b ? 2.0 * t.scale : t.scale)});
  } else if (is_unary(node.operation) && depends(node.a)) {
    const Scaled second = second_of_unary(node, id);
    if (!second.is_zero()) second_.push_back({node.a, node.a, second});
  } else if (node.operation == Operation::power) {
    const Scaled a = Tape::as_scaled(node.a), b = Tape::as_scaled(node.b);
    if (tape_.is_constant_node(node.b)) {
      const double p = tape_.constant_of(node.b);
      second_.push_back({node.a, node.a, times(p * (p - 1.0), tape_.power(a, Tape::constant(p - 2.0)))});
      return second_;
    }
    const bool is_same = node.a == node.b;
    if (depends(node.a)) second_.push_back({node.a, node.a, tape_.apply(Operation::power_daa, a, b)});
    if (depends(node.b)) second_.push_back({node.b, node.b, tape_.apply(Operation::power_dbb, a, b)});
    if (depends(node.a) && depends(node.b))
      second_.push_back({node.a, node.b, times(is_same ? 2.0 : 1.0, tape_.apply(Operation::power_dab, a, b))});
  }
  return second_;
}

const std::vector<SecondPartial>& Partials::hessian_of_call(Index number) {
  second_.clear();
  const Call& call = tape_.calls()[static_cast<std::size_t>(number)];
  for (const External::Entry& entry : tape_.hessian_entries(call.target).entries) {
    const Scaled a = call.inputs[static_cast<std::size_t>(entry.row)], b = call.inputs[static_cast<std::size_t>(entry.column)];
    if (!tape_.node(a.id).depends || !tape_.node(b.id).depends) continue;
    const double mirrored = entry.row != entry.column && a.id == b.id ? 2.0 : 1.0;
    const Scaled derivative = tape_.given(number, 2, entry.place);
    second_.push_back({a.id, b.id, times(mirrored * a.scale * b.scale, derivative)});
  }
  return second_;
}

}  // namespace fastexpr::tape
