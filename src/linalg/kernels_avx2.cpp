#include "linalg/kernels.hpp"

namespace fastexpr::linalg {
namespace {
constexpr int vector_lanes = 4;
constexpr int vector_registers = 16;
}  // namespace
}  // namespace fastexpr::linalg

#include "linalg/kernels/table.hpp"

namespace fastexpr::linalg {
constinit const Kernels avx2_kernels = make_kernels("avx2");
}  // namespace fastexpr::linalg
