#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "fuzzing.hpp"
#include "nlp/cell_functions.hpp"
#include "nlp/network.hpp"
#include "nlp/nlp_functions.hpp"
#include "nlp/opcodes.hpp"

// Nonlinear programs from arrays: bytes are read as a statement that is mostly right, so that what it says is compiled and
// evaluated; now and then a number is wrong, and has to be refused.

using namespace fastexpr;
using namespace fastexpr::nlp;

namespace {

const std::vector<tape::ExternalPointer>& targets() {
  static const std::vector<tape::ExternalPointer> all{std::make_shared<Network>(fuzzing::chain(3, {"Tanh", "Exp"})),
                                                      std::make_shared<Network>(fuzzing::chain(3, {"Relu", "Tanh"}))};
  return all;
}

struct Arrays {
  std::vector<std::uint8_t> opcodes;
  std::vector<std::int32_t> counts, operands, rows;
  std::vector<double> constants;
  int n_variables, n_parameters;
  std::int32_t objective;

  explicit Arrays(fuzzing::Bytes& bytes) : n_variables(1 + bytes.below(6)), n_parameters(bytes.below(4)) {
    constants = bytes.usual_numbers(static_cast<std::size_t>(1 + bytes.below(6)));
    const int n_nodes = bytes.below(80), n_rows = bytes.below(6);
    while (static_cast<int>(opcodes.size()) < n_nodes && !bytes.at_end()) add_node(bytes);
    for (int i = 0; i < n_rows; ++i) rows.push_back(operand(bytes));
    objective = operand(bytes);
  }

  void add_node(fuzzing::Bytes& bytes) {
    const int choice = bytes.below(static_cast<int>(opcode_table.size()) + 6);
    const bool is_wrong = bytes.below(200) == 199;
    const auto code = static_cast<std::uint8_t>(std::min(choice, static_cast<int>(opcode_table.size()) - (is_wrong ? 0 : 1)));
    if (code < opcode_table.size() && code == output && calls_.empty()) return;
    const int expected = code < opcode_table.size() ? opcode_table[code].n_operands : 1;
    int count = expected == any ? 1 + bytes.below(4) : expected;
    if (code == call) count = 4;
    if (is_wrong) count += bytes.below(3) - 1;
    for (int k = 0; k < count; ++k) {
      if (code == call && k == 0) {
        operands.push_back(bytes.below(is_wrong ? 4 : 2));
      } else if (code == output && k == 0) {
        operands.push_back(bytes.below(is_wrong ? 5 : 3));
      } else if (code == output) {
        operands.push_back(calls_[static_cast<std::size_t>(bytes.below(static_cast<int>(calls_.size())))] * 4);
      } else {
        operands.push_back(operand(bytes));
      }
    }
    (code == call ? calls_ : numbers_).push_back(static_cast<std::int32_t>(opcodes.size()));
    opcodes.push_back(code);
    counts.push_back(count);
  }

  std::int32_t operand(fuzzing::Bytes& bytes) {
    const int choice = bytes.below(128);
    if (choice == 127) return bytes.raw<std::int32_t>();
    const auto any_of = [&](int count, Kind kind) { return bytes.below(count) * 4 + static_cast<std::int32_t>(kind); };
    if (choice % 2 == 0 && !numbers_.empty()) {
      const std::size_t back = std::min<std::size_t>(bytes.raw<std::uint8_t>() % 8, numbers_.size() - 1);
      return numbers_[numbers_.size() - 1 - back] * 4;
    }
    if (choice % 8 == 1 && n_parameters > 0) return any_of(n_parameters, Kind::parameter);
    if (choice % 8 == 3) return any_of(static_cast<int>(constants.size()), Kind::constant);
    return any_of(n_variables, Kind::variable);
  }

  bool compares() const {
    return std::any_of(opcodes.begin(), opcodes.end(), [](std::uint8_t code) { return code >= less && code <= both; });
  }

  Statement statement() const { return {opcodes, counts, operands, constants, n_variables, n_parameters, objective, rows}; }

