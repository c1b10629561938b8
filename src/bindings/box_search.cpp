#include "search/box_search.hpp"

#include <chrono>
#include <utility>
#include <vector>

#include "bindings/bindings.hpp"

namespace fastexpr::bindings {

namespace {

using Vector = py::array_t<double, aligned_rows>;

std::vector<double> vector_from(const Vector& array) { return {array.data(), array.data() + array.size()}; }

py::array array_from_vector(const std::vector<double>& numbers) {
  return py::array_t<double>(static_cast<Index>(numbers.size()), numbers.data());
}

std::shared_ptr<BoxSearch> make_search(const py::object& object, const Vector& lower, const Vector& upper, const Vector& limits,
                                       const Vector& rows, const Vector& row_limits, const Vector& integers, const py::list& cuts,
                                       double tolerance, double feasibility, double target) {
  const std::shared_ptr<Function> function = shared_from<Function>(object);
  const auto n = static_cast<std::size_t>(function->n_inputs());
  std::vector<bool> is_integer;
  for (const double flag : vector_from(integers)) is_integer.push_back(flag != 0);
  std::vector<std::vector<double>> jumps;
  for (const py::handle side : cuts) jumps.push_back(vector_from(side.cast<Vector>()));
  SearchProblem problem{function,
                        vector_from(lower),
                        vector_from(upper),
                        vector_from(limits),
                        vector_from(rows),
                        vector_from(row_limits),
                        is_integer,
                        jumps,
                        tolerance,
                        feasibility,
                        target};
  if (problem.lower.size() != n || problem.upper.size() != n || is_integer.size() != n || jumps.size() != n ||
      problem.limits.size() + 1 != static_cast<std::size_t>(function->n_outputs()) ||
      problem.rows.size() != n * problem.row_limits.size() || function->graph().outputs().size() != 1)
    throw py::value_error("sizes that do not fit the function");
  const WithoutGil released;
  return std::make_shared<BoxSearch>(std::move(problem));
}

}  // namespace

void define_box_search(py::module_& module) {
  py::class_<BoxSearch, std::shared_ptr<BoxSearch>> type(module, "BoxSearch",
                                                         "Branch and bound over boxes of x, behind fastexpr.global_minimum.");
  define_new(type);
  type.def(py::init(&make_search), py::arg("function"), py::arg("lower"), py::arg("upper"), py::arg("limits"), py::arg("rows"),
           py::arg("row_limits"), py::arg("is_integer"), py::arg("cuts"), py::arg("tolerance"), py::arg("feasibility"),
           py::arg("target"))
      .def("offer",
           [](BoxSearch& search, const Vector& x) {
             const WithoutGil released;
             search.offer(x.shape(0), x.data());
           })
      .def("run",
           [](BoxSearch& search, Index most_boxes, double seconds) {
             const auto limit = std::chrono::duration<double>(seconds < 1e8 ? seconds : 1e8);
             const auto now = std::chrono::steady_clock::now();
             const auto end = now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(limit);
             const WithoutGil released;
             search.run(most_boxes, end);
           })
      .def_property_readonly("is_done", &BoxSearch::is_done)
      .def_property_readonly("best",
                             [](const BoxSearch& search) -> py::object {
                               if (!search.has_point()) return py::none();
                               return array_from_vector(search.best());
                             })
      .def_property_readonly("objective", &BoxSearch::objective)
      .def_property_readonly("bound", &BoxSearch::bound)
      .def_property_readonly("n_boxes", &BoxSearch::n_boxes)
      .def_property_readonly("n_open", &BoxSearch::n_open)
      .def_property_readonly("least_box", [](const BoxSearch& search) { return array_from_vector(search.least_box()); });
}

}  // namespace fastexpr::bindings
