#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "function/box_bounds.hpp"
#include "function/implementation.hpp"
#include "linalg/interruption.hpp"
#include "linalg/thread_pool.hpp"

namespace fastexpr {

Index boxes_at_once(const Graph& graph, const Layout& layout) {
  constexpr double good_block = 160000;  // numbers: stays in the second-level cache
  Index largest = 1;
  for (const NodeId id : layout.active()) largest = std::max(largest, graph.size(id));
  const double block = 2.0 * static_cast<double>(largest) * static_cast<double>(largest);
  const auto fit = static_cast<std::uint64_t>(std::clamp(good_block / block, 1.0, 32.0));
  return static_cast<Index>(std::bit_floor(fit));
}

LinearBoundsPool::Lease::Lease(LinearBoundsPool& pool, Index points) : pool_(pool), bounds_(pool.take(points)) {}

LinearBoundsPool::Lease::~Lease() {
  const std::lock_guard<std::mutex> lock(pool_.mutex_);
  pool_.waiting_.push_back(std::move(bounds_));
}

std::unique_ptr<LinearBounds> LinearBoundsPool::take(Index points) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto& waiting : waiting_)
      if (waiting->points() == points) {
        std::unique_ptr<LinearBounds> found = std::move(waiting);
        waiting = std::move(waiting_.back());
        waiting_.pop_back();
        return found;
      }
    waiting_.reserve(++n_made_);  // to give one back takes no memory
  }
  return std::make_unique<LinearBounds>(graph_, layout_, points);
}

void for_chunks_of_boxes(LinearBoundsPool& pool, const Boxes& boxes, Index n, bool every_node,
                         const std::function<void(LinearBounds&, Index first, Index count)>& body) {
  const Index most =
      std::min(pool.most(), static_cast<Index>(std::bit_ceil(static_cast<std::uint64_t>(std::max<Index>(boxes.count, 1)))));
  const auto run = [&](Index begin, Index end) {
    std::vector<double> padded;
    const LinearBoundsPool::Lease lease(pool, most);
    for (Index chunk = begin; chunk < end; ++chunk) {
      const Index first = chunk * most, count = std::min(most, boxes.count - first);
      const double *lower = boxes.lower + first * n, *upper = boxes.upper + first * n;
      if (count < most) {  // the last box again
        padded.resize(static_cast<std::size_t>(2 * most * n));
        for (Index p = 0; p < most; ++p) {
          const Index from = std::min(p, count - 1) * n;
          std::copy_n(lower + from, n, padded.data() + p * n);
          std::copy_n(upper + from, n, padded.data() + (most + p) * n);
        }
        lower = padded.data(), upper = padded.data() + most * n;
      }
      lease->run(lower, upper, every_node);
      body(*lease, first, count);
    }
  };
  linalg::parallel_for((boxes.count + most - 1) / most, 1, std::ref(run));
}

namespace {

/// Bounds of one unit as callers see them.
void put(double low, double high, double& lower, double& upper) {
  const bool may_be_nan = std::isnan(low) || std::isnan(high);
  lower = may_be_nan ? -std::numeric_limits<double>::infinity() : low;
  upper = may_be_nan ? std::numeric_limits<double>::infinity() : high;
}

/// body(box, intervals of all nodes), by interval arithmetic.
template <class Body>
void for_intervals(const Graph& graph, const Layout& layout, const Boxes& boxes, const Body& body) {
  const Index n = graph.n_inputs();
  const auto run = [&](Index begin, Index end) {
    std::vector<Interval> x(static_cast<std::size_t>(n));
    for (Index box = begin; box < end; ++box) {
      look_for_interruption();
      for (Index j = 0; j < n; ++j) x[static_cast<std::size_t>(j)] = {boxes.lower[box * n + j], boxes.upper[box * n + j]};
      body(box, find_bounds(graph, layout, x.data()));
    }
  };
  linalg::parallel_for(boxes.count, 16, std::ref(run));
}

}  // namespace

void Function::bounds(const Boxes& boxes, BoundsMethod method, double* lower, double* upper) const {
  const Implementation& self = *implementation_;
  const Graph& graph = self.graph;
  const Index m = self.m();
  if (method == BoundsMethod::interval)
    return for_intervals(graph, self.layout, boxes, [&](Index box, const std::vector<Interval>& intervals) {
      Index k = box * m;
      for (const NodeId id : graph.outputs())
        for (Index i = 0; i < graph.size(id); ++i, ++k) {
          const Interval own = intervals[static_cast<std::size_t>(self.layout.value_offset(id) + i)];
          put(own.lower, own.upper, lower[k], upper[k]);
        }
    });
  LinearBoundsPool pool(graph, self.layout);
  for_chunks_of_boxes(pool, boxes, self.n(), false, [&](LinearBounds& known, Index first, Index count) {
    for (const NodeId id : graph.outputs()) known.tighten_output(id);
    for (Index p = 0; p < count; ++p) {
      Index k = (first + p) * m;
      for (const NodeId id : graph.outputs())
        for (Index i = 0; i < graph.size(id); ++i, ++k) {
          const Index place = i * known.points() + p;
          put(known.lower(id)[place], known.upper(id)[place], lower[k], upper[k]);
        }
    }
  });
}

std::unique_ptr<LinearBoundsPool> Function::linear_bounds_pool() const {
  return std::make_unique<LinearBoundsPool>(implementation_->graph, implementation_->layout);
}

Index Function::n_units() const {
  const Graph& graph = implementation_->graph;
  Index count = 0;
  for (NodeId id = 1; id < graph.n_nodes(); ++id) count += graph.depends(id) ? graph.size(id) : 0;
  return count;
}

void Function::bounds_of_nodes(const Boxes& boxes, BoundsMethod method, double* lower, double* upper) const {
  const Implementation& self = *implementation_;
  const Graph& graph = self.graph;
  const Index total = n_units();
  if (method == BoundsMethod::interval)
    return for_intervals(graph, self.layout, boxes, [&](Index box, const std::vector<Interval>& intervals) {
      Index k = box * total;
      for (NodeId id = 1; id < graph.n_nodes(); ++id)
        for (Index i = 0; i < graph.size(id) && graph.depends(id); ++i, ++k) {
          const Interval own = intervals[static_cast<std::size_t>(self.layout.value_offset(id) + i)];
          put(own.lower, own.upper, lower[k], upper[k]);
        }
    });
  LinearBoundsPool pool(graph, self.layout);
  for_chunks_of_boxes(pool, boxes, self.n(), true, [&](LinearBounds& known, Index first, Index count) {
    for (const NodeId id : graph.outputs()) known.tighten_output(id);
    for (Index p = 0; p < count; ++p) {
      Index k = (first + p) * total;
      for (NodeId id = 1; id < graph.n_nodes(); ++id)
        for (Index i = 0; i < graph.size(id) && graph.depends(id); ++i, ++k) {
          const Index place = i * known.points() + p;
          put(known.lower(id)[place], known.upper(id)[place], lower[k], upper[k]);
        }
    }
  });
}

}  // namespace fastexpr
