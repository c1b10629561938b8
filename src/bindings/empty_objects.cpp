#include "bindings/empty_objects.hpp"

namespace fastexpr::bindings {

void define_new(py::object type) {
  auto make = [type](const py::handle& kind, const py::args& arguments, const py::kwargs& named) {
    auto* wanted = reinterpret_cast<PyTypeObject*>(kind.ptr());
    if (PyType_Check(kind.ptr()) == 0 || PyType_IsSubtype(wanted, reinterpret_cast<PyTypeObject*>(type.ptr())) == 0)
      throw py::type_error("__new__ takes a type derived from " + py::repr(type).cast<std::string>() + ", got " +
                           py::repr(kind).cast<std::string>());
    if (kind.is(type) && arguments.empty() && named.empty())
      throw py::type_error(py::repr(type).cast<std::string>() +
                           " cannot be made without arguments: there would be nothing in it. See its documentation.");
    return py::reinterpret_steal<py::object>(py::detail::make_new_instance(wanted));
  };
  type.attr("__new__") = py::staticmethod(py::cpp_function(make, py::name("__new__")));
}

}  // namespace fastexpr::bindings
