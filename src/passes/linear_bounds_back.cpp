#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/interruption.hpp"
#include "linalg/products.hpp"
#include "passes/linear_bounds.hpp"

// The way back: from the units of a node to x.

namespace fastexpr {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double no_bound = 1e150;            // what is as large comes from a line that is none
constexpr Index most_block = Index{1} << 22;  // numbers in a block of coefficients

}  // namespace

std::vector<Index> LinearBounds::undecided_units(NodeId id, bool every_unit) const {
  std::vector<Index> units;
  const Kinks& kinks = kinks_[static_cast<std::size_t>(id)];
  const double *low = lower_.data() + at(id), *high = upper_.data() + at(id);
  for (Index i = 0; i < graph_.size(id); ++i) {
    bool is_wanted = every_unit || !kinks.are_all;
    for (Index k = i * points_; k < (i + 1) * points_ && !is_wanted; ++k)
      for (const double kink : kinks.at) is_wanted = is_wanted || !(low[k] >= kink || high[k] <= kink);
    if (is_wanted) units.push_back(i);
  }
  return units;
}

void LinearBounds::tighten(NodeId id, bool every_unit) {
  if (!graph_.depends(id) || !is_linear(id) || is_tight_[static_cast<std::size_t>(id)]) return;
  is_tight_[static_cast<std::size_t>(id)] = true;
  bound(id, undecided_units(id, every_unit));
}

void LinearBounds::bound(NodeId id, const std::vector<Index>& units) {
  const Index most = std::max<Index>(1, most_block / (layout_.value_size() * points_) / 2);
  for (std::size_t first = 0; first < units.size(); first += static_cast<std::size_t>(most)) {
    const std::size_t last = std::min(units.size(), first + static_cast<std::size_t>(most));
    target_ = {id, {units.begin() + static_cast<std::ptrdiff_t>(first), units.begin() + static_cast<std::ptrdiff_t>(last)}, true};
    go_back();
    cut();
  }
}

void LinearBounds::tighten_output(NodeId id) {
  id = layout_.storage(id);
  if (!graph_.depends(id) || is_tight_[static_cast<std::size_t>(id)]) return;
  is_tight_[static_cast<std::size_t>(id)] = true;
  std::vector<Index> units(static_cast<std::size_t>(graph_.size(id)));
  for (std::size_t i = 0; i < units.size(); ++i) units[i] = static_cast<Index>(i);
  bound(id, units);
}

LinearBounds::Below LinearBounds::below(NodeId id) {
  id = layout_.storage(id);
  target_ = {id, {}, false};
  for (Index i = 0; i < graph_.size(id); ++i) target_.units.push_back(i);
  go_back();
  return {values_.adjoint(0), offsets_.data()};
}

void LinearBounds::go_back() {
  const auto units = static_cast<Index>(target_.units.size());
  shared_.adjoints().require(units);
  values_.adjoints().require(target_.columns());
  rows_.resize(static_cast<std::size_t>(points_ * target_.columns()));
  offsets_.assign(static_cast<std::size_t>(points_ * target_.columns()), 0.0);
  double* seed = shared_.adjoints().begun(target_.node, graph_.size(target_.node));
  for (Index c = 0; c < units; ++c) seed[target_.units[static_cast<std::size_t>(c)] * units + c] = 1.0;
  const std::vector<NodeId>& active = layout_.active();
  for (auto it = std::upper_bound(active.begin(), active.end(), target_.node); it != active.begin();) {
    const NodeId id = *--it;
    if (!shared_.adjoints().has(id) && !values_.adjoints().has(id)) continue;
    look_for_interruption();
    if (is_linear(id)) {
      if (shared_.adjoints().has(id)) linear_back(id, shared_);
      if (values_.adjoints().has(id)) linear_back(id, values_);
    } else {
      relax(id);
    }
  }
  arrive();
}

void LinearBounds::linear_back(NodeId id, Workspace& workspace) {
  const Node& node = graph_.node(id);
  const Point point = workspace.at(id);
  const double* own = workspace.adjoint(id);
  double* fresh = workspace.adjoints().fresh(node.inputs[0]);
  if (fresh != nullptr && node.op->first_adjoint(point, own, fresh, workspace.adjoint_columns()))
    return workspace.adjoints().note(node.inputs[0]);
  double** wanted = workspace.adjoint_pointers();
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    const NodeId source = layout_.storage(node.inputs[k]);
    wanted[k] = graph_.depends(source) ? workspace.adjoints().begun(source, graph_.size(source)) : nullptr;
  }
  node.op->adjoint(point, own, wanted, workspace.adjoint_columns());
}

