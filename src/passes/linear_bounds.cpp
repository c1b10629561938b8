#include "passes/linear_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/interruption.hpp"

namespace fastexpr {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double no_bound = 1e150;  // what is as large comes from a line that is none

}  // namespace

LinearBounds::LinearBounds(const Graph& graph, const Layout& layout, Index points)
    : graph_(graph), layout_(layout), points_(points), values_(graph, layout, points), shared_(graph, layout, 1) {
  const auto n_nodes = static_cast<std::size_t>(graph.n_nodes());
  is_linear_.resize(n_nodes);
  nonlinear_.resize(n_nodes);
  gamma_.resize(n_nodes);
  kinks_.resize(n_nodes);
  const auto size = static_cast<std::size_t>(layout.value_size() * points);
  lower_.resize(size), upper_.resize(size);
  mark_.resize(static_cast<std::size_t>(layout.value_size()));
  radius_.resize(static_cast<std::size_t>(graph.n_inputs() * points));
  blocks_.resize(layout.most_inputs());
  for (Workspace* workspace : {&values_, &shared_}) workspace->require_local(1);
  std::fill_n(values_.value(0), graph.n_inputs() * points, 0.0);
  std::fill_n(shared_.value(0), graph.n_inputs(), 0.0);
  for (const NodeId id : layout.constant()) {
    const Index count = graph.size(id) * points;
    std::copy_n(values_.value(id), count, lower_.data() + at(id));
    std::copy_n(values_.value(id), count, upper_.data() + at(id));
    for (Index i = 0; i < graph.size(id); ++i) mark_of(id)[i] = std::abs(values_.value(id)[i * points]);
  }
  std::size_t n_slopes = 0, n_offsets = 0;
  for (const NodeId id : layout.active()) {
    for (Workspace* workspace : {&values_, &shared_})
      std::fill_n(workspace->value(id), graph.size(id) * workspace->points(), 0.0);
    prepare(id, n_slopes, n_offsets);
  }
  below_.slopes.resize(n_slopes), above_.slopes.resize(n_slopes);
  below_.offsets.resize(n_offsets), above_.offsets.resize(n_offsets);
  n_terms_ = static_cast<double>(n_offsets) / static_cast<double>(points) + 8.0;
}

// Once: what is linear, what it needs, and what lines read.
void LinearBounds::prepare(NodeId id, std::size_t& n_slopes, std::size_t& n_offsets) {
  const Node& node = graph_.node(id);
  std::vector<bool> depends;
  for (const NodeId input : node.inputs) depends.push_back(graph_.depends(input));
  const auto place = static_cast<std::size_t>(id);
  is_linear_[place] = node.op->is_affine(depends) && !node.op->is_step();
  if (is_linear_[place]) {
    for (Workspace* workspace : {&values_, &shared_}) {
      Point point = workspace->at(id);
      point.local = nullptr;
      if (node.op->local_size(1) > 0) node.op->linearize(point, 1, workspace->local(id));
    }
    return;
  }
  Nonlinear& known = nonlinear_[place];
  known.links = node.op->links();
  known.first_slope = n_slopes, known.first_offset = n_offsets;
  n_slopes += known.links.size() * static_cast<std::size_t>(points_);
  n_offsets += static_cast<std::size_t>(node.op->size() * points_);
  known.is_unitwise = node.op->n_inputs() == 1 && static_cast<Index>(known.links.size()) == node.op->size();
  for (std::size_t l = 0; l < known.links.size() && known.is_unitwise; ++l)
    known.is_unitwise = known.links[l].unit == known.links[l].from && known.links[l].unit == static_cast<Index>(l);
  const bool decides_by_kinks = known.is_unitwise && !node.op->is_curved(depends) && !node.op->is_step();
  for (const NodeId input : node.inputs) {
    Kinks& kinks = kinks_[static_cast<std::size_t>(layout_.storage(input))];
    const std::vector<double> own = node.op->kinks();
    kinks.are_all = kinks.are_all && decides_by_kinks;
    kinks.at.insert(kinks.at.end(), own.begin(), own.end());
  }
}

