#include "linalg/kernels.hpp"

// For processors that take a register of 512 bits in two halves (AMD's Zen 4): as many sums a second in registers of 256 bits, of
// which there are as many here, faster conversions, and rows that need not be a multiple of eight.

namespace fastexpr::linalg {
namespace {
constexpr int vector_lanes = 4;
constexpr int vector_registers = 32;
}  // namespace
}  // namespace fastexpr::linalg

#include "linalg/kernels/table.hpp"

namespace fastexpr::linalg {
constinit const Kernels avx512vl_kernels = make_kernels("avx512vl");
}  // namespace fastexpr::linalg
