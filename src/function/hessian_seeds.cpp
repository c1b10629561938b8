// The Hessian from tangents that start at affine images z = Ax + b: H = A'MA.

#include <algorithm>
#include <cstring>

#include "function/implementation.hpp"
#include "linalg/products.hpp"

namespace fastexpr {

// H += A' M A for every point and weighting, with M the Hessian with respect to the seeds z; A (points, columns of z, n), one for
// all points where `stride` is 0.
void Function::Implementation::hessian_from_seeds(Workspace& workspace, const Request& part, const Seeding& z, const double* A,
                                                  Index stride, double* M) const {
  const Index h = z.columns, count = workspace.points() * part.weightings;
  double* MA = M + count * h * h;
  std::memset(M, 0, static_cast<std::size_t>(count * h * h) * sizeof(double));
  run_identity_tangents(graph, layout, workspace, {false, M, part.weightings, &z});
  for (Index i = 0; i < count; ++i) {
    const double* A_i = A + i / part.weightings * stride;
    linalg::mirror_upper(M + i * h * h, h);
    linalg::multiply({M + i * h * h, Precision::float64, h, h}, false, A_i, n(), MA, false);
    linalg::add_product_triangle(A_i, MA, n(), h, n(), part.hessian + i * n() * n());
  }
}

void Function::Implementation::hessian_by_seeds(Workspace& workspace, const Request& part) {
  const Seeding& z = hessian_plan.seeds;
  std::call_once(seeds_once, [&] {
    const WorkspacePool::Lease lease(pool, 0);
    std::fill_n((*lease).value(0), n(), 0.0);
    run_values(graph, layout, *lease);
    run_linearize(graph, layout, *lease, 1);
    fill_affine(graph, layout, *lease, hessian_plan.seeds);
  });
  const Index count = workspace.points() * part.weightings;
  double* M = workspace.seed_hessian(count * z.columns * z.columns + z.columns * n());
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, part.weightings), part.weightings);
  hessian_from_seeds(workspace, part, z, z.affine.data(), 0, M);
}

}  // namespace fastexpr