// The coefficients of one unit in all boxes, from both kinds of blocks.
LinearBounds::Rows LinearBounds::coefficients(NodeId id, Index unit) {
  const Index columns = target_.columns();
  const double* own = values_.adjoints().has(id) ? values_.adjoint(id) + unit * points_ * columns : nullptr;
  if (!shared_.adjoints().has(id)) return {own, columns};
  const Index units = shared_.adjoint_columns(), rows = own == nullptr ? 1 : points_;
  const double* shared = shared_.adjoint(id) + unit * units;
  for (Index p = 0; p < rows; ++p) {
    double* row = rows_.data() + p * columns;
    for (Index c = 0; c < columns; ++c)
      row[c] = (c < units ? shared[c] : -shared[c - units]) + (own == nullptr ? 0.0 : own[p * columns + c]);
  }
  return {rows_.data(), own == nullptr ? 0 : columns};
}

void LinearBounds::relax(NodeId id) {
  const Node& node = graph_.node(id);
  const Nonlinear& known = nonlinear_[static_cast<std::size_t>(id)];
  const Lines below = lines_of(id, below_), above = lines_of(id, above_);
  const Index columns = target_.columns();
  std::vector<bool> is_first(node.inputs.size());
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    const NodeId source = layout_.storage(node.inputs[k]);
    if (!graph_.depends(source) || known.links.empty()) continue;
    is_first[k] = known.is_unitwise && values_.adjoints().fresh(source) != nullptr;
    if (is_first[k])
      values_.adjoints().note(source);
    else
      values_.adjoints().begun(source, graph_.size(source));
  }
  std::size_t l = 0;
  for (Index i = 0; i < node.op->size(); ++i) {
    const Rows own = coefficients(id, i);
    const auto take = [&](const double* low, const double* high, bool accumulate, double* y) {
      linalg::take_signed(own.data, own.stride, points_, columns, low, high, accumulate, y);
    };
    take(below.offsets + i * points_, above.offsets + i * points_, true, offsets_.data());
    for (; l < known.links.size() && known.links[l].unit == i; ++l) {
      const auto input = static_cast<std::size_t>(known.links[l].input);
      const NodeId source = layout_.storage(node.inputs[input]);
      if (!graph_.depends(source)) continue;
      const Index slopes = static_cast<Index>(l) * points_;
      take(below.slopes + slopes, above.slopes + slopes, !is_first[input],
           values_.adjoint(source) + known.links[l].from * points_ * columns);
    }
  }
}

// At x: all coefficients in the block, and offsets that hold for the values themselves, rounding taken off.
void LinearBounds::arrive() {
  const Index n = graph_.n_inputs(), columns = target_.columns(), units = shared_.adjoint_columns();
  double* slopes = values_.adjoints().begun(0, n);
  reach_.assign(static_cast<std::size_t>(points_ * columns), 0.0);
  for (Index j = 0; j < n; ++j)
    for (Index p = 0; p < points_; ++p) {
      double* own = slopes + (j * points_ + p) * columns;
      if (shared_.adjoints().has(0)) {
        const double* shared = shared_.adjoint(0) + j * units;
        for (Index c = 0; c < units; ++c) own[c] += shared[c];
        for (Index c = units; c < columns; ++c) own[c] -= shared[c - units];
      }
      const double radius = radius_[static_cast<std::size_t>(j * points_ + p)];
      double* reach = reach_.data() + p * columns;
      for (Index c = 0; c < columns; ++c) reach[c] += std::abs(own[c]) * radius;
    }
  const double gamma = 2.0 * gamma_[static_cast<std::size_t>(target_.node)];
  const double last = static_cast<double>(n + 8) * epsilon;
  for (Index c = 0; c < columns; ++c) {
    const Index unit = target_.units[static_cast<std::size_t>(c % units)];
    const double mark = gamma * mark_of(target_.node)[unit];
    for (Index p = 0; p < points_; ++p) {
      double& offset = offsets_[static_cast<std::size_t>(p * columns + c)];
      const double reference = values_.value(target_.node)[unit * points_ + p];
      const double sum = offset + (c < units ? reference : -reference);
      const double reach = reach_[static_cast<std::size_t>(p * columns + c)];
      offset = sum - mark - last * (std::abs(offset) + std::abs(reference) + reach) - underflow_[static_cast<std::size_t>(p)];
    }
  }
}

void LinearBounds::cut() {
  const Index columns = target_.columns(), units = shared_.adjoint_columns();
  double *low = lower_.data() + at(target_.node), *high = upper_.data() + at(target_.node);
  for (Index c = 0; c < columns; ++c)
    for (Index p = 0; p < points_; ++p) {
      const auto place = static_cast<std::size_t>(p * columns + c);
      const double bound = offsets_[place] - reach_[place];
      if (!(std::abs(bound) < no_bound)) continue;
      const Index unit = target_.units[static_cast<std::size_t>(c % units)] * points_ + p;
      if (c < units && bound > low[unit] && bound <= high[unit]) low[unit] = bound;
      if (c >= units && -bound < high[unit] && -bound >= low[unit]) high[unit] = -bound;
    }
}

}  // namespace fastexpr
