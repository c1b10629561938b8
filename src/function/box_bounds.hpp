#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "function/function.hpp"
#include "passes/linear_bounds.hpp"

namespace fastexpr {

/// As many as keep the blocks of coefficients in cache: a power of two.
Index boxes_at_once(const Graph& graph, const Layout& layout);

/// Linear bounds of one graph that wait for their next chunk of boxes.
class LinearBoundsPool {
 public:
  LinearBoundsPool(const Graph& graph, const Layout& layout)
      : graph_(graph), layout_(layout), most_(boxes_at_once(graph, layout)) {}

  Index most() const { return most_; }

  class Lease {
   public:
    Lease(LinearBoundsPool& pool, Index points);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    LinearBounds& operator*() const { return *bounds_; }
    LinearBounds* operator->() const { return bounds_.get(); }

   private:
    LinearBoundsPool& pool_;
    std::unique_ptr<LinearBounds> bounds_;
  };

 private:
  std::unique_ptr<LinearBounds> take(Index points);

  const Graph& graph_;
  const Layout& layout_;
  Index most_;
  std::size_t n_made_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<LinearBounds>> waiting_;
};

/// Runs linear bounds over all boxes, some at a time, in parallel, and calls body(bounds, first box, boxes) for each chunk.
void for_chunks_of_boxes(LinearBoundsPool& pool, const Boxes& boxes, Index n, bool every_node,
                         const std::function<void(LinearBounds&, Index first, Index count)>& body);

}  // namespace fastexpr
