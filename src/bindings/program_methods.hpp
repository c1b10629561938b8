#pragma once

#include <span>
#include <string>
#include <type_traits>

#include "bindings/arguments.hpp"
#include "bindings/bindings.hpp"
#include "graph/errors.hpp"
#include "nlp/cell_functions.hpp"
#include "nlp/nlp_functions.hpp"

// What nonlinear programs have in common, in cells or not: their methods for solvers, and whose name messages begin with.

namespace fastexpr::bindings {

template <class Program>
const char* owner() {
  return std::is_same_v<Program, nlp::CellFunctions> ? "[CellFunctions] " : "[NlpFunctions] ";
}

/// The result of a call that needs no Python, or waits for threads that do.
template <class Program, class Call>
auto released(const Call& call) {
  try {
    const WithoutGil without_gil;
    return call();
  } catch (const GraphError& error) {
    throw GraphError(owner<Program>() + std::string(error.what()));
  }
}

template <class Program>
Numbers vector_of(const Program&, const py::object& source, Index size, const char* what) {
  Numbers numbers = numbers_from(source, what);
  if (numbers.ndim() != 1 || numbers.size() != size)
    throw ShapeError(owner<Program>() + std::string(what) + " has a wrong shape: got " +
                     to_string(Shape(numbers.shape(), numbers.shape() + numbers.ndim())) + ", expected (" + std::to_string(size) +
                     ",).");
  return numbers;
}

template <class Program>
Numbers point_of(const Program& self, const py::object& x) {
  return vector_of(self, x, self.n_variables(), "x");
}

/// Numbers as a program wants them: as a pointer, or with their count where it may have changed meanwhile.
template <class Number>
struct View {
  Number* numbers;
  Index size;

  operator Number*() const { return numbers; }
  operator std::span<Number>() const { return {numbers, static_cast<std::size_t>(size)}; }
};

/// What a member function writes into so much room.
template <class Program, class Evaluate>
Numbers evaluated(Index size, const Evaluate& evaluate) {
  Numbers result(size);
  const View<double> room{result.mutable_data(), size};
  released<Program>([&] { evaluate(room); });
  return result;
}

/// Rows as solvers see them: with the walls that were chosen.
template <class Program>
Index n_all_rows(const Program& self) {
  if constexpr (std::is_same_v<Program, nlp::CellFunctions>)
    return self.n_rows() + released<Program>([&] { return self.n_walls(); });
  else
    return self.n_rows();
}

inline py::tuple structure(const nlp::Positions& positions) {
  const auto array = [](const std::vector<std::int32_t>& numbers) {
    return py::array_t<std::int64_t>(py::array_t<std::int32_t>(static_cast<Index>(numbers.size()), numbers.data()));
  };
  return py::make_tuple(array(positions.rows), array(positions.columns));
}

template <class Program>
void set_parameters(Program& self, const py::object& values) {
  const Numbers numbers = vector_of(self, values, self.n_parameters(), "values");
  released<Program>([&] { self.set_parameters(numbers.data()); });
}

template <class Program>
Numbers hessian_of(Program& self, const py::object& point, const py::object& multipliers, double objective_factor) {
  if (!self.has_hessian()) throw py::value_error(owner<Program>() + std::string("compiled without second derivatives."));
  const Numbers x = point_of(self, point), w = vector_of(self, multipliers, n_all_rows(self), "multipliers");
  return evaluated<Program>(static_cast<Index>(self.hessian_positions().rows.size()), [&](View<double> result) {
    self.hessian(x.data(), View<const double>{w.data(), w.size()}, objective_factor, result);
  });
}

template <class Program>
void define_program(py::class_<Program, std::shared_ptr<Program>>& type) {
  type.def("set_parameters", &set_parameters<Program>, py::arg("values"))
      .def(
          "objective",
          [](Program& self, const py::object& point) {
            const Numbers x = point_of(self, point);
            return released<Program>([&] { return self.objective(x.data()); });
          },
          py::arg("x"))
      .def(
          "gradient",
          [](Program& self, const py::object& point) {
            const Numbers x = point_of(self, point);
            return evaluated<Program>(self.n_variables(), [&](View<double> result) { self.gradient(x.data(), result); });
          },
          py::arg("x"))
      .def(
          "constraints",
          [](Program& self, const py::object& point) {
            const Numbers x = point_of(self, point);
            return evaluated<Program>(n_all_rows(self), [&](View<double> result) { self.constraints(x.data(), result); });
          },
          py::arg("x"))
      .def(
          "jacobian",
          [](Program& self, const py::object& point) {
            const Numbers x = point_of(self, point);
            return evaluated<Program>(released<Program>([&] { return self.n_jacobian_entries(); }),
                                      [&](View<double> result) { self.jacobian(x.data(), result); });
          },
          py::arg("x"))
      .def("hessian", &hessian_of<Program>, py::arg("x"), py::arg("multipliers"), py::arg("objective_factor") = 1.0)
      .def("row_constants",
           [](Program& self) {
             return evaluated<Program>(n_all_rows(self), [&](View<double> result) { self.row_constants(result); });
           })
      .def(
          "steps",
          [](const Program& self, const py::object& lower, const py::object& upper) {
            const Numbers low = side_from(lower, self.n_variables(), "lower"),
                          high = side_from(upper, self.n_variables(), "upper");
            return texts_from(released<Program>([&] { return self.steps(low.data(), high.data()); }));
          },
          py::arg("lower"), py::arg("upper"))
      .def("jacobian_structure",
           [](const Program& self) { return structure(released<Program>([&] { return self.jacobian_positions(); })); })
      .def("hessian_structure", [](const Program& self) { return structure(self.hessian_positions()); })
      .def_property_readonly("n_variables", &Program::n_variables)
      .def_property_readonly("n_parameters", &Program::n_parameters)
      .def_property_readonly("n_rows", &Program::n_rows)
      .def_property_readonly("has_hessian", &Program::has_hessian);
}

}  // namespace fastexpr::bindings