 private:
  std::vector<std::int32_t> numbers_, calls_;  // nodes that are numbers, and those that are calls
};

/// With FUZZ_SHOW in the environment: what an input is.
void show(const Arrays& arrays, const std::vector<double>& x) {
  std::size_t next = 0;
  const auto print = [](std::int32_t operand) {
    static const char* const kinds[] = {"node", "x", "p", "constant"};
    std::fprintf(stderr, " %s[%d]", kinds[operand & 3], operand >> 2);
  };
  for (std::size_t i = 0; i < arrays.opcodes.size(); ++i) {
    std::fprintf(stderr, "node[%zu] = %s", i, std::string(opcode_table[arrays.opcodes[i]].name).c_str());
    for (int k = 0; k < arrays.counts[i]; ++k) print(arrays.operands[next++]);
    std::fprintf(stderr, "\n");
  }
  std::fprintf(stderr, "objective");
  print(arrays.objective);
  for (const std::int32_t row : arrays.rows) std::fprintf(stderr, "\nrow"), print(row);
  std::fprintf(stderr, "\nconstants");
  for (const double number : arrays.constants) std::fprintf(stderr, " %.17g", number);
  std::fprintf(stderr, "\nx");
  for (const double number : x) std::fprintf(stderr, " %.17g", number);
  std::fprintf(stderr, "\n");
}

std::size_t count(const Positions& positions) { return positions.rows.size(); }

bool are_equal(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
}

struct Evaluated {
  double objective;
  std::vector<double> gradient, rows, jacobian, hessian;
};

Evaluated evaluate(NlpFunctions& program, const std::vector<double>& x, const std::vector<double>& multipliers) {
  const auto n = static_cast<std::size_t>(program.n_variables()), m = static_cast<std::size_t>(program.n_rows());
  Evaluated result{0.0, std::vector<double>(n), std::vector<double>(m), {}, {}};
  result.jacobian.resize(count(program.jacobian_positions()));
  program.jacobian(x.data(), result.jacobian.data());
  if (program.has_hessian()) {
    result.hessian.resize(count(program.hessian_positions()));
    program.hessian(x.data(), multipliers.data(), 0.5, result.hessian.data());
  }
  result.objective = program.objective(x.data());
  program.gradient(x.data(), result.gradient.data());
  program.constraints(x.data(), result.rows.data());
  return result;
}

void expect_same(const std::vector<double>& a, const std::vector<double>& b, const char* what) {
  fuzzing::expect(a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), are_equal), what);
}

/// The program in the cell of x has the values that it has at x; and all walls can be rows.
void walk_into_cell(NlpFunctions& program, const Evaluated& expected, const std::vector<double>& x,
                    const std::vector<double>& multipliers, bool compares, fuzzing::Bytes& bytes) {
  const auto cells = program.cells();
  std::vector<Branch> branches(static_cast<std::size_t>(cells->n_units()));
  cells->branches(x.data(), branches.data());
  cells->freeze(branches.data());
  std::vector<double> rows(static_cast<std::size_t>(cells->n_rows()));
  cells->constraints(x.data(), rows);
  const auto walls = cells->walls(x.data());
  // What is not finite may be anything. A comparison of infinities has no side of the wall: no finite number shows them inside.
  if (!compares && std::all_of(walls.arguments.begin(), walls.arguments.end(), [](double u) { return std::isfinite(u); })) {
    const auto agree = [](double found, double at_x) { return !std::isfinite(at_x) || are_equal(found, at_x); };
    fuzzing::expect(agree(cells->objective(x.data()), expected.objective), "another objective in the cell of the point");
    fuzzing::expect(std::equal(rows.begin(), rows.end(), expected.rows.begin(), agree), "other rows in the cell of the point");
  }
  std::vector<CellFunctions::Wall> chosen;
  for (const auto& wall : walls.walls)
    if (bytes.below(3) > 0) chosen.push_back(wall);
  cells->wall_gradients(x.data(), chosen);
  cells->choose(chosen);
  rows.resize(rows.size() + chosen.size());
  cells->constraints(x.data(), rows);
  std::vector<double> jacobian(static_cast<std::size_t>(cells->n_jacobian_entries()));
  cells->jacobian(x.data(), jacobian);
  if (cells->has_hessian()) {
    std::vector<double> weights(multipliers), hessian(count(cells->hessian_positions()));
    weights.resize(rows.size(), 1.0);
    cells->hessian(x.data(), weights, 1.0, hessian.data());
  }
  for (Branch& branch : branches)
    if (bytes.below(4) == 0) branch = bytes.below(3);
  cells->freeze(branches.data());
  cells->objective(x.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzzing::refusable([&] {
    fuzzing::Bytes bytes({data, size});
    const Arrays arrays(bytes);
    NlpFunctions program(arrays.statement(), targets(), bytes.below(4) > 0);
    std::vector<double> parameters = bytes.usual_numbers(static_cast<std::size_t>(arrays.n_parameters));
    // A parameter that is 0 makes a term 0 whatever it is divided by, as in Pyomo; what a cell freezes is a parameter, too.
    std::replace(parameters.begin(), parameters.end(), 0.0, 0.5);
    program.set_parameters(parameters.data());
    const std::vector<double> x = bytes.usual_numbers(static_cast<std::size_t>(arrays.n_variables));
    const std::vector<double> multipliers = bytes.numbers(arrays.rows.size());
    if (std::getenv("FUZZ_SHOW") != nullptr) show(arrays, x);
    const Evaluated expected = evaluate(program, x, multipliers);
    NlpFunctions copy(program);
    const Evaluated again = evaluate(copy, x, multipliers);
    fuzzing::expect(are_equal(again.objective, expected.objective), "a copy has another objective");
    expect_same(again.gradient, expected.gradient, "a copy has another gradient");
    expect_same(again.jacobian, expected.jacobian, "a copy has another Jacobian");
    expect_same(again.hessian, expected.hessian, "a copy has another Hessian");
    if (program.has_kinks()) walk_into_cell(program, expected, x, multipliers, arrays.compares(), bytes);
  });
  return 0;
}
