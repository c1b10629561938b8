#include "linalg/kernels.hpp"

namespace fastexpr::linalg {
namespace {
constexpr int vector_lanes = 8;
constexpr int vector_registers = 32;
}  // namespace
}  // namespace fastexpr::linalg

#include "linalg/kernels/table.hpp"

namespace fastexpr::linalg {
constinit const Kernels avx512_kernels = make_kernels("avx512");
}  // namespace fastexpr::linalg
