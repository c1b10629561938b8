#include "bindings/bindings.hpp"
#include "linalg/products.hpp"
#include "linalg/thread_pool.hpp"
#include "linalg/vector_math.hpp"

PYBIND11_MODULE(_core, module) {
  using namespace fastexpr;
  module.doc() = "The compiled core of fastexpr.";
  bindings::define_errors(module);
  bindings::define_operator(module);
  bindings::define_function(module);
  bindings::define_files(module);
  bindings::define_linalg(module);
  bindings::define_nlp_functions(module);
  bindings::define_rules(module);
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
