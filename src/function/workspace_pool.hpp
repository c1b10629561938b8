#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "passes/workspace.hpp"

namespace fastexpr {

/// Workspaces of one function that wait for their next evaluation, by number of points (powers of two). Lock-free, so that any
/// number of threads may evaluate and a fork at any moment leaves the child a working pool.
class WorkspacePool {
 public:
  static constexpr int n_sizes = 7;  // 1, 2, 4, ..., 64 points
  static constexpr Index most_points = Index{1} << (n_sizes - 1);

  WorkspacePool(const Graph& graph, const Layout& layout) : graph_(graph), layout_(layout) {}
  ~WorkspacePool();
  WorkspacePool(const WorkspacePool&) = delete;
  WorkspacePool& operator=(const WorkspacePool&) = delete;

  /// A workspace while it is in use; goes back by itself.
  class Lease {
   public:
    Lease(WorkspacePool& pool, int size);
    ~Lease() { pool_.give_back(std::move(workspace_), size_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Workspace& operator*() const { return *workspace_; }

   private:
    WorkspacePool& pool_;
    int size_;
    std::unique_ptr<Workspace> workspace_;
  };

 private:
  std::unique_ptr<Workspace> take(int size);
  void give_back(std::unique_ptr<Workspace> workspace, int size);

  const Graph& graph_;
  const Layout& layout_;
  std::array<std::array<std::atomic<Workspace*>, 16>, n_sizes> waiting_{};
};

}  // namespace fastexpr
