// Hessians whose tangents start at affine images of x, see passes/seeding.hpp.

#include <algorithm>
#include <cstring>

#include "function/implementation.hpp"
#include "linalg/products.hpp"

namespace fastexpr {

const Seeding& Function::Implementation::seeding() {
  std::call_once(seeding_once, [&] {
    seeding_of_hessian = find_seeding(graph, layout);
    if (!seeding_of_hessian.is_reduced()) return;
    const WorkspacePool::Lease lease(pool, 0);
    std::fill_n((*lease).value(0), n(), 0.0);
    run_values(graph, layout, *lease);
    run_linearize(graph, layout, *lease, 1);
    fill_affine(graph, layout, *lease, seeding_of_hessian);
  });
  return seeding_of_hessian;
}

// H = A' M A for every point and weighting, with M the Hessian with respect to the seeds.
void Function::Implementation::hessian_from_seeds(Workspace& workspace, const Request& part, const Seeding& seeds) const {
  const Index h = seeds.columns, count = workspace.points() * part.weightings;
  double* M = workspace.seed_hessian(count * h * h + h * n());
  double* MA = M + count * h * h;
  std::memset(M, 0, static_cast<std::size_t>(count * h * h) * sizeof(double));
  run_identity_tangents(graph, layout, workspace, {false, M, part.weightings, &seeds});
  for (Index i = 0; i < count; ++i) {
    linalg::mirror_upper(M + i * h * h, h);
    linalg::multiply({M + i * h * h, Precision::float64, h, h}, false, seeds.affine.data(), n(), MA, false);
    linalg::add_product_triangle(seeds.affine.data(), MA, n(), h, n(), part.hessian + i * n() * n());
  }
}

}  // namespace fastexpr
