// The Hessian from its products with directions, a block at a time.

#include <algorithm>
#include <cstring>
#include <functional>

#include "function/implementation.hpp"
#include "linalg/thread_pool.hpp"

namespace fastexpr {

namespace {

constexpr Index parallel_size = 1 << 20;  // numbers in all blocks together; some milliseconds

}  // namespace

// Columns [first, last) of the Hessian, (n, n) at each point, `stride` numbers apart; after values, linearize and adjoints with
// one column.
void Function::Implementation::hessian_columns(Workspace& workspace, Index first, Index last, double* hessian,
                                               Index stride) const {
  const Index points = workspace.points();
  const Index columns = last - first;
  workspace.require_all_tangents(columns);
  double* seed = workspace.tangent(0);
  std::memset(seed, 0, static_cast<std::size_t>(n() * points * columns) * sizeof(double));
  for (Index c = 0; c < columns; ++c)
    for (Index p = 0; p < points; ++p) seed[((first + c) * points + p) * columns + c] = 1;
  run_tangents(graph, layout, workspace);
  run_second_adjoints(graph, layout, workspace);
  const double* block = workspace.second_adjoint(0);
  for (Index i = 0; i < n(); ++i)
    for (Index p = 0; p < points; ++p)
      std::copy_n(block + (i * points + p) * columns, columns, hessian + p * stride + i * n() + first);
}

// H times blocks of unit vectors. For one point, threads take a block each; a thread that joins in evaluates the point again,
// which costs little beside a block.
void Function::Implementation::hessian_by_directions(Workspace& workspace, const double* weights, double* hessian) {
  const Index width = hessian_plan.width, n_blocks = (n() + width - 1) / width;
  const auto columns_of = [&](Workspace& own, Index block) {
    hessian_columns(own, block * width, std::min(n(), (block + 1) * width), hessian, n() * n());
  };
  const bool is_shared = workspace.points() == 1 && layout.value_size() * n() >= parallel_size && linalg::num_threads() > 1;
  if (!is_shared) {
    for (Index block = 0; block < n_blocks; ++block) columns_of(workspace, block);
    return;
  }
  const auto run = [&](Index begin, Index end) {
    const WorkspacePool::Lease lease(pool, 0);
    (*lease).set_branches(workspace.branches());
    (*lease).set_wall_seeds(workspace.wall_seeds());
    load(*lease, workspace.value(0));
    run_linearize(graph, layout, *lease, 2);
    run_adjoints(graph, layout, *lease, weights, 1);
    for (Index block = begin; block < end; ++block) columns_of(*lease, block);
  };
  linalg::parallel_for(n_blocks, 1, std::ref(run));  // a reference, so that std::function needs no heap
}

}  // namespace fastexpr
