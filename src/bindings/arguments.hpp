#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "bindings/bindings.hpp"

namespace fastexpr::bindings {

using Numbers = py::array_t<double, aligned_rows>;

/// The shape of a result, without the heap: a batch dimension, if any, and at most two more.
struct Dimensions {
  std::array<Index, 3> sizes{};
  std::size_t rank = 0;

  void append(Index size) { sizes[rank++] = size; }
  bool matches(const py::array& array) const;
  Shape shape() const { return {sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(rank)}; }
};

/// Points handed in by a caller: contiguous doubles (points, size), and whether the result keeps the batch dimension.
struct Points {
  Numbers array;
  Index count = 1;
  bool is_batch = false;

  const double* data() const { return array.data(); }
};

/// Which names the components of an argument have.
enum class Side { inputs, outputs };

/// A NumPy array itself, of contiguous doubles: subclasses (masked arrays) and all else are looked at more closely.
bool is_plain_array(const py::handle& source);

/// Everything else is read by a function of fastexpr.function.arguments.
py::object read_by(const char* reader, const py::tuple& arguments);

/// Any array-like of real numbers as contiguous doubles. TypeError for others.
Numbers numbers_from(const py::handle& source, const char* what);

/// The same of an argument with a component per input or output; labels (of a DataFrame, say) are matched with their names.
Numbers numbers_of(const Function& function, Side side, const py::handle& source, const char* what);

/// x of shape (n,), (B, n), or, for a single port, the port's shape without its leading 1, or with any leading B.
/// ShapeError for other shapes, ValueError naming the component where a number is not finite.
Points points_from(const Function& function, const py::handle& x);

/// An argument that goes with every point, with one number per input or output: (size,) for all points, or (B, size); a scalar
/// where size is 1. ValueError naming the component where a number is not finite.
Numbers beside_points(const Function& function, Side side, const py::handle& source, const Points& x, const char* what);

/// One number per component. ShapeError for another shape.
Numbers side_from(const py::handle& source, Index size, const char* what);

/// As a list of Python's.
py::list texts_from(const std::vector<std::string>& texts);

/// `out` where given, checked to be a writable C-contiguous float64 array of this shape, otherwise a new array.
Numbers result_array(const py::object& out, const Dimensions& dimensions);

/// (sizes...), with the number of points in front where there is a batch.
Dimensions with_batch(const Points& x, std::initializer_list<Index> sizes);

/// True for an Expression, and for lists, dicts, object arrays and tables that hold one.
bool is_symbolic(const py::handle& source);

}  // namespace fastexpr::bindings
