#include "bindings/gil.hpp"

#include <cxxabi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "linalg/interruption.hpp"

namespace fastexpr::bindings {

namespace {

thread_local int n_released = 0;  // guards WithoutGil of this thread

template <class Take>
auto taken(const Take& take) {
  try {
    return take();
  } catch (const abi::__forced_unwind&) {
    for (;;) ::pause();
  }
}

bool is_main_thread() { return ::syscall(SYS_gettid) == ::getpid(); }

/// Python's own handlers run on the main thread only. Threads of the pool never have the GIL.
void raise_signals() {
  if (n_released == 0 || !is_main_thread()) return;
  const WithGil gil;
  if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
}

}  // namespace

WithoutGil::WithoutGil() : thread_(PyEval_SaveThread()) { ++n_released; }

WithoutGil::~WithoutGil() {
  --n_released;
  taken([&] { PyEval_RestoreThread(thread_); });
}

WithGil::WithGil() : state_(taken([] { return PyGILState_Ensure(); })) {}

WithGil::~WithGil() { PyGILState_Release(state_); }

namespace {
pybind11::object result_of(PyObject* result) {
  if (result == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::object>(result);
}
}  // namespace

pybind11::object called(const pybind11::object& function, const pybind11::tuple& arguments, const pybind11::dict& named) {
  return result_of(taken([&] { return PyObject_Call(function.ptr(), arguments.ptr(), named.ptr()); }));
}

pybind11::object imported(const char* module, const char* name) {
  return result_of(taken([&] { return PyImport_ImportModule(module); })).attr(name);
}

void define_interruption() { set_interruption_hook(&raise_signals); }

}  // namespace fastexpr::bindings
