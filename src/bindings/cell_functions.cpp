#include "nlp/cell_functions.hpp"

#include <utility>

#include "bindings/program_methods.hpp"

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
            const Numbers x = point_of(self, point);
            Integers result(self.n_units());
            std::int32_t* branches = result.mutable_data();
            released<CellFunctions>([&] { self.branches(x.data(), branches); });
            return result;
          },
          py::arg("x"))
      .def(
          "freeze",
          [](CellFunctions& self, const py::object& branches) {
            const Integers numbers = branches_of(self, branches);
            released<CellFunctions>([&] { self.freeze(numbers.data()); });
          },
          py::arg("branches"))
      .def_property_readonly(
          "frozen", [](const CellFunctions& self) { return array_of(released<CellFunctions>([&] { return self.frozen(); })); })
      .def(
          "walls",
          [](CellFunctions& self, const py::object& point) {
            const Numbers x = point_of(self, point);
            const CellFunctions::Walls walls = released<CellFunctions>([&] { return self.walls(x.data()); });
            const py::tuple pair = pair_of(walls.walls);
            return py::make_tuple(pair[0], pair[1], array_of(walls.arguments));
          },
          py::arg("x"))
      .def(
          "wall_gradients",
          [](CellFunctions& self, const py::object& point, const py::object& units, const py::object& to) {
            const Numbers x = point_of(self, point);
            const std::vector<CellFunctions::Wall> walls = walls_of(units, to);
            const CellFunctions::Rows rows = released<CellFunctions>([&] { return self.wall_gradients(x.data(), walls); });
            const std::vector<std::int64_t> starts(rows.starts.begin(), rows.starts.end());
            return py::make_tuple(array_of(starts), array_of(rows.columns), array_of(rows.entries));
          },
          py::arg("x"), py::arg("units"), py::arg("to"))
      .def(
          "choose",
          [](CellFunctions& self, const py::object& units, const py::object& to) {
            const std::vector<CellFunctions::Wall> walls = walls_of(units, to);
            released<CellFunctions>([&] { self.choose(walls); });
          },
          py::arg("units"), py::arg("to"))
      .def_property_readonly(
          "chosen", [](const CellFunctions& self) { return pair_of(released<CellFunctions>([&] { return self.chosen(); })); })
      .def_property_readonly("n_units", &CellFunctions::n_units)
      .def_property_readonly("n_walls",
                             [](const CellFunctions& self) { return released<CellFunctions>([&] { return self.n_walls(); }); })
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
  define_program(type);
  define_walls(type);
}

}  // namespace fastexpr::bindings
