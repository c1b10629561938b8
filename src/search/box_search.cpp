#include "search/box_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "linalg/interruption.hpp"

namespace fastexpr {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr Index not_at_all = -1, once_more = -2;  // instead of a side to split
constexpr std::size_t most_taken = 64;  // boxes at a time: enough to keep threads busy, few enough to stay with the least bounds

}  // namespace

BoxSearch::BoxSearch(SearchProblem problem)
    : problem_(std::move(problem)),
      n_(problem_.function->n_inputs()),
      m_(problem_.function->n_outputs()),
      graph_(problem_.function->graph()),
      pool_(problem_.function->linear_bounds_pool()),
      objective_(infinity),
      discarded_(infinity) {
  for (Index j = 0; j < n_; ++j) {
    const auto side = static_cast<std::size_t>(j);
    scales_.push_back(std::max(problem_.upper[side] - problem_.lower[side], std::numeric_limits<double>::min()));
  }
  for (NodeId id = 1; id < graph_.n_nodes(); ++id)
    has_steps_ = has_steps_ || (graph_.depends(id) && graph_.node(id).op->is_step());
  halves_lower_ = problem_.lower, halves_upper_ = problem_.upper;  // the whole box is bounded like any other
  bound_halves();
  collect();
}

double BoxSearch::cutoff() const {
  if (std::isfinite(problem_.target)) return problem_.target;
  return std::isfinite(objective_) ? objective_ - problem_.tolerance * std::max(1.0, std::abs(objective_)) : infinity;
}

double BoxSearch::bound() const {
  double least = std::min(objective_, discarded_);
  if (!open_.empty()) least = std::min(least, open_.top().bound);
  return least;
}

bool BoxSearch::is_done() const {
  if (std::isfinite(problem_.target) && objective_ < problem_.target) return true;
  return open_.empty() || open_.top().bound >= cutoff();
}

std::vector<double> BoxSearch::least_box() const {
  if (open_.empty()) return {};
  const double* sides = boxes_.data() + static_cast<std::ptrdiff_t>(open_.top().slot) * 2 * n_;
  return {sides, sides + 2 * n_};
}

void BoxSearch::run(Index most_boxes, std::chrono::steady_clock::time_point deadline) {
  while (!is_done() && n_boxes_ < most_boxes && std::chrono::steady_clock::now() < deadline) {
    take();
    try {
      look_for_interruption();
      split();
      bound_halves();
    } catch (...) {
      for (const Open& box : taken_) open_.push(box);
      taken_.clear();
      throw;
    }
    for (const Open& box : taken_) free_.push_back(box.slot);
    taken_.clear();
    collect();
  }
}

void BoxSearch::take() {
  const std::size_t most = std::clamp<std::size_t>(open_.size() / 2, 1, most_taken);
  while (taken_.size() < most && !open_.empty() && open_.top().bound < cutoff()) {
    taken_.push_back(open_.top());
    open_.pop();
  }
}

void BoxSearch::split() {
  halves_lower_.clear(), halves_upper_.clear();
  for (const Open& box : taken_) {
    const double *lower = slot(box.slot), *upper = lower + n_;
    const Index j = splits_[box.slot];
    if (j == once_more) {
      halves_lower_.insert(halves_lower_.end(), lower, upper);
      halves_upper_.insert(halves_upper_.end(), upper, upper + n_);
      continue;
    }
    const double point = split_point(j, lower[j], upper[j]);
    for (const bool is_low : {true, false}) {
      halves_lower_.insert(halves_lower_.end(), lower, upper);
      halves_upper_.insert(halves_upper_.end(), upper, upper + n_);
      const auto side = static_cast<std::size_t>(static_cast<Index>(halves_lower_.size()) - n_ + j);
      if (is_low) {
        halves_upper_[side] = point;
      } else {
        const auto place = static_cast<std::size_t>(j);
        const std::vector<double>& cuts = problem_.cuts[place];
        const bool jumps = point == lower[j] || std::binary_search(cuts.begin(), cuts.end(), point);
        halves_lower_[side] = problem_.is_integer[place] ? point + 1.0 : jumps ? std::nextafter(point, infinity) : point;
      }
    }
  }
}

