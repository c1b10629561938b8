#include "nlp/cell_functions.hpp"

#include <utility>

#include "bindings/nlp_arguments.hpp"

namespace fastexpr::bindings {

namespace {

using nlp::CellFunctions;
using Integers = py::array_t<std::int32_t, aligned_rows>;

/// Whole numbers; others are refused, not cut.
Integers integers_of(const py::object& source, const char* what) {
  const py::array array = py::array::ensure(source);
  if (!array || array.ndim() != 1 || (array.size() > 0 && array.dtype().kind() != 'i' && array.dtype().kind() != 'u'))
    throw py::type_error(std::string("[CellFunctions] ") + what + ": got " + py::repr(source).cast<std::string>() +
                         ", expected a vector of whole numbers.");
  using Wide = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
  const Wide wide = Wide::ensure(array);
  Integers result(wide.size());
  for (Index i = 0; i < wide.size(); ++i) {
    if (!std::in_range<std::int32_t>(wide.data()[i]))
      throw py::value_error(std::string("[CellFunctions] ") + what + ": got " + std::to_string(wide.data()[i]) +
                            ", expected 32-bit numbers.");
    result.mutable_data()[i] = static_cast<std::int32_t>(wide.data()[i]);
  }
  return result;
}

Integers branches_of(const CellFunctions& self, const py::object& source) {
  Integers branches = integers_of(source, "branches");
  if (branches.size() != self.n_units())
    throw ShapeError("[CellFunctions] branches: got " + std::to_string(branches.size()) + ", expected one for each of " +
                     std::to_string(self.n_units()) + " units.");
  return branches;
}

std::vector<CellFunctions::Wall> walls_of(const py::object& units, const py::object& to) {
  const Integers first = integers_of(units, "units"), second = integers_of(to, "to");
  if (first.size() != second.size())
    throw ShapeError("[CellFunctions] units and to differ in length: got " + std::to_string(first.size()) + " and " +
                     std::to_string(second.size()) + ".");
  std::vector<CellFunctions::Wall> walls;
  for (Index k = 0; k < first.size(); ++k) walls.push_back({first.data()[k], second.data()[k]});
  return walls;
}

template <class Number>
py::array_t<Number> array_of(const std::vector<Number>& numbers) {
  return py::array_t<Number>(static_cast<Index>(numbers.size()), numbers.data());
}

py::tuple pair_of(const std::vector<CellFunctions::Wall>& walls) {
  std::vector<std::int32_t> units, to;
  for (const CellFunctions::Wall& wall : walls) {
    units.push_back(wall.unit);
    to.push_back(wall.to);
  }
  return py::make_tuple(array_of(units), array_of(to));
}

py::tuple described(const CellFunctions::Unit& unit) {
  if (unit.node == nullptr) return py::make_tuple(unit.operation, "", py::tuple(), unit.call);
  const Shape& shape = unit.node->op->shape();
  py::tuple index(shape.size());
  Index rest = unit.unit;
  for (std::size_t d = shape.size(); d-- > 0;) {
    index[d] = rest % shape[d];
    rest /= shape[d];
  }
  return py::make_tuple(unit.operation, unit.node->label, index, unit.call);
}

/// The result of a call that waits for other threads: they may need the GIL.
template <class Call>
auto without_gil(const Call& call) {
  const WithoutGil released;
  return call();
}

Index n_rows(const CellFunctions& self) {
  return self.n_rows() + without_gil([&] { return self.n_walls(); });
}

/// The result of a member function that takes its room as a span.
template <class Evaluate>
Numbers evaluated_span(Index size, const Evaluate& evaluate) {
  return evaluated(size, [&](double* result) { evaluate(std::span<double>(result, static_cast<std::size_t>(size))); });
}

/// A fact about every unit.
template <class Number, class Fact>
py::array_t<Number> of_units(const CellFunctions& self, const Fact& fact) {
  py::array_t<Number> result(self.n_units());
  for (Index u = 0; u < self.n_units(); ++u) result.mutable_data()[u] = fact(self.unit(u));
  return result;
}

void define_walls(py::class_<CellFunctions, std::shared_ptr<CellFunctions>>& type) {
  type.def(
          "branches",
          [](CellFunctions& self, const py::object& point) {
            const Numbers x = vector_of(point, self.n_variables(), "x");
            Integers result(self.n_units());
            std::int32_t* branches = result.mutable_data();
            const WithoutGil released;
            self.branches(x.data(), branches);
            return result;
          },
          py::arg("x"))
      .def(
          "freeze",
          [](CellFunctions& self, const py::object& branches) {
            const Integers numbers = branches_of(self, branches);
            const WithoutGil released;
            self.freeze(numbers.data());
          },
          py::arg("branches"))
      .def_property_readonly("frozen",
                             [](const CellFunctions& self) { return array_of(without_gil([&] { return self.frozen(); })); })
      .def(
          "walls",
          [](CellFunctions& self, const py::object& point) {
            const Numbers x = vector_of(point, self.n_variables(), "x");
            const CellFunctions::Walls walls = without_gil([&] { return self.walls(x.data()); });
            const py::tuple pair = pair_of(walls.walls);
            return py::make_tuple(pair[0], pair[1], array_of(walls.arguments));
          },
          py::arg("x"))
      .def(
          "wall_gradients",
          [](CellFunctions& self, const py::object& point, const py::object& units, const py::object& to) {
            const Numbers x = vector_of(point, self.n_variables(), "x");
            const std::vector<CellFunctions::Wall> walls = walls_of(units, to);
            const CellFunctions::Rows rows = without_gil([&] { return self.wall_gradients(x.data(), walls); });
            const std::vector<std::int64_t> starts(rows.starts.begin(), rows.starts.end());
            return py::make_tuple(array_of(starts), array_of(rows.columns), array_of(rows.entries));
          },
          py::arg("x"), py::arg("units"), py::arg("to"))
      .def(
          "choose",
          [](CellFunctions& self, const py::object& units, const py::object& to) {
            const std::vector<CellFunctions::Wall> walls = walls_of(units, to);
            const WithoutGil released;
            self.choose(walls);
          },
          py::arg("units"), py::arg("to"))
      .def_property_readonly("chosen",
                             [](const CellFunctions& self) { return pair_of(without_gil([&] { return self.chosen(); })); })
      .def_property_readonly("n_units", &CellFunctions::n_units)
      .def_property_readonly("n_walls", [](const CellFunctions& self) { return without_gil([&] { return self.n_walls(); }); })
      .def_property_readonly("n_calls", &CellFunctions::n_calls)
      .def_property_readonly("unit_calls",
                             [](const CellFunctions& self) {
                               return of_units<std::int32_t>(self, [](const CellFunctions::Unit& unit) { return unit.call; });
                             })
      .def_property_readonly("unit_jumps",
                             [](const CellFunctions& self) {
                               return of_units<bool>(self, [](const CellFunctions::Unit& unit) { return unit.is_step; });
                             })
      .def_property_readonly("unit_ranks",
                             [](const CellFunctions& self) {
                               return of_units<std::int32_t>(self, [](const CellFunctions::Unit& unit) { return unit.rank; });
                             })
      .def(
          "describe", [](const CellFunctions& self, Index unit) { return described(self.unit(unit)); }, py::arg("unit"))
      .def(
          "call_inputs", [](const CellFunctions& self, Index call) { return array_of(self.call_inputs(call)); }, py::arg("call"));
}

}  // namespace

void define_cell_functions(py::module_& module) {
  py::class_<CellFunctions, std::shared_ptr<CellFunctions>> type(
      module, "CellFunctions", "A nonlinear program whose kinked units are on frozen branches, and walls of its cell as rows.");
  define_new(type);
  define_walls(type);
  type.def(
          "set_parameters",
          [](CellFunctions& self, const py::object& values) {
            const Numbers numbers = vector_of(values, self.n_parameters(), "values");
            const WithoutGil released;
            self.set_parameters(numbers.data());
          },
          py::arg("values"))
      .def(
          "objective",
          [](CellFunctions& self, const py::object& point) {
            const Numbers x = vector_of(point, self.n_variables(), "x");
            const WithoutGil released;
            return self.objective(x.data());
          },
          py::arg("x"))
      .def(
          "gradient",
          [](CellFunctions& self, const py::object& point) {
            const Numbers x = vector_of(point, self.n_variables(), "x");
            return evaluated(self.n_variables(), [&](double* result) { self.gradient(x.data(), result); });
          },
          py::arg("x"))
      .def(
          "constraints",
          [](CellFunctions& self, const py::object& point) {
            const Numbers x = vector_of(point, self.n_variables(), "x");
            return evaluated_span(n_rows(self), [&](std::span<double> result) { self.constraints(x.data(), result); });
          },
          py::arg("x"))
      .def(
          "jacobian",
          [](CellFunctions& self, const py::object& point) {
            const Numbers x = vector_of(point, self.n_variables(), "x");
            return evaluated_span(without_gil([&] { return self.n_jacobian_entries(); }),
                                  [&](std::span<double> result) { self.jacobian(x.data(), result); });
          },
          py::arg("x"))
      .def(
          "hessian",
          [](CellFunctions& self, const py::object& point, const py::object& multipliers, double objective_factor) {
            if (!self.has_hessian()) throw py::value_error("[CellFunctions] compiled without second derivatives.");
            const Numbers x = vector_of(point, self.n_variables(), "x"), w = vector_of(multipliers, n_rows(self), "multipliers");
            return evaluated(static_cast<Index>(self.hessian_positions().rows.size()), [&](double* result) {
              const auto size = static_cast<std::size_t>(w.size());
              self.hessian(x.data(), {w.data(), size}, objective_factor, result);
            });
          },
          py::arg("x"), py::arg("multipliers"), py::arg("objective_factor") = 1.0)
      .def("row_constants",
           [](CellFunctions& self) {
             return evaluated_span(n_rows(self), [&](std::span<double> result) { self.row_constants(result); });
           })
      .def(
          "steps",
          [](const CellFunctions& self, const py::object& lower, const py::object& upper) {
            const Numbers low = side_from(lower, self.n_variables(), "lower"),
                          high = side_from(upper, self.n_variables(), "upper");
            return texts_from(without_gil([&] { return self.steps(low.data(), high.data()); }));
          },
          py::arg("lower"), py::arg("upper"))
      .def("jacobian_structure",
           [](const CellFunctions& self) { return structure(without_gil([&] { return self.jacobian_positions(); })); })
      .def("hessian_structure", [](const CellFunctions& self) { return structure(self.hessian_positions()); })
      .def_property_readonly("n_variables", &CellFunctions::n_variables)
      .def_property_readonly("n_parameters", &CellFunctions::n_parameters)
      .def_property_readonly("n_rows", &CellFunctions::n_rows)
      .def_property_readonly("has_hessian", &CellFunctions::has_hessian);
}

}  // namespace fastexpr::bindings
