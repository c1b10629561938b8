#pragma once

#include <atomic>
#include <cstdint>

namespace fastexpr::ampl {

/// What this process has done so far; tests read it through the reserved file name "fastexpr:statistics".
struct Statistics {
  std::atomic<std::int64_t> calls = 0;
  std::atomic<std::int64_t> evaluations = 0;          // of value and Jacobian of all outputs
  std::atomic<std::int64_t> hessian_evaluations = 0;  // each of one Hessian or of several together
  std::atomic<std::int64_t> hessians = 0;
  std::atomic<std::int64_t> loads = 0;  // of a network's file
  std::atomic<std::int64_t> bytes = 0;  // held by all instances now
};

Statistics& statistics();

}  // namespace fastexpr::ampl
