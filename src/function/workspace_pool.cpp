#include "function/workspace_pool.hpp"

#include <utility>

namespace fastexpr {

WorkspacePool::~WorkspacePool() {
  for (auto& slots : waiting_)
    for (auto& slot : slots) delete slot.load();
}

WorkspacePool::Lease::Lease(WorkspacePool& pool, int size) : pool_(pool), size_(size), workspace_(pool.take(size)) {}

std::unique_ptr<Workspace> WorkspacePool::take(int size) {
  for (auto& slot : waiting_[static_cast<std::size_t>(size)])
    if (slot.load(std::memory_order_relaxed) != nullptr)
      if (Workspace* workspace = slot.exchange(nullptr, std::memory_order_acquire)) return std::unique_ptr<Workspace>(workspace);
  return std::make_unique<Workspace>(graph_, layout_, Index{1} << size);
}

void WorkspacePool::give_back(std::unique_ptr<Workspace> workspace, int size) {
  workspace->set_branches(nullptr);
  workspace->set_wall_seeds({});
  for (auto& slot : waiting_[static_cast<std::size_t>(size)]) {
    Workspace* empty = nullptr;
    if (slot.compare_exchange_strong(empty, workspace.get(), std::memory_order_release, std::memory_order_relaxed)) {
      workspace.release();
      return;
    }
  }
}

}  // namespace fastexpr
