#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>

#include "bindings/empty_objects.hpp"
#include "bindings/gil.hpp"
#include "function/function.hpp"

// How the core looks from Python. Only this folder knows Python; each define_X adds one part to the module.

namespace fastexpr::bindings {

namespace py = pybind11;

void define_errors(py::module_& module);
void define_operator(py::module_& module);
void define_function(py::module_& module);
void define_files(py::module_& module);
void define_linalg(py::module_& module);
void define_nlp_functions(py::module_& module);
void define_cell_functions(py::module_& module);
void define_rules(py::module_& module);
void define_box_search(py::module_& module);

/// Contiguous arrays whose numbers lie where numbers of their size may: others are copied when they come as arguments.
inline constexpr int aligned_rows = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
inline bool is_aligned(const py::handle& array) {
  return py::detail::check_flags(array.ptr(), py::detail::npy_api::NPY_ARRAY_ALIGNED_);
}

/// The same numbers as a tensor: those of a constant that lives already, or else a copy; arrays that nobody can write to are
/// shared. TypeError unless float32, float64 or int64.
Tensor tensor_from(const py::object& array);
/// A read-only array that shares the tensor's numbers.
py::array array_from(const Tensor& tensor);

Shape shape_from(const py::handle& shape);
py::tuple tuple_from(const Shape& shape);

/// pybind11 holds what Python shares by pointers to non-const; nothing bound changes either type.
template <class Kind>
std::shared_ptr<Kind> as_holder(const std::shared_ptr<const Kind>& shared) {
  return std::const_pointer_cast<Kind>(shared);
}

}  // namespace fastexpr::bindings
