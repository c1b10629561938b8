// The dense Hessian: from tangents at x, at affine images of x, or behind a front; or from products with directions.

#include <algorithm>
#include <cstring>

#include "function/implementation.hpp"
#include "linalg/products.hpp"

namespace fastexpr {

void Function::Implementation::plan_hessian() {
  std::call_once(seeding_once, [&] {
    seeding_of_hessian = find_seeding(graph, layout);
    front_of_hessian = find_front(graph, layout, std::min(seeding_of_hessian.cost, cost_of_directions(graph, layout)));
    if (!seeding_of_hessian.is_reduced() || front_of_hessian.exists()) return;
    const WorkspacePool::Lease lease(pool, 0);
    std::fill_n((*lease).value(0), n(), 0.0);
    run_values(graph, layout, *lease);
    run_linearize(graph, layout, *lease, 1);
    fill_affine(graph, layout, *lease, seeding_of_hessian);
  });
}

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

void Function::Implementation::hessian_behind_front(Workspace& workspace, const Request& part) const {
  const Seeding& z = front_of_hessian.cut;
  const Index h = z.columns, points = workspace.points(), count = points * part.weightings;
  double* A = workspace.seed_hessian(points * h * n() + count * h * h + h * n());
  if (h > 0) {
    run_adjoints_of(graph, layout, workspace, z);
    const double* block = workspace.adjoint(0);  // (n, points, h)
    if (points == 1) linalg::transpose(block, n(), h, A);
    for (Index p = 0; points > 1 && p < points; ++p)
      for (Index i = 0; i < n(); ++i)
        for (Index j = 0; j < h; ++j) A[(p * h + j) * n() + i] = block[(i * points + p) * h + j];
  }
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, part.weightings), part.weightings);
  add_front_curvature(graph, workspace, front_of_hessian, part.weightings, part.hessian);
  if (h > 0) hessian_from_seeds(workspace, part, z, A, h * n(), A + points * h * n());
}

bool Function::Implementation::has_plain_tangents() {
  plan_hessian();
  return !front_of_hessian.exists() && !seeding_of_hessian.is_reduced() && directions == 0;
}

void Function::Implementation::hessian_from_kept_tangents(Workspace& workspace, const Request& part) const {
  const Index points = workspace.points();
  std::memset(part.hessian, 0, static_cast<std::size_t>(points * n() * n()) * sizeof(double));
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, 1), 1);
  add_kept_curvature(graph, layout, workspace, part.hessian);
  for (Index p = 0; p < points; ++p) linalg::mirror_upper(part.hessian + p * n() * n(), n());
}

void Function::Implementation::hessian(Workspace& workspace, const Request& part) {
  const Index count = workspace.points() * part.weightings;
  std::memset(part.hessian, 0, static_cast<std::size_t>(count * n() * n()) * sizeof(double));
  plan_hessian();
  const Seeding& seeds = seeding_of_hessian;
  bool is_jacobian_done = part.jacobian == nullptr;
  if (front_of_hessian.exists()) {
    hessian_behind_front(workspace, part);
  } else {
    run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, part.weightings), part.weightings);
    if (!seeds.is_reduced() && directions > 0 && part.weightings == 1) {
      hessian_by_directions(workspace, part.weights, part.hessian);
    } else if (seeds.is_reduced() && (is_jacobian_done || m() <= seeds.columns)) {
      double* M = workspace.seed_hessian(count * seeds.columns * seeds.columns + seeds.columns * n());
      hessian_from_seeds(workspace, part, seeds, seeds.affine.data(), 0, M);
    } else {
      run_identity_tangents(graph, layout, workspace, {part.jacobian != nullptr, part.hessian, part.weightings, nullptr});
      if (!is_jacobian_done) {
        gather_tangents(workspace, part.jacobian);
        settle_jacobian(workspace, part.jacobian);
      }
      is_jacobian_done = true;
    }
  }
  if (!is_jacobian_done) jacobian(workspace, part.jacobian);
  for (Index i = 0; i < count; ++i) linalg::mirror_upper(part.hessian + i * n() * n(), n());
  settle_hessian(workspace, part);
}

}  // namespace fastexpr
