#include "linalg/kernels.hpp"

#include <cstdlib>
#include <cstring>

namespace fastexpr::linalg {
namespace {

#if defined(__x86_64__)

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}

/// Zen 4, the one with AVX-512 in AMD's family 19h.
bool halves_registers() { return __builtin_cpu_is("amdfam19h"); }

const Kernels* choose() {
  __builtin_cpu_init();
  const char* forced = std::getenv("FASTEXPR_CPU");
  const auto is_forced = [&](const char* name) { return forced != nullptr && std::strcmp(forced, name) == 0; };
  if (is_forced("baseline") || !has_avx2()) return &baseline_kernels;
  if (is_forced("avx2") || !has_avx512()) return &avx2_kernels;
  if (is_forced("avx512vl") || (halves_registers() && !is_forced("avx512"))) return &avx512vl_kernels;
  return &avx512_kernels;
}

#else

const Kernels* choose() { return &baseline_kernels; }

#endif

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = *choose();
  return chosen;
}

}  // namespace fastexpr::linalg
