#include "casadi_library/c_library.hpp"

#include <dlfcn.h>

#include <stdexcept>

namespace casadi_library {

namespace {

template <class Pointer>
void find(void* library, const char* name, Pointer& pointer) {
  pointer = reinterpret_cast<Pointer>(dlsym(library, name));
  if (pointer == nullptr) throw std::runtime_error(std::string("it has no function ") + name + ".");
}

}  // namespace

CLibrary::CLibrary(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays open: others may be in the middle of a call
  if (library == nullptr) throw std::runtime_error(std::string("the C library cannot be loaded: ") + dlerror());
  decltype(&fastexpr_interface) interface = nullptr;
  find(library, "fastexpr_interface", interface);
  if (interface() != FASTEXPR_INTERFACE)
    throw std::runtime_error("the C library " + path + " has interface " + std::to_string(interface()) + ", expected " +
                             std::to_string(FASTEXPR_INTERFACE) + ". Take both libraries from one installation of fastexpr.");
  find(library, "fastexpr_error", error);
  find(library, "fastexpr_open", open);
  find(library, "fastexpr_close", close);
  find(library, "fastexpr_n_inputs", n_inputs);
  find(library, "fastexpr_n_outputs", n_outputs);
  find(library, "fastexpr_evaluate", evaluate);
  find(library, "fastexpr_vjp", vjp);
  find(library, "fastexpr_jacobian_n_entries", jacobian_n_entries);
  find(library, "fastexpr_jacobian_structure", jacobian_structure);
  find(library, "fastexpr_jacobian_entries", jacobian_entries);
  find(library, "fastexpr_hessian_n_entries", hessian_n_entries);
  find(library, "fastexpr_hessian_structure", hessian_structure);
  find(library, "fastexpr_hessian_entries", hessian_entries);
}

std::string path_of_neighbour() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&path_of_neighbour), &info) == 0 || info.dli_fname == nullptr) return "libfastexpr.so";
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1) + "libfastexpr.so";
}

}  // namespace casadi_library
