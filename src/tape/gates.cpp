#include "tape/gates.hpp"

namespace fastexpr::tape {

namespace {

bool is_same(Scaled a, Scaled b) { return a.scale == b.scale && a.id == b.id; }
bool is_open(Scaled gate) { return gate.id == Tape::one && gate.scale != 0.0; }

class Gates {
 public:
  Gates(Tape& tape, const std::vector<Scaled>& roots) : tape_(tape), gates_(static_cast<std::size_t>(tape.size())) {
    for (const Scaled& root : roots) gate(root.id) = Tape::constant(1.0);
  }

  std::vector<Scaled> run() {
    for (auto v = static_cast<Id>(gates_.size()); v-- > tape_.n_leaves();)
      if (!gate(v).is_zero()) pass_on(v);
    return std::move(gates_);
  }

 private:
  Scaled& gate(Id id) { return gates_[static_cast<std::size_t>(id)]; }

  void pass_on(Id v) {
    const Node node = tape_.node(v);
    const Scaled own = gate(v);
    switch (node.operation) {
      case Operation::given:
        for (const Scaled& input : tape_.calls()[static_cast<std::size_t>(node.a)].inputs) open(input.id, own);
        return;
      case Operation::select: {
        const Scaled condition = Tape::as_scaled(node.a);
        open(node.a, own);
        open(node.b, both(own, condition));
        open(node.c, both(own, tape_.negation(condition)));
        return;
      }
      default:
        tape_.for_operands(node, [&](Id operand) { open(operand, own); });
    }
  }

  /// A further way by which the node counts.
  void open(Id id, Scaled way) {
    if (id < tape_.n_leaves()) return;
    Scaled& known = gate(id);
    known = known.is_zero() ? way : either(tape_, known, way);
  }

  Scaled both(Scaled a, Scaled b) {
    if (is_open(a) || is_same(a, b)) return b;
    return is_open(b) ? a : tape_.apply(Operation::both, a, b);
  }

  Tape& tape_;
  std::vector<Scaled> gates_;  // 0: not reached
};

}  // namespace

std::vector<Scaled> find_gates(Tape& tape, const std::vector<Scaled>& roots) { return Gates(tape, roots).run(); }

Scaled either(Tape& tape, Scaled a, Scaled b) {
  if (is_open(a) || is_same(a, b)) return a;
  if (is_open(b) || is_same(b, tape.negation(a)) || is_same(a, tape.negation(b))) return Tape::constant(1.0);
  return tape.apply(Operation::maximum, a, b);
}

Scaled gated(Tape& tape, Scaled gate, Scaled number) {
  if (is_open(gate) || Tape::is_constant(number)) return number;
  return tape.apply(Operation::select, gate, number, Tape::constant(0.0));
}

}  // namespace fastexpr::tape
