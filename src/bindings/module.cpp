#include "bindings/bindings.hpp"
#include "linalg/products.hpp"
#include "linalg/thread_pool.hpp"
#include "linalg/vector_math.hpp"

PYBIND11_MODULE(main_interpreter_core, module, pybind11::mod_gil_used(), pybind11::multiple_interpreters::not_supported()) {
  using namespace fastexpr;
  module.doc() = "The compiled core of fastexpr.";
  bindings::define_interruption();
  bindings::define_errors(module);
  bindings::define_operator(module);
  bindings::define_function(module);
  bindings::define_files(module);
  bindings::define_linalg(module);
  bindings::define_nlp_functions(module);
  bindings::define_cell_functions(module);
  bindings::define_rules(module);
  bindings::define_box_search(module);
  module.def("set_num_threads", &linalg::set_num_threads, pybind11::arg("count"),
             "Threads that one evaluation may use, the calling one included.");
  module.def("num_threads", &linalg::num_threads);
  module.def("library_info", [] {
    pybind11::dict info;
    info["compiler"] = FASTEXPR_COMPILER;
    info["blas"] = linalg::blas_description();
    info["vector_math"] = vector_math::library();
    info["cpu_path"] = vector_math::cpu_path();
    return info;
  });
}

/// pybind11's guards for the GIL know one interpreter: in another its own start of a module would wait for ever, so this comes
/// first.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit_main_interpreter_core();
  PyErr_SetString(PyExc_ImportError,
                  "[fastexpr] works in the main interpreter of a process only: got a subinterpreter. What to do: use processes "
                  "(multiprocessing, concurrent.futures), or threads: evaluations run side by side in them.");
  return nullptr;
}
