#pragma once

#include <cstdint>
#include <vector>

namespace fastexpr::nlp {

/// Rows and columns of a sparse matrix's entries.
struct Positions {
  std::vector<std::int32_t> rows;
  std::vector<std::int32_t> columns;
};

}  // namespace fastexpr::nlp
