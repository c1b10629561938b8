#pragma once

#include <cstdint>

namespace fastexpr {

using Index = std::int64_t;

/// The type a stored number has. Evaluation is always in double; weights stay as they were trained.
enum class Precision : std::uint8_t { float32, float64, int64 };

constexpr Index size_in_bytes(Precision precision) { return precision == Precision::float32 ? 4 : 8; }

/// A dense row-major matrix in its own precision (float32 or float64). Owns nothing.
struct MatrixView {
  const void* data;
  Precision precision;
  Index rows;
  Index columns;
};

}  // namespace fastexpr
