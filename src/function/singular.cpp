// J and H where not all of them is finite: passes/annihilation.hpp says why. Whoever asks gets them in these two ways.

#include <algorithm>
#include <vector>

#include "function/implementation.hpp"
#include "linalg/products.hpp"

namespace fastexpr {

namespace {
constexpr Index most = 32;  // rows or columns at a time
}

// By rows, some at a time.
void Function::Implementation::singular_jacobian(Workspace& workspace, double* jacobian) const {
  const Index points = workspace.points();
  for (Index begin = 0; begin < m(); begin += most) {
    const Index count = std::min(most, m() - begin);
    std::vector<double> seed(static_cast<std::size_t>(m() * points * count), 0.0);
    for (Index k = 0; k < count; ++k)
      for (Index p = 0; p < points; ++p) seed[static_cast<std::size_t>(((begin + k) * points + p) * count + k)] = 1;
    run_adjoints(graph, layout, workspace, seed.data(), count);
    const double* block = workspace.adjoint(0);  // (n, points, count)
    for (Index p = 0; p < points; ++p)
      for (Index k = 0; k < count; ++k)
        for (Index j = 0; j < n(); ++j) jacobian[(p * m() + begin + k) * n() + j] = block[(j * points + p) * count + k];
  }
}

// By whatever way the Hessian is found otherwise: products with directions need nothing but what operators know themselves.
void Function::Implementation::singular_hessian(Workspace& workspace, const Request& part) const {
  const Index points = workspace.points(), size = n() * n(), stride = part.weightings * size;
  for (Index w = 0; w < part.weightings; ++w) {
    double* seed = workspace.seed(m() * points);
    for (Index k = 0; k < m(); ++k)
      for (Index p = 0; p < points; ++p) seed[k * points + p] = part.weights[(p * part.weightings + w) * m() + k];
    run_adjoints(graph, layout, workspace, seed, 1);
    for (Index first = 0; first < n(); first += most)
      hessian_columns(workspace, first, std::min(n(), first + most), part.hessian + w * size, stride);
  }
  for (Index i = 0; i < points * part.weightings; ++i) linalg::mirror_upper(part.hessian + i * size, n());
}

bool Function::Implementation::settle_jacobian(Workspace& workspace, double* jacobian) const {
  const Index count = workspace.points() * m() * n();
  return again_if_singular(workspace, jacobian, count, [&] { singular_jacobian(workspace, jacobian); });
}

bool Function::Implementation::settle_hessian(Workspace& workspace, const Request& part) const {
  const Index count = workspace.points() * part.weightings * n() * n();
  return again_if_singular(workspace, part.hessian, count, [&] { singular_hessian(workspace, part); });
}

}  // namespace fastexpr
