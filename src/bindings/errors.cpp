#include "bindings/bindings.hpp"
#include "graph/errors.hpp"

namespace fastexpr::bindings {

namespace {

void raise(const char* name, const char* message) {
  const py::object type = py::module_::import("fastexpr.errors").attr(name);
  PyErr_SetString(type.ptr(), message);
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
