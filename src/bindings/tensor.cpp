#include "bindings/bindings.hpp"

namespace fastexpr::bindings {

namespace {

Precision precision_of(const py::array& array) {
  if (py::isinstance<py::array_t<float>>(array)) return Precision::float32;
  if (py::isinstance<py::array_t<double>>(array)) return Precision::float64;
  if (py::isinstance<py::array_t<Index>>(array)) return Precision::int64;
  throw py::type_error("a constant must be an array of float32, float64 or int64, got " +
                       py::str(array.dtype()).cast<std::string>());
}

/// Whether nobody can change the numbers any more. A read-only view of a writable array is not enough. Operators check indices
/// once and then trust them, so those must be an operator's own (in a capsule), as owners may make an array writable again.
bool is_frozen(const py::array& array, Precision precision) {
  py::object holder = array;
  while (py::isinstance<py::array>(holder)) {
    const auto link = py::reinterpret_borrow<py::array>(holder);
    if (link.writeable()) return false;
    const py::object base = link.base();
    if (!base || base.is_none()) return precision != Precision::int64;
    holder = base;
  }
  return precision != Precision::int64 || py::isinstance<py::capsule>(holder);
}

}  // namespace

Tensor tensor_from(const py::object& source) {
  py::array array = py::array::ensure(source, py::array::c_style);
  if (!array) throw py::error_already_set();
  const Precision precision = precision_of(array);
  if (!is_frozen(array, precision)) array = array.attr("copy")().cast<py::array>();
  Tensor tensor{precision, Shape(array.shape(), array.shape() + array.ndim()), array.data(), nullptr};
  // The array lives as long as the tensor; whoever drops it last may not hold the GIL.
  auto* keeper = new py::array(std::move(array));
  tensor.owner = std::shared_ptr<const void>(keeper, [](const void* held) {
    if (Py_IsInitialized() == 0) return;
    const py::gil_scoped_acquire gil;
    delete static_cast<const py::array*>(held);
  });
  return tensor;
}

py::array array_from(const Tensor& tensor) {
  const py::capsule owner(new std::shared_ptr<const void>(tensor.owner),
                          [](void* held) { delete static_cast<std::shared_ptr<const void>*>(held); });
  const py::dtype dtype = tensor.precision == Precision::float32   ? py::dtype::of<float>()
                          : tensor.precision == Precision::float64 ? py::dtype::of<double>()
                                                                   : py::dtype::of<Index>();
  py::array array(dtype, tensor.shape, tensor.data, owner);
  array.attr("flags").attr("writeable") = false;
  return array;
}

Shape shape_from(const py::handle& shape) {
  Shape result;
  for (const py::handle dimension : py::reinterpret_borrow<py::object>(shape)) result.push_back(dimension.cast<Index>());
  return result;
}

py::tuple tuple_from(const Shape& shape) {
  py::tuple result(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) result[i] = shape[i];
  return result;
}

}  // namespace fastexpr::bindings
