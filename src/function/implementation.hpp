#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "function/function.hpp"
#include "function/hessian_plan.hpp"
#include "function/workspace_pool.hpp"
#include "graph/rows.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

/// What is behind a Function; only the files of this folder see it.
struct Function::Implementation {
  Implementation(Graph g, Signature s)
      : graph(std::move(g)),
        signature(std::move(s)),
        layout(graph),
        quick_plan(plan_hessian(graph, layout)),
        pool(graph, layout) {}

  Graph graph;
  Signature signature;
  Layout layout;
  const HessianPlan quick_plan;  // without a front, which takes a search
  HessianPlan hessian_plan;      // after plan()
  WorkspacePool pool;
  std::once_flag plan_once, seeds_once;
  std::atomic<bool> is_planned = false;
  std::once_flag structure_once;
  Structure structure;
  std::once_flag kink_structure_once;
  KinkStructure kink_structure;

  Index n() const { return graph.n_inputs(); }
  Index m() const { return graph.n_outputs(); }

  /// Calls body with workspace.annihilates() where not all of the result is finite, and says whether it did: see
  /// passes/annihilation.hpp.
  template <class Body>
  static bool again_if_singular(Workspace& workspace, const double* result, Index count, const Body& body) {
    if (rows::are_finite(result, count)) return false;
    const struct Mode {
      Workspace& workspace;
      explicit Mode(Workspace& w) : workspace(w) { workspace.set_annihilates(true); }
      ~Mode() { workspace.set_annihilates(false); }
    } mode(workspace);
    body();
    return true;
  }

  template <class Body>
  void for_chunks(Index points, Index most, const Body& body);
  void load(Workspace& workspace, const double* x) const;
  void gather(const Workspace& workspace, double* value) const;
  void jacobian(Workspace& workspace, double* jacobian) const;
  void jacobian_by_rows(Workspace& workspace, double* jacobian) const;
  void gather_tangents(const Workspace& workspace, double* jacobian) const;
  void jvp(Workspace& workspace, const double* direction, double* y) const;
  void vjp(Workspace& workspace, const double* weights, double* y) const;
  void hvp(Workspace& workspace, const double* weights, const double* direction, double* y) const;
  void sparse_jacobian_by_rows(Workspace& workspace, const Structure& known, double* entries) const;
  void sparse_jacobian_by_columns(Workspace& workspace, const Structure& known, double* entries) const;
  void compressed_hessian(Workspace& workspace, const Structure& known, const double* weights, double* entries) const;
  void derivatives(Workspace& workspace, const Request& part);
  /// How dense Hessians are computed; found when the first one is.
  const HessianPlan& plan();
  /// The upper triangles, or all; then all of it, in every case.
  void hessian(Workspace& workspace, const Request& part);
  void hessian_by_tangents(Workspace& workspace, const Request& part) const;  // and the Jacobian, where it is asked for
  void hessian_by_seeds(Workspace& workspace, const Request& part);
  void hessian_from_seeds(Workspace& workspace, const Request& part, const Seeding& z, const double* A, Index stride,
                          double* M) const;
  void hessian_by_front(Workspace& workspace, const Request& part) const;
  void hessian_columns(Workspace& workspace, Index first, Index last, double* hessian, Index stride) const;
  void singular_jacobian(Workspace& workspace, double* jacobian) const;
  void singular_hessian(Workspace& workspace, const Request& part) const;
  /// Computes what is there again where not all of it is finite; whether that was so. The tangents are others afterwards.
  bool settle_jacobian(Workspace& workspace, double* jacobian) const;
  bool settle_hessian(Workspace& workspace, const Request& part) const;
  void hessian_by_directions(Workspace& workspace, const double* weights, double* hessian);
  /// After run_kept_tangents.
  void hessian_from_kept_tangents(Workspace& workspace, const Request& part) const;
  // After run_linearize, of order 2 for the Hessian.
  void sparse_jacobian(Workspace& workspace, const Structure& known, double* entries) const;
  void sparse_hessian(Workspace& workspace, const Structure& known, const double* weights, double* entries);
  double* weights_as_seed(Workspace& workspace, const double* weights, Index weightings) const;
};

/// The largest number of points such that a block of this many columns stays about as wide as products like it.
Index chunk_for(Index columns);

}  // namespace fastexpr
