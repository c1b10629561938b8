#pragma once

#include <pybind11/pybind11.h>

// Python's lock, around what may take long and inside what may run without it. Not pybind11's own guards: a thread that comes
// back while Python is ending would be ended by Python before 3.14 (pthread_exit), through frames of C++ that do not stand it,
// and the process would abort. It waits here instead until the process is gone, as Python 3.14 does.

namespace fastexpr::bindings {

/// Gives the GIL back for as long as it lives: other Python threads go on. The main thread meanwhile looks for signals wherever
/// the core calls look_for_interruption().
class WithoutGil {
 public:
  WithoutGil();
  ~WithoutGil();
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* thread_;
};

/// Takes the GIL, on a thread that may or may not have it.
class WithGil {
 public:
  WithGil();
  ~WithGil();
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;

 private:
  PyGILState_STATE state_;
};

/// function(*arguments, **named) of code that is written in Python: this thread may not come back from it, either.
pybind11::object called(const pybind11::object& function, const pybind11::tuple& arguments, const pybind11::dict& named = {});

/// An attribute of a module, which is imported if nobody has done so.
pybind11::object imported(const char* module, const char* name);

/// Lets Ctrl-C end long computations of the core.
void define_interruption();

}  // namespace fastexpr::bindings
