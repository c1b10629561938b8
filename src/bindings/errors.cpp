#include <cstring>

#include "bindings/bindings.hpp"
#include "graph/errors.hpp"

namespace fastexpr::bindings {

namespace {

void raise(const char* name, const char* message) {
  const py::object type = imported("fastexpr.errors", name);
  // Parts of it may come from a file, or be a path: not always UTF-8.
  const auto text = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(message, static_cast<Py_ssize_t>(std::strlen(message)), "backslashreplace"));
  PyErr_SetObject(type.ptr(), text.ptr());
}

}  // namespace

void define_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const GraphError& error) {
      raise("GraphError", error.what());
    } catch (const ShapeError& error) {
      raise("ShapeError", error.what());
    } catch (const FileError& error) {
      raise("FileError", error.what());
    }
  });
}

}  // namespace fastexpr::bindings