void LinearBounds::run(const double* lower, const double* upper, bool every_node) {
  start(lower, upper);
  is_tight_.assign(static_cast<std::size_t>(graph_.n_nodes()), false);
  is_tight_[0] = true;
  for (const NodeId id : layout_.active()) {
    look_for_interruption();
    if (!is_linear(id)) {
      for (const NodeId input : graph_.node(id).inputs) tighten(layout_.storage(input), every_node);
      visit_nonlinear(id);
    } else {
      visit_linear(id);
      if (every_node) tighten(id, true);
    }
  }
}

void LinearBounds::start(const double* lower, const double* upper) {
  const Index n = graph_.n_inputs();
  double* center = values_.value(0);
  underflow_.assign(static_cast<std::size_t>(points_), std::numeric_limits<double>::min());
  for (Index j = 0; j < n; ++j) {
    double largest = 0;
    for (Index p = 0; p < points_; ++p) {
      const double low = lower[p * n + j], high = upper[p * n + j];
      const Index k = j * points_ + p;
      lower_[static_cast<std::size_t>(k)] = low, upper_[static_cast<std::size_t>(k)] = high;
      center[k] = 0.5 * low + 0.5 * high;
      if (!std::isfinite(center[k])) center[k] = 0.0;
      radius_[static_cast<std::size_t>(k)] = std::max(high - center[k], center[k] - low) * (1.0 + 2.0 * epsilon);
      underflow_[static_cast<std::size_t>(p)] += std::numeric_limits<double>::min() * radius_[static_cast<std::size_t>(k)];
      for (const double end : {low, high})
        if (std::isfinite(end)) largest = std::max(largest, std::abs(end));
    }
    mark_of(0)[j] = largest;
  }
}

const IntervalBlock* LinearBounds::input_blocks(NodeId id) {
  std::size_t k = 0;
  for (const NodeId input : graph_.node(id).inputs) blocks_[k++] = block(input);
  return blocks_.data();
}

void LinearBounds::visit_linear(NodeId id) {
  const Operator& op = *graph_.node(id).op;
  op.value(values_.input_values(id), values_.value(id), points_, values_.scratch());
  op.bounds_of_boxes(input_blocks(id), block(id), points_);
  // Magnitudes of what stands in the sums of this node, at any point of any box: as one more box.
  Index total = op.size();
  double gamma = 0, terms = static_cast<double>(op.size());
  for (std::size_t k = 0; k < op.n_inputs(); ++k) total += op.input_size(k);
  marks_.resize(static_cast<std::size_t>(2 * total));
  double* next = marks_.data();
  for (std::size_t k = 0; k < op.n_inputs(); ++k) {
    const NodeId input = graph_.node(id).inputs[k];
    const Index size = op.input_size(k);
    blocks_[k] = {next, next + size};
    next += 2 * size;
    for (Index i = 0; i < size; ++i) {
      const bool depends = graph_.depends(input);
      const double mark = depends ? mark_of(input)[i] : values_.value(input)[i * points_];
      blocks_[k].lower[i] = depends ? -mark : mark, blocks_[k].upper[i] = mark;
    }
    gamma = std::max(gamma, gamma_[static_cast<std::size_t>(layout_.storage(input))]);
    terms = std::max(terms, static_cast<double>(size));
  }
  const IntervalBlock reach{next, next + op.size()};
  op.bounds_of_boxes(blocks_.data(), reach, 1);
  for (Index i = 0; i < op.size(); ++i) mark_of(id)[i] = std::max(std::abs(reach.lower[i]), std::abs(reach.upper[i]));
  gamma_[static_cast<std::size_t>(id)] = gamma + 2.0 * (terms + 4.0) * epsilon;
}

Lines LinearBounds::lines_of(NodeId id, LineNumbers& numbers) const {
  const Nonlinear& known = nonlinear_[static_cast<std::size_t>(id)];
  return {numbers.slopes.data() + known.first_slope, numbers.offsets.data() + known.first_offset,
          static_cast<Index>(known.links.size())};
}