double BoxSearch::split_point(Index j, double low, double high) const {
  const auto side = static_cast<std::size_t>(j);
  const double middle = 0.5 * low + 0.5 * high;
  if (problem_.is_integer[side]) return std::floor(middle);
  const std::vector<double>& cuts = problem_.cuts[side];
  const auto first = std::lower_bound(cuts.begin(), cuts.end(), low), last = std::lower_bound(first, cuts.end(), high);
  if (first != last) return *(first + (last - first) / 2);
  return middle > low && middle < high ? middle : low;  // neighbouring doubles
}

// Of what is continuous, nothing is learnt from boxes as wide as rounding.
bool BoxSearch::can_split(Index j, const Work& work) const {
  const auto side = static_cast<std::size_t>(j);
  const double width = work.upper[j] - work.lower[j];
  if (width <= 0) return false;
  if (problem_.is_integer[side] || has_steps_) return true;
  constexpr double narrow = 1e-12;
  return width > narrow * std::max({scales_[side], std::abs(work.lower[j]), std::abs(work.upper[j])});
}

void BoxSearch::bound_halves() {
  const auto count = static_cast<Index>(halves_lower_.size()) / n_;
  work_.resize(static_cast<std::size_t>(count));
  candidates_.assign(static_cast<std::size_t>(2 * count * n_), 0.0);
  const NodeId output = graph_.outputs().front();
  const Boxes boxes{count, halves_lower_.data(), halves_upper_.data()};
  for_chunks_of_boxes(*pool_, boxes, n_, false, [&](LinearBounds& known, Index first, Index chunk) {
    const LinearBounds::Below below = known.below(output);
    for (Index p = 0; p < chunk; ++p) {
      const Index box = first + p;
      Work& work = work_[static_cast<std::size_t>(box)];
      work = {halves_lower_.data() + box * n_, halves_upper_.data() + box * n_, -infinity, not_at_all, false};
      double* candidate = candidates_.data() + 2 * box * n_;
      for (Index j = 0; j < n_; ++j) {
        const double slope = below.slopes[(j * known.points() + p) * m_];
        candidate[j] = slope > 0 ? work.lower[j] : work.upper[j];
        candidate[n_ + j] = known.center()[j * known.points() + p];
      }
      bound_one(known, below, output, p, work);
    }
  });
}

// Lines cut the sides, then bound the objective over what is left.
void BoxSearch::bound_one(LinearBounds& known, LinearBounds::Below below, NodeId output, Index p, Work& work) {
  const Index points = known.points();
  const double size = size_of(work);
  std::vector<double> center(static_cast<std::size_t>(n_));
  for (Index j = 0; j < n_; ++j) center[static_cast<std::size_t>(j)] = known.center()[j * points + p];
  std::vector<Form> forms(static_cast<std::size_t>(m_));
  std::vector<double> limits{objective_};  // what is cut off is no better than the best point
  limits.insert(limits.end(), problem_.limits.begin(), problem_.limits.end());
  for (Index k = 0; k < m_; ++k) {
    Form& form = forms[static_cast<std::size_t>(k)];
    form.offset = below.offsets[p * m_ + k];
    form.c.resize(static_cast<std::size_t>(n_));
    for (Index j = 0; j < n_; ++j) form.c[static_cast<std::size_t>(j)] = below.slopes[(j * points + p) * m_ + k];
    const double constant = known.lower(output)[k * points + p];
    if (!(std::abs(form.offset) < 1e150)) {
      form.offset = std::isnan(constant) ? -infinity : constant;
      std::fill(form.c.begin(), form.c.end(), 0.0);
    }
    if (constant > limits[static_cast<std::size_t>(k)]) work.is_empty = true;
  }
  const double constant = known.lower(output)[p];
  for (std::size_t r = 0; r < problem_.row_limits.size(); ++r) {
    const double* row = problem_.rows.data() + static_cast<std::ptrdiff_t>(r) * n_;
    Form form{0.0, {row, row + n_}};
    double magnitude = 0;
    for (Index j = 0; j < n_; ++j) {
      form.offset += row[j] * center[static_cast<std::size_t>(j)];
      magnitude += std::abs(row[j] * center[static_cast<std::size_t>(j)]);
    }
    form.offset -= static_cast<double>(n_ + 2) * epsilon * magnitude;
    forms.push_back(std::move(form));
    limits.push_back(problem_.row_limits[r]);
  }
  for (int round = 0; round < (forms.size() > 1 ? 2 : 1); ++round)
    for (std::size_t k = 0; k < forms.size() && !work.is_empty; ++k)
      if (std::isfinite(limits[k]) && !tighten(forms[k].c, forms[k].offset, center.data(), limits[k], work)) work.is_empty = true;
  work.bound = work.is_empty ? infinity : lagrangian(forms, limits, center.data(), work);
  if (constant > work.bound) work.bound = constant;
  std::vector<double> weights(static_cast<std::size_t>(n_));
  for (const Form& form : forms)
    for (std::size_t j = 0; j < weights.size(); ++j) weights[j] = std::max(weights[j], std::abs(form.c[j]));
  work.split = work.is_empty ? not_at_all : side_to_split(weights, work);
  // What cutting has made too narrow to split was bounded by the lines of a wider box.
  if (work.split == not_at_all && size_of(work) < 0.5 * size) work.split = once_more;
}

