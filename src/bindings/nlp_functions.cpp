#include "nlp/nlp_functions.hpp"

#include "bindings/program_methods.hpp"
#include "nlp/network.hpp"
#include "nlp/opcodes.hpp"

namespace fastexpr::bindings {

namespace {

using nlp::NlpFunctions;
using tape::ExternalPointer;
using Bytes = py::array_t<std::uint8_t, aligned_rows>;
using Integers = py::array_t<std::int32_t, aligned_rows>;

/// A Python object as an external function: it is asked point by point, with the GIL. What it raises reaches the caller.
class PythonExternal : public tape::External {
 public:
  explicit PythonExternal(const py::object& object)
      : n_inputs_(object.attr("n_inputs").cast<Index>()),
        n_outputs_(object.attr("n_outputs").cast<Index>()),
        object_(new py::object(object), [](py::object* held) {
          const WithGil gil;  // whoever drops it last may not hold it
          delete held;
        }) {}

  Index n_inputs() const override { return n_inputs_; }
  Index n_outputs() const override { return n_outputs_; }
  Entries jacobian_entries() const override {
    Entries result{{}, n_outputs_ * n_inputs_};
    for (Index k = 0; k < n_outputs_; ++k)
      for (Index j = 0; j < n_inputs_; ++j) result.entries.push_back(entry(k, j));
    return result;
  }
  Entries hessian_entries() const override {
    Entries result{{}, n_inputs_ * n_inputs_};
    for (Index i = 0; i < n_inputs_; ++i)
      for (Index j = 0; j <= i; ++j) result.entries.push_back(entry(i, j));
    return result;
  }

  std::unique_ptr<External::Evaluation> evaluation(Index points, int) const override {
    return std::make_unique<Evaluation>(*this, points);
  }

  /// What messages call it: its attribute name, or its class.
  std::string name() const {
    const py::object named = py::hasattr(*object_, "name") ? *object_ : py::type::of(*object_);
    return py::str(named.attr(py::hasattr(named, "name") ? "name" : "__name__"));
  }

 private:
  class Evaluation final : public External::Evaluation {
   public:
    Evaluation(const PythonExternal& external, Index points) : external_(external), points_(points) {}

    void value(const double* x, double* value) override {
      for (Index p = 0; p < points_; ++p) external_.ask(x + p * n(), 0, {m()}, value + p * m());
    }
    void jacobian(const double* x, double* jacobian) override {
      for (Index p = 0; p < points_; ++p) external_.ask(x + p * n(), 1, {m(), n()}, jacobian + p * m() * n());
    }
    void hessian(const double* x, const double* weights, double* hessian) override {
      const Index size = n() * n();
      std::vector<double> hessians(static_cast<std::size_t>(m() * size));
      for (Index p = 0; p < points_; ++p) {
        external_.ask(x + p * n(), 2, {m(), n(), n()}, hessians.data());
        for (Index e = 0; e < size; ++e) {
          double total = 0.0;
          for (Index k = 0; k < m(); ++k) total += weights[p * m() + k] * hessians[static_cast<std::size_t>(k * size + e)];
          hessian[p * size + e] = total;
        }
      }
    }

   private:
    Index n() const { return external_.n_inputs(); }
    Index m() const { return external_.n_outputs(); }

    const PythonExternal& external_;
    Index points_;
  };

  Entry entry(Index row, Index column) const {
    return {static_cast<std::int32_t>(row), static_cast<std::int32_t>(column),
            static_cast<std::int32_t>(row * n_inputs_ + column)};
  }

  void ask(const double* x, int order, const Shape& shape, double* result) const {
    const WithGil gil;
    const py::tuple answers = called(object_->attr("evaluate"), py::make_tuple(Numbers(n_inputs_, x), order));
    const auto numbers = Numbers::ensure(answers[static_cast<std::size_t>(order)]);
    if (!numbers)
      throw py::type_error("[NlpFunctions] an external function gave no array of real numbers for order " +
                           std::to_string(order) + ": got " +
                           py::repr(answers[static_cast<std::size_t>(order)]).cast<std::string>() + ".");
    if (Shape(numbers.shape(), numbers.shape() + numbers.ndim()) != shape)
      throw ShapeError("[NlpFunctions] an external function gave derivatives of order " + std::to_string(order) +
                       " of a wrong shape: got " + to_string(Shape(numbers.shape(), numbers.shape() + numbers.ndim())) +
                       ", expected " + to_string(shape) + ".");
    std::copy_n(numbers.data(), numbers.size(), result);
  }

