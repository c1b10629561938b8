#include <atomic>
#include <stdexcept>
#include <string>

#include "bindings/bindings.hpp"
#include "linalg/products.hpp"
#include "linalg/thread_pool.hpp"
#include "linalg/vector_math.hpp"

// The numeric kernels as _core._linalg, for the tests only. Shapes are checked here: the kernels trust their callers.

namespace fastexpr::bindings {
namespace {

using Block = py::array_t<double, py::array::c_style>;

MatrixView view(const py::array& A) {
  if (A.ndim() != 2 || !(A.flags() & py::array::c_style)) throw std::invalid_argument("A must be a contiguous matrix.");
  const bool is_float = py::isinstance<py::array_t<float>>(A);
  if (!is_float && !py::isinstance<py::array_t<double>>(A)) throw std::invalid_argument("A must be float32 or float64.");
  return {A.data(), is_float ? Precision::float32 : Precision::float64, A.shape(0), A.shape(1)};
}

void expect(bool is_right, const char* what) {
  if (!is_right) throw std::invalid_argument(std::string("these shapes do not fit: ") + what);
}

void multiply(const py::array& A, bool transposed, const Block& B, Block& C, bool accumulate) {
  const MatrixView weights = view(A);
  expect(B.shape(0) == (transposed ? weights.rows : weights.columns), "B");
  expect(C.shape(0) == (transposed ? weights.columns : weights.rows) && C.shape(1) == B.shape(1), "C");
  const double* b = B.data();
  double* c = C.mutable_data();
  const WithoutGil released;
  linalg::multiply(weights, transposed, b, B.shape(1), c, accumulate);
}

/// T (rows, n) may be a slice of columns of a wider block.
Index row_stride(const py::array_t<double>& T) {
  expect(T.ndim() == 2 && (T.size() == 0 || T.shape(1) < 2 || T.strides(1) == sizeof(double)), "T");
  if (T.size() == 0) return T.shape(1);
  return T.strides(0) / Index{sizeof(double)};
}

void multiply_strided(const py::array& A, bool transposed, const py::array_t<double>& B, py::array_t<double>& C,
                      bool accumulate) {
  const MatrixView weights = view(A);
  expect(B.shape(0) == (transposed ? weights.rows : weights.columns), "B");
  expect(C.shape(0) == (transposed ? weights.columns : weights.rows) && C.shape(1) == B.shape(1), "C");
  linalg::multiply_strided(weights, transposed, B.data(), row_stride(B), B.shape(1), C.mutable_data(), row_stride(C), accumulate);
}

void multiply_right(const Block& B, const py::array& A, bool transposed, Block& C, bool accumulate) {
  const MatrixView weights = view(A);
  expect(B.shape(1) == (transposed ? weights.columns : weights.rows), "B");
  expect(C.shape(1) == (transposed ? weights.rows : weights.columns) && C.shape(0) == B.shape(0), "C");
  linalg::multiply_right(B.data(), B.shape(0), weights, transposed, C.mutable_data(), accumulate);
}

void add_scaled_gram(const py::array_t<double>& T, const py::array_t<double>& q, Block& H) {
  expect(q.ndim() == 1 && q.shape(0) == T.shape(0) && H.shape(0) == T.shape(1) && H.shape(1) == T.shape(1), "q, H");
  linalg::add_scaled_gram(T.data(), row_stride(T), q.data(), q.strides(0) / Index{sizeof(double)}, T.shape(0), T.shape(1),
                          H.mutable_data());
}

void add_product_triangle(const py::array_t<double>& T, const py::array_t<double>& S, Block& H) {
  expect(S.shape(0) == T.shape(0) && S.shape(1) == T.shape(1) && row_stride(S) == row_stride(T), "S");
  expect(H.shape(0) == T.shape(1) && H.shape(1) == T.shape(1), "H");
  linalg::add_product_triangle(T.data(), S.data(), row_stride(T), T.shape(0), T.shape(1), H.mutable_data());
}

using Map = void (*)(const double*, double*, Index);

/// As a NumPy function with out=.
void define_map(py::module_& module, const char* name, Map function) {
  module.def(name, [function](const Block& x, Block& out) {
    expect(x.size() == out.size(), "out");
    function(x.data(), out.mutable_data(), x.size());
  });
}

void define_products(py::module_& module) {
  module.def("multiply", multiply);
  module.def("multiply_strided", multiply_strided);
  module.def("multiply_right", multiply_right);
  module.def("add_scaled_gram", add_scaled_gram);
  module.def("add_product_triangle", add_product_triangle);
  module.def("mirror_upper", [](Block& H) {
    expect(H.ndim() == 2 && H.shape(0) == H.shape(1), "H");
    linalg::mirror_upper(H.mutable_data(), H.shape(0));
  });
  module.def("scale_rows", [](const Block& d, const Block& T, Block& out) {
    expect(d.size() == T.shape(0) && out.shape(0) == T.shape(0) && out.shape(1) == T.shape(1), "d, out");
    linalg::scale_rows(d.data(), T.data(), T.shape(0), T.shape(1), out.mutable_data());
  });
  module.def("add_scaled_rows", [](const Block& d, const Block& T, Block& out) {
    expect(d.size() == T.shape(0) && out.shape(0) == T.shape(0) && out.shape(1) == T.shape(1), "d, out");
    linalg::add_scaled_rows(d.data(), T.data(), T.shape(0), T.shape(1), out.mutable_data());
  });
  module.def("transpose", [](const Block& A, Block& out) {
    expect(out.shape(0) == A.shape(1) && out.shape(1) == A.shape(0), "out");
    linalg::transpose(A.data(), A.shape(0), A.shape(1), out.mutable_data());
  });
}

}  // namespace

void define_linalg(py::module_& core) {
  py::module_ module = core.def_submodule("_linalg", "The numeric kernels, for the tests.");
  define_products(module);
  define_map(module, "exp", vector_math::exp);
  define_map(module, "expm1", vector_math::expm1);
  define_map(module, "log", vector_math::log);
  define_map(module, "log1p", vector_math::log1p);
  define_map(module, "sin", vector_math::sin);
  define_map(module, "cos", vector_math::cos);
  define_map(module, "tanh", vector_math::tanh);
  define_map(module, "erf", vector_math::erf);
  define_map(module, "erfc", vector_math::erfc);
  define_map(module, "sqrt", vector_math::sqrt);
  define_map(module, "sigmoid", vector_math::sigmoid);
  define_map(module, "softplus", vector_math::softplus);
  module.def("pow", [](const Block& x, const Block& y, Block& out) {
    expect(x.size() == y.size() && x.size() == out.size(), "y, out");
    vector_math::pow(x.data(), y.data(), out.mutable_data(), x.size());
  });
  module.def("library", vector_math::library);
  module.def("cpu_path", vector_math::cpu_path);
  module.def("blas_description", linalg::blas_description);
  module.def("set_num_threads", linalg::set_num_threads);
  module.def("num_threads", linalg::num_threads);
  // Calls `body` from whatever threads the pool has; for the tests of the pool itself.
  module.def("parallel_sum", [](Index count, Index grain) {
    std::atomic<Index> total = 0;
    const WithoutGil released;
    linalg::parallel_for(count, grain, [&](Index begin, Index end) {
      linalg::parallel_for(end - begin, 1, [&](Index first, Index last) {  // nested: stays on its thread
        for (Index i = begin + first; i < begin + last; ++i) total += i;
      });
    });
    return total.load();
  });
}

}  // namespace fastexpr::bindings
