#include "bindings/bindings.hpp"
#include "graph/weight_memory.hpp"

namespace fastexpr::bindings {

namespace {

Precision precision_of(const py::array& array) {
  if (py::isinstance<py::array_t<float>>(array)) return Precision::float32;
  if (py::isinstance<py::array_t<double>>(array)) return Precision::float64;
  if (py::isinstance<py::array_t<Index>>(array)) return Precision::int64;
  throw py::type_error("a constant must be an array of float32, float64 or int64, got " +
                       py::str(array.dtype()).cast<std::string>());
}

constexpr const char* capsule_name = "fastexpr.Tensor";

enum class Access { writable, read_only, ours };

/// Who can change the numbers: a read-only view of a writable array is not enough. Those of another operator are in a capsule.
Access access_of(const py::array& array) {
  py::object holder = array;
  while (py::isinstance<py::array>(holder)) {
    const auto link = py::reinterpret_borrow<py::array>(holder);
    if (link.writeable()) return Access::writable;
    const py::object base = link.base();
    if (!base || base.is_none()) return Access::read_only;
    holder = base;
  }
  return PyCapsule_IsValid(holder.ptr(), capsule_name) != 0 ? Access::ours : Access::read_only;
}

/// The tensor with the array's numbers. The array lives as long as it does; whoever drops it last may not hold the GIL.
Tensor owned_by(py::array array, Tensor tensor) {
  tensor.data = array.data();
  auto* keeper = new py::array(std::move(array));
  tensor.owner = std::shared_ptr<const void>(keeper, [](const void* held) {
    if (Py_IsInitialized() == 0) return;
    const WithGil gil;
    delete static_cast<const py::array*>(held);
  });
  return tensor;
}

}  // namespace

Tensor tensor_from(const py::object& source) {
  py::array array = py::array::ensure(source, py::array::c_style);
  if (!array) throw py::error_already_set();
  if (!is_aligned(array)) array = array.attr("copy")().cast<py::array>();
  Tensor tensor{precision_of(array), Shape(array.shape(), array.shape() + array.ndim()), array.data(), nullptr};
  const Access access = access_of(array);
  if (access == Access::ours) return owned_by(std::move(array), std::move(tensor));
  const std::optional<std::size_t> key = KnownConstants::key_of(tensor);
  if (auto known = key ? KnownConstants::find(*key, tensor) : nullptr) {
    tensor.data = known.get();
    tensor.owner = std::move(known);
    return tensor;
  }
  if (const auto bytes = static_cast<std::size_t>(array.nbytes()); wants_large_pages(bytes)) {
    tensor.owner = on_large_pages(array.data(), bytes);
    tensor.data = tensor.owner.get();
  } else if (access == Access::read_only && tensor.precision != Precision::int64) {
    return owned_by(std::move(array), std::move(tensor));
  } else {  // Operators check indices once and then trust them, and an owner may make an array writable again: those, too.
    tensor = owned_by(array.attr("copy")().cast<py::array>(), std::move(tensor));
  }
  if (key) KnownConstants::add(*key, tensor);
  return tensor;
}

py::array array_from(const Tensor& tensor) {
  const py::capsule owner(new std::shared_ptr<const void>(tensor.owner), capsule_name,
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