double BoxSearch::size_of(const Work& work) const {
  double sum = 0;
  for (Index j = 0; j < n_; ++j) sum += (work.upper[j] - work.lower[j]) / scales_[static_cast<std::size_t>(j)];
  return sum;
}

Index BoxSearch::side_to_split(const std::vector<double>& weights, const Work& work) const {
  double largest = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) largest = std::max(largest, weights[j] * scales_[j]);
  Index found = not_at_all;
  double best = 0;
  for (Index j = 0; j < n_; ++j) {
    const auto side = static_cast<std::size_t>(j);
    const double width = work.upper[j] - work.lower[j];
    if (!can_split(j, work)) continue;
    const double score = width / scales_[side] * (weights[side] * scales_[side] + 0.1 * largest + (largest == 0 ? 1.0 : 0.0));
    if (found < 0 || score > best) found = j, best = score;
  }
  return found;
}

// Best points first, so that the boxes meet the newest cutoff.
void BoxSearch::collect() {
  const auto count = static_cast<Index>(work_.size());
  n_boxes_ += count;
  offer(2 * count, candidates_.data());
  const double limit = cutoff();
  for (Index box = 0; box < count; ++box) {
    const Work& work = work_[static_cast<std::size_t>(box)];
    if (work.is_empty) continue;
    if (work.bound >= limit || work.split == not_at_all) {
      discard(work.bound);
      continue;
    }
    const std::size_t place = free_slot();
    std::copy_n(work.lower, n_, slot(place));
    std::copy_n(work.upper, n_, slot(place) + n_);
    splits_[place] = work.split;
    open_.push({work.bound, n_pushed_++, place});
  }
}

std::size_t BoxSearch::free_slot() {
  if (free_.empty()) {
    free_.push_back(splits_.size());
    splits_.push_back(-1);
    boxes_.resize(boxes_.size() + static_cast<std::size_t>(2 * n_));
  }
  const std::size_t place = free_.back();
  free_.pop_back();
  return place;
}

void BoxSearch::offer(Index points, const double* x) {
  std::vector<double> inside(x, x + points * n_);
  for (Index p = 0; p < points; ++p)
    for (Index j = 0; j < n_; ++j) {
      const auto side = static_cast<std::size_t>(j);
      double& number = inside[static_cast<std::size_t>(p * n_ + j)];
      if (problem_.is_integer[side]) number = std::round(number);
      number = std::clamp(number, problem_.lower[side], problem_.upper[side]);
    }
  values_.resize(static_cast<std::size_t>(points * m_));
  Request request;
  request.points = points;
  request.x = inside.data();
  request.value = values_.data();
  problem_.function->evaluate(request);
  for (Index p = 0; p < points; ++p) consider(inside.data() + p * n_, values_.data() + p * m_);
}

bool BoxSearch::is_feasible(const double* x, const double* values) const {
  for (std::size_t k = 0; k < problem_.limits.size(); ++k) {
    const double limit = problem_.limits[k];
    if (!(values[k + 1] <= limit + problem_.feasibility * std::max(1.0, std::abs(limit)))) return false;
  }
  for (std::size_t r = 0; r < problem_.row_limits.size(); ++r) {
    double sum = 0;
    for (Index j = 0; j < n_; ++j) sum += problem_.rows[r * static_cast<std::size_t>(n_) + static_cast<std::size_t>(j)] * x[j];
    const double limit = problem_.row_limits[r];
    if (!(sum <= limit + problem_.feasibility * std::max(1.0, std::abs(limit)))) return false;
  }
  return true;
}

void BoxSearch::consider(const double* x, const double* values) {
  if (!(values[0] < objective_) || !std::isfinite(values[0]) || !is_feasible(x, values)) return;
  objective_ = values[0];
  best_.assign(x, x + n_);
}

}  // namespace fastexpr
