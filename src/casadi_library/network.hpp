#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "casadi_library/c_library.hpp"

namespace casadi_library {

using Index = std::int64_t;
using CasadiInt = long long;  // casadi_int, as CasADi's packages are compiled

/// Rows, columns, where each column's entries start, rows of the entries; or rows, columns, 1 where all entries are there.
using Sparsity = std::vector<CasadiInt>;

/// A matrix of derivatives: where its entries stand, and from which numbers of the C library each comes.
struct Matrix {
  Sparsity sparsity;
  std::vector<Index> sources;  // of each entry, in CasADi's order; empty: all in the order of the C library
  Index n_numbers = 0;         // of the C library
  bool is_dense = false;       // then these are the dense matrix, row by row

  Index n_entries() const { return sources.empty() ? n_numbers : static_cast<Index>(sources.size()); }
  /// From the C library's numbers to CasADi's entries.
  void arrange(const double* numbers, double* entries) const;
};

/// Of vectors like x and y, and of vectors and matrices without any entry.
struct Patterns {
  Sparsity x, y, no_x, no_y;
  Sparsity no_matrix, no_jacobian, no_second;  // (n, m), (m, n), (m n, m)

  Patterns() = default;
  Patterns(Index n, Index m);
};

/// The network that this copy of the library serves.
class Network {
 public:
  /// Throws std::runtime_error where the file or the C library cannot be opened.
  Network(const std::string& file, const std::string& c_library);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  Index n() const { return n_; }
  Index m() const { return m_; }
  const CLibrary& c() const { return c_; }
  const fastexpr_network* handle() const { return handle_; }
  const Patterns& patterns() const { return patterns_; }
  const Matrix& jacobian() const { return jacobian_; }                        // (m, n)
  const Matrix& transposed_jacobian() const { return transposed_jacobian_; }  // (n, m)
  const Matrix& hessian() const { return hessian_; }                          // (n, n)
  /// (m n, n): what column j of the Hessian has in row i, the derivatives of J_ki by x_j have in rows k + m i, for all k.
  const Sparsity& second_jacobian() const { return second_jacobian_; }

 private:
  void find_jacobian();
  void find_hessian();
  void find_second_jacobian();

  CLibrary c_;
  fastexpr_network* handle_ = nullptr;
  Index n_ = 0, m_ = 0;
  Patterns patterns_;
  Matrix jacobian_, transposed_jacobian_, hessian_;
  Sparsity second_jacobian_;
};

}  // namespace casadi_library
