#include "linalg/kernels.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace fastexpr::linalg {
namespace {

#if defined(__x86_64__)

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}

/// Whether registers of 512 bits do clearly more in a second than those of 256. They do not where the processor takes them in
/// halves (AMD's Zen 4) or has one unit for them and two for the others (some of Intel's), and the shorter ones waste less of
/// short rows. A few products in the first-level cache tell, a tenth of a millisecond in all: the ratio is 1.0 or 1.6 to 2,
/// whoever else is busy.
bool gains_from_long_registers() {
  constexpr Index rows = 48, k = 96, columns = 48;
  constexpr int rounds = 12;
  constexpr double clearly = 1.3;
  const auto numbers = std::make_unique<double[]>(rows * k + k * columns + rows * columns + thin_buffer_numbers);
  double *A = numbers.get(), *B = A + rows * k, *C = B + k * columns, *buffer = C + rows * columns;
  double best[2] = {1.0, 1.0};
  for (int round = 0; round < 2 * rounds; ++round) {
    const Kernels& path = round % 2 == 0 ? avx512vl_kernels : avx512_kernels;
    const auto start = std::chrono::steady_clock::now();
    path.multiply_thin_double(A, k, false, rows, k, B, columns, columns, C, columns, false, nullptr, buffer);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best[round % 2] = std::min(best[round % 2], seconds.count());
  }
  return best[0] > clearly * best[1];
}

const Kernels* choose() {
  __builtin_cpu_init();
  const char* forced = std::getenv("FASTEXPR_CPU");
  const auto is_forced = [&](const char* name) { return forced != nullptr && std::strcmp(forced, name) == 0; };
  if (is_forced("baseline") || !has_avx2()) return &baseline_kernels;
  if (is_forced("avx2") || !has_avx512()) return &avx2_kernels;
  if (is_forced("avx512")) return &avx512_kernels;
  return is_forced("avx512vl") || !gains_from_long_registers() ? &avx512vl_kernels : &avx512_kernels;
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
