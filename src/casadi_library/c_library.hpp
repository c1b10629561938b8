#pragma once

#include <string>

#include "fastexpr.h"

namespace casadi_library {

/// The C library, opened while the process runs: copies of the library that CasADi loads may lie anywhere.
struct CLibrary {
  decltype(&fastexpr_error) error = nullptr;
  decltype(&fastexpr_open) open = nullptr;
  decltype(&fastexpr_close) close = nullptr;
  decltype(&fastexpr_n_inputs) n_inputs = nullptr;
  decltype(&fastexpr_n_outputs) n_outputs = nullptr;
  decltype(&fastexpr_evaluate) evaluate = nullptr;
  decltype(&fastexpr_vjp) vjp = nullptr;
  decltype(&fastexpr_jacobian_n_entries) jacobian_n_entries = nullptr;
  decltype(&fastexpr_jacobian_structure) jacobian_structure = nullptr;
  decltype(&fastexpr_jacobian_entries) jacobian_entries = nullptr;
  decltype(&fastexpr_hessian_n_entries) hessian_n_entries = nullptr;
  decltype(&fastexpr_hessian_structure) hessian_structure = nullptr;
  decltype(&fastexpr_hessian_entries) hessian_entries = nullptr;

  /// Throws std::runtime_error where the file is none, or one of another interface.
  explicit CLibrary(const std::string& path);
};

/// "/folder/of/this/library/libfastexpr.so"
std::string path_of_neighbour();

}  // namespace casadi_library
