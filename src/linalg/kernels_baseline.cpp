#include "linalg/kernels.hpp"

namespace fastexpr::linalg {
namespace {
constexpr int vector_lanes = 2;
constexpr int vector_registers = 16;
}  // namespace
}  // namespace fastexpr::linalg

#include "linalg/kernels/table.hpp"

namespace fastexpr::linalg {
constinit const Kernels baseline_kernels = make_kernels("baseline");
}  // namespace fastexpr::linalg