  Index n_inputs_, n_outputs_;
  std::shared_ptr<py::object> object_;
};

ExternalPointer external_from(const py::handle& target) {
  if (py::isinstance<Function>(target)) return std::make_shared<nlp::Network>(shared_from<Function>(target));
  return std::make_shared<PythonExternal>(py::reinterpret_borrow<py::object>(target));
}

template <class Number, class Array>
std::span<const Number> view(const Array& array, const char* what) {
  if (array.ndim() != 1) throw ShapeError(std::string("[NlpFunctions] ") + what + " must have one dimension.");
  return {array.data(), static_cast<std::size_t>(array.size())};
}

std::shared_ptr<NlpFunctions> make(const Bytes& opcodes, const Integers& counts, const Integers& operands,
                                   const Numbers& constants, Index n_variables, Index n_parameters, std::int32_t objective,
                                   const Integers& rows, const py::sequence& targets, bool has_hessian,
                                   const py::object& parameters) {
  if (n_variables < 0 || n_parameters < 0) throw ShapeError("[NlpFunctions] numbers of variables and parameters are negative.");
  nlp::Statement statement{view<std::uint8_t>(opcodes, "opcodes"),
                           view<std::int32_t>(counts, "counts"),
                           view<std::int32_t>(operands, "operands"),
                           view<double>(constants, "constants"),
                           n_variables,
                           n_parameters,
                           objective,
                           view<std::int32_t>(rows, "rows")};
  std::vector<ExternalPointer> externals;
  for (const py::handle target : targets) externals.push_back(external_from(target));
  const auto functions =
      released<NlpFunctions>([&] { return std::make_shared<NlpFunctions>(statement, std::move(externals), has_hessian); });
  if (!parameters.is_none()) set_parameters(*functions, parameters);
  return functions;
}

/// The function as Python knows it. TypeError for one that exists in this process only.
py::object target_from(const tape::External& external) {
  if (const auto* network = dynamic_cast<const nlp::Network*>(&external)) return py::cast(as_holder(network->function()));
  throw py::type_error("[NlpFunctions '" + static_cast<const PythonExternal&>(external).name() +
                       "'] a program cannot be pickled with a function that is evaluated outside of fastexpr. Compile the model "
                       "again where it is wanted.");
}

template <class Array, class Number>
Array array_of(std::span<const Number> numbers) {
  return Array(static_cast<Index>(numbers.size()), numbers.data());
}

/// What pickle makes it of: the arguments of `make`.
py::tuple reduced(const py::object& self) {
  const auto& functions = self.cast<const NlpFunctions&>();
  const nlp::Statement& stated = functions.statement();
  py::list targets;
  for (const ExternalPointer& external : functions.externals()) targets.append(target_from(*external));
  Numbers parameters(functions.n_parameters());
  functions.parameters(parameters.mutable_data());
  const auto arguments =
      py::make_tuple(array_of<Bytes>(stated.opcodes), array_of<Integers>(stated.counts), array_of<Integers>(stated.operands),
                     array_of<Numbers>(stated.constants), stated.n_variables, stated.n_parameters, stated.objective,
                     array_of<Integers>(stated.rows), targets, functions.has_hessian(), parameters);
  return py::make_tuple(py::type::of(self), arguments);
}

std::shared_ptr<NlpFunctions> copied(const NlpFunctions& self) {
  return released<NlpFunctions>([&] { return std::make_shared<NlpFunctions>(self); });
}

}  // namespace

void define_nlp_functions(py::module_& module) {
  module.def(
      "tape_opcodes",
      [] {
        py::dict result;
        for (std::size_t i = 0; i < nlp::opcode_table.size(); ++i) result[py::str(std::string(nlp::opcode_table[i].name))] = i;
        return result;
      },
      "Numbers of the operations in the flat arrays of NlpFunctions, by name.");
  py::class_<NlpFunctions, std::shared_ptr<NlpFunctions>> type(
      module, "NlpFunctions",
      "Objective and rows of a nonlinear program, compiled from flat arrays, with sparse exact derivatives.");
  define_new(type);
  define_program(type);
  type.def(py::init(&make), py::arg("opcodes"), py::arg("counts"), py::arg("operands"), py::arg("constants"),
           py::arg("n_variables"), py::arg("n_parameters"), py::arg("objective"), py::arg("rows"), py::arg("targets"),
           py::arg("has_hessian") = true, py::arg("parameters") = py::none())
      .def("copy", &copied,
           "The same program for another thread: shares all that was compiled, and has parameters and a point of its own.")
      .def("__copy__", &copied)
      .def(
          "__deepcopy__", [](const NlpFunctions& self, const py::dict&) { return copied(self); }, py::arg("memo"))
      .def("__reduce__", &reduced)
      .def(
          "values",
          [](NlpFunctions& self, const py::object& points) {
            const Numbers x = numbers_from(points, "points");
            if (x.ndim() != 2 || x.shape(1) != self.n_variables())
              throw ShapeError("[NlpFunctions] points have a wrong shape: got " +
                               to_string(Shape(x.shape(), x.shape() + x.ndim())) + ", expected (count, " +
                               std::to_string(self.n_variables()) + ").");
            const Index count = x.shape(0);
            Numbers objectives(count), rows(std::vector<Index>{count, self.n_rows()});
            double *first = objectives.mutable_data(), *second = rows.mutable_data();
            released<NlpFunctions>([&] { self.values(x.data(), count, first, second); });
            return py::make_tuple(objectives, rows);
          },
          py::arg("points"), "Objective (count,) and rows (count, m) at points (count, n), networks in one batch.")
      .def(
          "cells",
          [](NlpFunctions& self) {
            if (!self.has_kinks()) throw py::value_error("[NlpFunctions] has no kinks, so it is one cell.");
            return released<NlpFunctions>([&] { return std::shared_ptr<nlp::CellFunctions>(self.cells()); });
          },
          "The program with its kinked units on given branches: see CellFunctions.")
      .def_property_readonly("has_kinks", &NlpFunctions::has_kinks)
      .def_property_readonly("n_nodes", &NlpFunctions::n_nodes, "Nodes of the model's own algebra.")
      .def_property_readonly("n_instructions", &NlpFunctions::n_instructions,
                             "Numbers computed at a point, derivatives included.")
      .def_property_readonly("n_batches", &NlpFunctions::n_batches, "Batches of functions' calls at a point, by order.")
      .def_property_readonly("n_runs", &NlpFunctions::n_runs, "Loops in which they are computed.")
      .def_property_readonly("n_bytes", &NlpFunctions::bytes, "Memory of all that.");
}

}  // namespace fastexpr::bindings