void LinearBounds::visit_nonlinear(NodeId id) {
  const Operator& op = *graph_.node(id).op;
  const IntervalBlock own = block(id);
  op.lines(input_blocks(id), own, lines_of(id, below_), lines_of(id, above_), points_);
  op.value(values_.input_values(id), values_.value(id), points_, values_.scratch());
  double* reference = values_.value(id);
  for (Index i = 0; i < op.size(); ++i) {
    double largest = 0;
    for (Index p = 0; p < points_; ++p) {
      double& number = reference[i * points_ + p];
      if (!(std::abs(number) < no_bound)) number = 0.0;  // any number will do
      for (const double end : {own.lower[i * points_ + p], own.upper[i * points_ + p], number})
        if (std::isfinite(end)) largest = std::max(largest, std::abs(end));
    }
    mark_of(id)[i] = largest;
  }
  gamma_[static_cast<std::size_t>(id)] = 0;
  shift_lines(id);
}

// From (u, v) to deviations from the references, with what rounding may do up to the next stretch.
void LinearBounds::shift_lines(NodeId id) {
  const Nonlinear& known = nonlinear_[static_cast<std::size_t>(id)];
  const Node& node = graph_.node(id);
  const double* reference = values_.value(id);
  if (known.is_unitwise) return shift_unit_lines(id);
  for (const bool is_below : {true, false}) {
    const Lines lines = lines_of(id, is_below ? below_ : above_);
    std::size_t l = 0;
    for (Index i = 0; i < node.op->size(); ++i) {
      const std::size_t first = l;
      while (l < known.links.size() && known.links[l].unit == i) ++l;
      for (Index p = 0; p < points_; ++p) {
        double& offset = lines.offsets[i * points_ + p];
        const double v = reference[i * points_ + p];
        double shifted = offset - v, rounding = 4 * epsilon * (std::abs(offset) + std::abs(v));
        for (std::size_t k = first; k < l; ++k) {
          const NodeId input = node.inputs[static_cast<std::size_t>(known.links[k].input)];
          const double slope = lines.slopes[static_cast<Index>(k) * points_ + p];
          if (slope == 0) continue;
          const double gamma = gamma_[static_cast<std::size_t>(layout_.storage(input))] + 16 * epsilon;
          shifted += slope * values_.value(input)[known.links[k].from * points_ + p];
          rounding += 2 * gamma * std::abs(slope) * mark_of(input)[known.links[k].from];
        }
        rounding +=
            (n_terms_ + static_cast<double>(l - first)) * epsilon * std::abs(shifted) + std::numeric_limits<double>::min();
        offset = is_below ? std::max(shifted - rounding, std::numeric_limits<double>::lowest())
                          : std::min(shifted + rounding, std::numeric_limits<double>::max());
      }
    }
  }
}

// The same of units that read one unit each.
void LinearBounds::shift_unit_lines(NodeId id) {
  const NodeId input = graph_.node(id).inputs[0];
  const double gamma = 2 * (gamma_[static_cast<std::size_t>(layout_.storage(input))] + 16 * epsilon);
  const double relative = (n_terms_ + 1) * epsilon;
  for (const bool is_below : {true, false}) {
    const Lines lines = lines_of(id, is_below ? below_ : above_);
    const double side = is_below ? -1.0 : 1.0;
    for (Index i = 0; i < graph_.size(id); ++i) {
      const double mark = gamma * mark_of(input)[i];
      const double *u = values_.value(input) + i * points_, *v = values_.value(id) + i * points_;
      const double* slopes = lines.slopes + i * points_;
      double* offsets = lines.offsets + i * points_;
      for (Index p = 0; p < points_; ++p) {
        const double shifted = offsets[p] - v[p] + slopes[p] * u[p];
        const bool is_zero = slopes[p] == 0 && offsets[p] == 0 && v[p] == 0;  // an inactive ReLU: adds nothing at all
        const double least = is_zero ? 0.0 : std::numeric_limits<double>::min();
        const double rounding = 4 * epsilon * (std::abs(offsets[p]) + std::abs(v[p])) + mark * std::abs(slopes[p]) +
                                relative * std::abs(shifted) + least;
        offsets[p] =
            std::clamp(shifted + side * rounding, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
      }
    }
  }
}

}  // namespace fastexpr
