#include "linalg/blas.hpp"

#include "linalg/products.hpp"

// Declared here: the package's own cblas.h names the functions without the prefix that its library has.
extern "C" {
void scipy_cblas_dgemm(int order, int a_transposed, int b_transposed, int rows, int columns, int k, double alpha, const double* A,
                       int a_stride, const double* B, int b_stride, double beta, double* C, int c_stride);
void scipy_cblas_dgemmt(int order, int triangle, int a_transposed, int b_transposed, int n, int k, double alpha, const double* A,
                        int a_stride, const double* B, int b_stride, double beta, double* C, int c_stride);
void scipy_openblas_set_num_threads(int count);
char* scipy_openblas_get_config(void);
}

namespace fastexpr::linalg {
namespace {

constexpr int row_major = 101;
constexpr int as_stored = 111;
constexpr int transposed = 112;
constexpr int upper = 121;

// Threads are ours: OpenBLAS's would spin, and stall for milliseconds on a busy machine.
const bool is_single_threaded = [] {
  scipy_openblas_set_num_threads(1);
  return true;
}();

int as_int(Index size) { return static_cast<int>(size); }

}  // namespace

namespace blas {

void multiply(bool a_is_transposed, bool b_is_transposed, Index rows, Index columns, Index k, const double* A, Index a_stride,
              const double* B, Index b_stride, bool accumulate, double* C, Index c_stride) {
  scipy_cblas_dgemm(row_major, a_is_transposed ? transposed : as_stored, b_is_transposed ? transposed : as_stored, as_int(rows),
                    as_int(columns), as_int(k), 1.0, A, as_int(a_stride), B, as_int(b_stride), accumulate ? 1.0 : 0.0, C,
                    as_int(c_stride));
}

void add_triangle(Index n, Index k, const double* P, Index p_stride, const double* S, Index s_stride, double* H, Index h_stride) {
  scipy_cblas_dgemmt(row_major, upper, transposed, as_stored, as_int(n), as_int(k), 1.0, P, as_int(p_stride), S, as_int(s_stride),
                     1.0, H, as_int(h_stride));
}

}  // namespace blas

const char* blas_description() { return scipy_openblas_get_config(); }

}  // namespace fastexpr::linalg
