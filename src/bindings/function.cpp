#include <cmath>

#include "bindings/arguments.hpp"
#include "bindings/bindings.hpp"
#include "bindings/description.hpp"
#include "bindings/documentation.hpp"
#include "graph/errors.hpp"

namespace fastexpr::bindings {

namespace {

/// At least `count` ones, which nobody writes: one array for all calls with few points. The GIL is held.
Numbers ones(Index count) {
  constexpr Index few = 4096;
  const auto make = [](Index size) {
    Numbers array(std::vector<Index>{size});
    std::fill_n(array.mutable_data(), size, 1.0);
    return array;
  };
  if (count > few) return make(count);
  static const Numbers* const shared = new Numbers(make(few));  // never destroyed: Python may be gone by then
  return *shared;
}

Numbers weights_from(const Function& function, const py::object& weights, const Points& x) {
  const Index m = function.n_outputs();
  if (!weights.is_none()) return beside_points(function, Side::outputs, weights, x, "weights");
  if (m != 1)
    throw ShapeError("weights are missing: this network has " + std::to_string(m) +
                     " outputs, so say which combination of them, e.g. weights of shape (" + std::to_string(m) + ",)");
  return ones(x.count);
}

// Runs without the GIL: other Python threads go on.
void evaluate_released(const Function& function, const Request& request) {
  const WithoutGil released;
  function.evaluate(request);
}

py::object call(const Function& function, const py::object& argument, const py::object& out) {
  if (is_symbolic(argument)) {
    if (!out.is_none()) throw py::type_error("out= has no meaning for a symbolic argument");
    return called(imported("fastexpr.expression", "apply_function"), py::make_tuple(&function, argument));
  }
  const Points x = points_from(function, argument);
  Numbers value = result_array(out, with_batch(x, {function.n_outputs()}));
  Request request;
  request.points = x.count;
  request.x = x.data();
  request.value = value.mutable_data();
  evaluate_released(function, request);
  return value;
}

py::object sparse_matrix(const Pattern& pattern, const py::object& entries) {
  const py::array_t<Index> starts(static_cast<Index>(pattern.starts.size()), pattern.starts.data());
  const py::array_t<std::int32_t> indices(pattern.n_entries(), pattern.indices.data());
  const py::tuple shape = py::make_tuple(pattern.rows, pattern.columns);
  return called(imported("scipy.sparse", "csr_array"), py::make_tuple(py::make_tuple(entries, indices, starts)),
                py::dict(py::arg("shape") = shape));
}

void expect_sparse_call(const Points& x, const py::object& out) {
  if (x.is_batch) throw ShapeError("sparse=True takes one point of shape (n,), not a batch");
  if (!out.is_none()) throw py::type_error("out= is for dense results");
}

/// Found once, which may take a while; others wait for it, so not with the GIL.
const Structure& structure_of(const Function& function) {
  const WithoutGil released;
  return function.structure();
}

/// The entries alone: a SciPy matrix around them takes longer to make than a small Jacobian.
Numbers jacobian_entries(const Function& function, const Points& x) {
  Numbers entries(std::vector<Index>{structure_of(function).jacobian.n_entries()});
  double* numbers = entries.mutable_data();
  const WithoutGil released;
  function.sparse_jacobian(x.data(), numbers);
  return entries;
}

Numbers hessian_entries(const Function& function, const Points& x, const Numbers& weights) {
  Numbers entries(std::vector<Index>{structure_of(function).hessian.n_entries()});
  double* numbers = entries.mutable_data();
  const WithoutGil released;
  function.sparse_hessian(x.data(), weights.data(), numbers);
  return entries;
}

py::object jacobian(const Function& function, const py::object& argument, bool sparse, const py::object& out) {
  const Points x = points_from(function, argument);
  if (sparse) {
    expect_sparse_call(x, out);
    return sparse_matrix(structure_of(function).jacobian, jacobian_entries(function, x));
  }
  Numbers result = result_array(out, with_batch(x, {function.n_outputs(), function.n_inputs()}));
  Request request;
  request.points = x.count;
  request.x = x.data();
  request.jacobian = result.mutable_data();
  evaluate_released(function, request);
  return result;
}

py::object hessian(const Function& function, const py::object& argument, const py::object& weights, bool sparse,
                   const py::object& out) {
  const Points x = points_from(function, argument);
  const Numbers w = weights_from(function, weights, x);
  if (sparse) {
    expect_sparse_call(x, out);
    return sparse_matrix(structure_of(function).hessian, hessian_entries(function, x, w));
  }
  Numbers result = result_array(out, with_batch(x, {function.n_inputs(), function.n_inputs()}));
  Request request;
  request.points = x.count;
  request.x = x.data();
  request.weights = w.data();
  request.hessian = result.mutable_data();
  evaluate_released(function, request);
  return result;
}

py::tuple evaluate(const Function& function, const py::object& argument, const py::object& weights, int order,
                   const py::object& out) {
  if (order < 0 || order > 2) throw py::value_error("order must be 0, 1 or 2, got " + std::to_string(order));
  const Points x = points_from(function, argument);
  const Index n = function.n_inputs(), m = function.n_outputs();
  const py::object none = py::none();
  std::array<py::object, 3> given{none, none, none};
  if (!out.is_none()) {
    const auto arrays = py::cast<py::sequence>(out);
    if (static_cast<int>(arrays.size()) != order + 1)
      throw ShapeError("out must hold " + std::to_string(order + 1) + " arrays, got " + std::to_string(arrays.size()));
    for (std::size_t k = 0; k < arrays.size(); ++k) given[k] = arrays[k];
  }
  Request request;
  request.points = x.count;
  request.x = x.data();
  py::tuple result(static_cast<std::size_t>(order) + 1);
  Numbers value = result_array(given[0], with_batch(x, {m}));
  request.value = value.mutable_data();
  result[0] = value;
  if (order >= 1) {
    Numbers J = result_array(given[1], with_batch(x, {m, n}));
    request.jacobian = J.mutable_data();
    result[1] = J;
  }
  std::optional<Numbers> w;
  if (order == 2) {
    w = weights_from(function, weights, x);
    Numbers H = result_array(given[2], with_batch(x, {n, n}));
    request.weights = w->data();
    request.hessian = H.mutable_data();
    result[2] = H;
  }
  evaluate_released(function, request);
  return result;
}

Numbers gradient(const Function& function, const py::object& argument, const py::object& out) {
  if (function.n_outputs() != 1)
    throw ShapeError("gradient is for one output, this network has " + std::to_string(function.n_outputs()) +
                     ": use vjp(x, weights) for a combination of them, or jacobian(x)");
  const Points x = points_from(function, argument);
  Numbers result = result_array(out, with_batch(x, {function.n_inputs()}));
  const Numbers weights = ones(x.count);
  double* numbers = result.mutable_data();
  const WithoutGil released;
  function.vjp(x.count, x.data(), weights.data(), numbers);
  return result;
}

Numbers jvp(const Function& function, const py::object& argument, const py::object& direction, const py::object& out) {
  const Points x = points_from(function, argument);
  const Numbers d = beside_points(function, Side::inputs, direction, x, "direction");
  Numbers result = result_array(out, with_batch(x, {function.n_outputs()}));
  double* numbers = result.mutable_data();
  const WithoutGil released;
  function.jvp(x.count, x.data(), d.data(), numbers);
  return result;
}

Numbers vjp(const Function& function, const py::object& argument, const py::object& weights, const py::object& out) {
  const Points x = points_from(function, argument);
  const Numbers w = weights_from(function, weights, x);
  Numbers result = result_array(out, with_batch(x, {function.n_inputs()}));
  double* numbers = result.mutable_data();
  const WithoutGil released;
  function.vjp(x.count, x.data(), w.data(), numbers);
  return result;
}

Numbers hvp(const Function& function, const py::object& argument, const py::object& weights, const py::object& direction,
            const py::object& out) {
  const Points x = points_from(function, argument);
  const Numbers w = weights_from(function, weights, x);
  const Numbers d = beside_points(function, Side::inputs, direction, x, "direction");
  Numbers result = result_array(out, with_batch(x, {function.n_inputs()}));
  double* numbers = result.mutable_data();
  const WithoutGil released;
  function.hvp(x.count, x.data(), w.data(), d.data(), numbers);
  return result;
}

py::tuple sparsity(const Function& function) {
  const Structure& structure = structure_of(function);
  const auto pattern = [](const Pattern& known) {
    py::array_t<bool> entries(known.n_entries());
    std::fill_n(entries.mutable_data(), known.n_entries(), true);
    return sparse_matrix(known, entries);
  };
  return py::make_tuple(pattern(structure.jacobian), pattern(structure.hessian));
}

py::tuple pattern_arrays(const Pattern& pattern) {
  return py::make_tuple(py::array_t<Index>(static_cast<Index>(pattern.starts.size()), pattern.starts.data()),
                        py::array_t<std::int32_t>(pattern.n_entries(), pattern.indices.data()));
}

/// Row starts and columns of the two patterns: what `sparsity` makes SciPy matrices of, for programs that do without SciPy, whose
/// import takes longer than a small problem's whole solve.
py::tuple patterns(const Function& function) {
  const Structure& structure = structure_of(function);
  return py::make_tuple(pattern_arrays(structure.jacobian), pattern_arrays(structure.hessian));
}

/// lower and upper (boxes, n) -> bounds (boxes, size) by `find`.
template <class Find>
py::tuple bounds_on_boxes(const Function& function, const Numbers& lower, const Numbers& upper, const std::string& method,
                          Index size, const Find& find) {
  if (lower.ndim() != 2 || upper.ndim() != 2 || lower.shape(0) != upper.shape(0) || lower.shape(1) != function.n_inputs() ||
      upper.shape(1) != function.n_inputs())
    throw ShapeError("lower and upper must both have shape (boxes, " + std::to_string(function.n_inputs()) + ")");
  const Boxes boxes{lower.shape(0), lower.data(), upper.data()};
  Numbers low(std::vector<Index>{boxes.count, size}), high(std::vector<Index>{boxes.count, size});
  double *to_low = low.mutable_data(), *to_high = high.mutable_data();
  {
    const WithoutGil released;
    find(boxes, method == "interval" ? BoundsMethod::interval : BoundsMethod::linear, to_low, to_high);
  }
  return py::make_tuple(low, high);
}

}  // namespace

void define_function(py::module_& module) {
  const py::object none = py::none();
  py::class_<Function, std::shared_ptr<Function>> type(module, "Function", documentation::function);
  type.attr("__module__") = "fastexpr";
  define_new(type);
  type.def(py::init([](const py::object& x, const py::object& expression) {
             return called(imported("fastexpr.expression", "build_function"), py::make_tuple(x, expression))
                 .cast<std::shared_ptr<Function>>();
           }),
           py::arg("x"), py::arg("expression"))
      .def(py::init([](const py::object& function) {
             if (!py::isinstance<Function>(function)) throw py::reference_cast_error();  // the list of what it takes
             return shared_from<Function>(function);
           }),
           py::arg("function"))
      .def_static("_from_nodes", &function_from_nodes, py::arg("n_inputs"), py::arg("nodes"), py::arg("output_ids"),
                  py::arg("inputs"), py::arg("outputs"), py::arg("input_names") = none, py::arg("output_names") = none,
                  py::arg("lower") = none, py::arg("upper") = none, py::arg("input_units") = none, py::arg("output_units") = none)
      .def("_nodes", &nodes_of)
      .def("_output_ids",
           [](const Function& f) {
             py::list ids;
             for (const NodeId id : f.graph().outputs()) ids.append(id);
             return ids;
           })
      .def("__call__", &call, py::arg("x"), py::arg("out") = none, documentation::call)
      .def("jacobian", &jacobian, py::arg("x"), py::arg("sparse") = false, py::arg("out") = none, documentation::jacobian)
      .def("hessian", &hessian, py::arg("x"), py::arg("weights") = none, py::arg("sparse") = false, py::arg("out") = none,
           documentation::hessian)
      .def("_jacobian_entries",
           [](const Function& f, const py::object& x) {
             const Points point = points_from(f, x);
             expect_sparse_call(point, py::none());
             return jacobian_entries(f, point);
           })
      .def("_hessian_entries",
           [](const Function& f, const py::object& x, const py::object& weights) {
             const Points point = points_from(f, x);
             expect_sparse_call(point, py::none());
             return hessian_entries(f, point, weights_from(f, weights, point));
           })
      .def("_points",
           [](const Function& f, const py::object& x) {
             const Points points = points_from(f, x);
             return py::array(points.array).reshape(with_batch(points, {f.n_inputs()}).shape());
           })
      .def("_weights", [](const Function& f, const py::object& weights,
                          const py::object& x) { return beside_points(f, Side::outputs, weights, points_from(f, x), "weights"); })
      .def("evaluate", &evaluate, py::arg("x"), py::arg("weights") = none, py::arg("order") = 2, py::arg("out") = none,
           documentation::evaluate)
      .def("gradient", &gradient, py::arg("x"), py::arg("out") = none, documentation::gradient)
      .def("jvp", &jvp, py::arg("x"), py::arg("direction"), py::arg("out") = none, documentation::jvp)
      .def("vjp", &vjp, py::arg("x"), py::arg("weights") = none, py::arg("out") = none, documentation::vjp)
      .def("hvp", &hvp, py::arg("x"), py::arg("weights"), py::arg("direction"), py::arg("out") = none, documentation::hvp)
      .def("sparsity", &sparsity, documentation::sparsity)
      .def("_patterns", &patterns)
      .def("_hessian_ways",
           [](const Function& f) {
             HessianWays ways;
             {
               const WithoutGil released;
               ways = f.hessian_ways();
             }
             py::dict costs;
             for (const auto& [way, cost] : ways.costs) costs[py::str(way)] = cost;
             return py::make_tuple(ways.chosen, costs);
           })
      .def("_influence", [](const Function& f) { return pattern_arrays(f.influence()); })
      .def("_steps",
           [](const Function& f, const py::object& lower, const py::object& upper) {
             const Numbers low = side_from(lower, f.n_inputs(), "lower"), high = side_from(upper, f.n_inputs(), "upper");
             std::vector<Interval> x;
             for (Index i = 0; i < f.n_inputs(); ++i) x.push_back({low.data()[i], high.data()[i]});
             return texts_from(f.steps(x.data()));
           })
      .def("_output_bounds",
           [](const Function& f, const Numbers& lower, const Numbers& upper, const std::string& method) {
             return bounds_on_boxes(
                 f, lower, upper, method, f.n_outputs(),
                 [&](const Boxes& boxes, BoundsMethod way, double* low, double* high) { f.bounds(boxes, way, low, high); });
           })
      .def("_node_bounds",
           [](const Function& f, const Numbers& lower, const Numbers& upper, const std::string& method) {
             return bounds_on_boxes(f, lower, upper, method, f.n_units(),
                                    [&](const Boxes& boxes, BoundsMethod way, double* low, double* high) {
                                      f.bounds_of_nodes(boxes, way, low, high);
                                    });
           })
      .def("__repr__", &represent);
  type.def_property_readonly("n_inputs", &Function::n_inputs, "Number n of components of x.")
      .def_property_readonly("n_outputs", &Function::n_outputs, "Number m of components of f(x).")
      .def_property_readonly(
          "n_parameters", [](const Function& f) { return f.graph().n_parameters(); }, "Numbers in the weights.")
      .def_property_readonly(
          "input_names",
          [](const Function& f) { return names_of(f.n_inputs(), [&](Index i) { return f.signature().input_name(i); }); },
          "One name per component of x.")
      .def_property_readonly(
          "output_names",
          [](const Function& f) { return names_of(f.n_outputs(), [&](Index i) { return f.signature().output_name(i); }); },
          "One name per component of f(x).")
      .def_property_readonly(
          "inputs", [](const Function& f) { return ports_of(f.signature().inputs); }, "Name and shape of every input.")
      .def_property_readonly(
          "outputs", [](const Function& f) { return ports_of(f.signature().outputs); }, "Name and shape of every output.")
      .def_property_readonly(
          "lower", [](const Function& f) { return bound_of(f.signature().lower); }, "Lower ends of the inputs' range, or None.")
      .def_property_readonly(
          "upper", [](const Function& f) { return bound_of(f.signature().upper); }, "Upper ends of the inputs' range, or None.")
      .def_property_readonly(
          "input_units", [](const Function& f) { return units_of(f.signature().input_units); },
          "One unit per component of x, None where there is none; None where none are stated.")
      .def_property_readonly(
          "output_units", [](const Function& f) { return units_of(f.signature().output_units); },
          "One unit per component of f(x), likewise.");
}

}  // namespace fastexpr::bindings
