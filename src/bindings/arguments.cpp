#include "bindings/arguments.hpp"

#include <cmath>

#include "graph/errors.hpp"

namespace fastexpr::bindings {

namespace {

Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

std::string expected_shapes(const Function& function) {
  const std::string n = std::to_string(function.n_inputs());
  std::string text = "(" + n + ",) for one point or (B, " + n + ") for a batch";
  const auto& ports = function.signature().inputs;
  if (ports.size() == 1 && ports[0].shape.size() > 2) text += ", or the input's own shape " + to_string(ports[0].shape);
  return text;
}

// The port's shape without its leading 1: what one point may look like.
std::optional<Shape> point_shape(const Function& function) {
  const auto& ports = function.signature().inputs;
  if (ports.size() != 1) return std::nullopt;
  Shape shape = ports[0].shape;
  if (!shape.empty() && shape.front() == 1) shape.erase(shape.begin());
  return shape;
}

void expect_finite(const Function& function, const Points& x) {
  const Index n = function.n_inputs();
  const double* numbers = x.data();
  for (Index i = 0; i < x.count * n; ++i) {
    if (std::isfinite(numbers[i])) continue;
    const std::string where = x.is_batch ? " of point " + std::to_string(i / n) : "";
    throw py::value_error("x is not finite: component " + std::to_string(i % n) + " ('" + function.signature().input_name(i % n) +
                          "')" + where + " is " + std::to_string(numbers[i]));
  }
}

void expect_finite(const Numbers& numbers, Index size, bool is_per_point, const char* what) {
  const double* entries = numbers.data();
  for (Index i = 0; i < numbers.size(); ++i) {
    if (std::isfinite(entries[i])) continue;
    const std::string where = is_per_point ? " of point " + std::to_string(i / size) : "";
    throw py::value_error(std::string(what) + " is not finite: component " + std::to_string(i % size) + where + " is " +
                          std::to_string(entries[i]));
  }
}

bool is_array_itself(const py::handle& source) {
  return Py_TYPE(source.ptr()) == reinterpret_cast<PyTypeObject*>(py::detail::npy_api::get().PyArray_Type_);
}

/// An array of other numbers, or not contiguous; nothing where it holds no numbers or is no array.
std::optional<Numbers> converted(const py::handle& source) {
  if (!is_array_itself(source)) return std::nullopt;
  const char kind = py::reinterpret_borrow<py::array>(source).dtype().kind();
  if (kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b') return std::nullopt;
  Numbers numbers = Numbers::ensure(source.attr("astype")("float64"));
  if (!numbers) throw py::error_already_set();
  return numbers;
}

/// Past pybind11's constructor, whose lists of sizes and strides cost as much as a small network's layer.
Numbers new_array(const Dimensions& dimensions) {
  const auto& numpy = py::detail::npy_api::get();
  PyObject* array =
      numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, py::dtype::of<double>().release().ptr(), static_cast<int>(dimensions.rank),
                                  dimensions.sizes.data(), nullptr, nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<Numbers>(array);
}

std::string out_defect(const py::array& out) {
  if (!out.dtype().is(py::dtype::of<double>())) return "dtype " + py::str(out.dtype()).cast<std::string>();
  if (!out.writeable()) return "a read-only array";
  return is_aligned(out) ? "an array that is not C-contiguous" : "an array whose numbers are not aligned";
}

}  // namespace

bool is_plain_array(const py::handle& source) { return is_array_itself(source) && Numbers::check_(source) && is_aligned(source); }

py::object read_by(const char* reader, const py::tuple& arguments) {
  return called(imported("fastexpr.function.arguments", reader), arguments);
}

Numbers numbers_from(const py::handle& source, const char* what) {
  if (is_plain_array(source)) return py::reinterpret_borrow<Numbers>(source);
  if (const auto numbers = converted(source)) return *numbers;
  return py::reinterpret_borrow<Numbers>(read_by("real_numbers", py::make_tuple(source, what)));
}

Numbers numbers_of(const Function& function, Side side, const py::handle& source, const char* what) {
  if (is_plain_array(source)) return py::reinterpret_borrow<Numbers>(source);
  if (const auto numbers = converted(source)) return *numbers;
  const char* name = side == Side::inputs ? "input" : "output";
  return py::reinterpret_borrow<Numbers>(read_by("numbers_of", py::make_tuple(&function, name, source, what)));
}

bool Dimensions::matches(const py::array& array) const {
  return static_cast<std::size_t>(array.ndim()) == rank &&
         std::equal(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(rank), array.shape());
}

Points points_from(const Function& function, const py::handle& x) {
  Points points{numbers_of(function, Side::inputs, x, "x"), 1, false};
  const Numbers& array = points.array;
  const Index n = function.n_inputs();
  if (array.ndim() == 2 && array.shape(1) == n) {
    points.count = array.shape(0);
    points.is_batch = true;
  } else if (array.ndim() != 1 || array.shape(0) != n) {
    const Shape shape = shape_of(array);
    const std::optional<Shape> one = point_shape(function);
    if (!one || (shape != *one && (shape.size() != one->size() + 1 || !std::equal(one->begin(), one->end(), shape.begin() + 1))))
      throw ShapeError("x has the wrong shape: got " + to_string(shape) + ", expected " + expected_shapes(function));
    points.is_batch = shape != *one;
    points.count = points.is_batch ? shape[0] : 1;
  }
  expect_finite(function, points);
  return points;
}

Numbers beside_points(const Function& function, Side side, const py::handle& source, const Points& x, const char* what) {
  const Index size = side == Side::inputs ? function.n_inputs() : function.n_outputs();
  Numbers numbers = numbers_of(function, side, source, what);
  if (x.is_batch && numbers.ndim() == 2 && numbers.shape(0) == x.count && numbers.shape(1) == size) {
    expect_finite(numbers, size, true, what);
    return numbers;
  }
  const bool is_vector = numbers.ndim() == 1 && numbers.shape(0) == size;
  if (!is_vector && !(size == 1 && numbers.ndim() == 0))
    throw ShapeError(std::string(what) + " has the wrong shape: got " + to_string(shape_of(numbers)) + ", expected (" +
                     std::to_string(size) + ",)" +
                     (x.is_batch ? " or (" + std::to_string(x.count) + ", " + std::to_string(size) + ")" : ""));
  expect_finite(numbers, size, false, what);
  if (x.count == 1) return numbers;
  Numbers repeated(std::vector<Index>{x.count, size});
  for (Index p = 0; p < x.count; ++p) std::copy_n(numbers.data(), size, repeated.mutable_data() + p * size);
  return repeated;
}

Numbers result_array(const py::object& out, const Dimensions& dimensions) {
  if (out.is_none()) return new_array(dimensions);
  if (!py::isinstance<py::array>(out)) throw py::type_error("out must be a NumPy array");
  const auto array = py::reinterpret_borrow<py::array>(out);
  if (!Numbers::check_(out) || !is_aligned(out) || !array.writeable())
    throw py::value_error("out must be a writable, aligned C-contiguous array of float64, got " + out_defect(array));
  if (!dimensions.matches(array))
    throw ShapeError("out has the wrong shape: got " + to_string(shape_of(array)) + ", expected " +
                     to_string(dimensions.shape()));
  return py::reinterpret_borrow<Numbers>(out);
}

Numbers side_from(const py::handle& source, Index size, const char* what) {
  Numbers numbers = numbers_from(source, what);
  if (numbers.ndim() != 1 || numbers.size() != size)
    throw ShapeError(std::string(what) + " must have one number per component: got " + std::to_string(numbers.size()) +
                     ", expected " + std::to_string(size));
  return numbers;
}

py::list texts_from(const std::vector<std::string>& texts) {
  py::list result;
  for (const std::string& text : texts) result.append(text);
  return result;
}

Dimensions with_batch(const Points& x, std::initializer_list<Index> sizes) {
  Dimensions dimensions;
  if (x.is_batch) dimensions.append(x.count);
  for (const Index size : sizes) dimensions.append(size);
  return dimensions;
}

bool is_symbolic(const py::handle& source) {
  if (is_plain_array(source) || PyFloat_Check(source.ptr()) || PyLong_Check(source.ptr())) return false;
  const py::dict modules = py::module_::import("sys").attr("modules");
  if (!modules.contains("fastexpr.expression")) return false;
  const py::object expression = modules["fastexpr.expression"].attr("Expression");
  if (py::isinstance(source, expression)) return true;
  auto entries = py::reinterpret_borrow<py::object>(source);
  if (py::isinstance<py::array>(source)) {
    if (py::reinterpret_borrow<py::array>(source).dtype().kind() != 'O') return false;
    entries = source.attr("flat");
  } else if (py::isinstance<py::dict>(source)) {
    entries = source.attr("values")();
  } else if (py::hasattr(py::type::of(source), "to_numpy")) {  // of pandas; a slice of Pyomo's itself answers yes to every name
    const py::object array = source.attr("to_numpy")();
    return py::isinstance<py::array>(array) && is_symbolic(array);
  } else if (!py::isinstance<py::list>(source) && !py::isinstance<py::tuple>(source)) {
    return false;
  }
  for (const py::handle entry : entries)
    if (is_symbolic(entry)) return true;
  return false;
}

}  // namespace fastexpr::bindings
