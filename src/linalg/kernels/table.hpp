#pragma once

// The includer defines vector_lanes and vector_registers first.
#include "linalg/kernels/rows.hpp"
#include "linalg/kernels/triangle.hpp"
#include "linalg/kernels/vector_products.hpp"

namespace fastexpr::linalg {
namespace {

constexpr Kernels make_kernels(const char* name) {
  constexpr int lanes = vector_lanes;
  return {
      .widen = [](const float* x, Index count, double* y) { widen_row<lanes>(x, count, y); },
      .multiply_vector_float = multiply_vector<lanes, float>,
      .multiply_vector_double = multiply_vector<lanes, double>,
      .add_transposed_vector_float = add_transposed_vector<lanes, float>,
      .add_transposed_vector_double = add_transposed_vector<lanes, double>,
      .multiply_thin_float = multiply_thin<lanes, float>,
      .multiply_thin_double = multiply_thin<lanes, double>,
      .add_triangle = add_triangle<lanes>,
      .scale_rows = scale_rows<lanes>,
      .add_scaled_rows = add_scaled_rows<lanes>,
      .take_signed = take_signed<lanes>,
      .are_finite = are_finite<lanes>,
      .name = name,
      .is_faster_than_blas = lanes >= 4,
  };
}

}  // namespace
}  // namespace fastexpr::linalg
