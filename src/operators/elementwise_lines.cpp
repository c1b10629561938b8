#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "operators/curve.hpp"
#include "operators/elementwise.hpp"
#include "operators/interval.hpp"

namespace fastexpr {

std::vector<Link> Elementwise::links() const {
  std::vector<Link> links;
  for (Index i = 0; i < size(); ++i) links.push_back({i, 0, i});
  return links;
}

namespace {

/// Values and slopes of many units at lower ends, middles and upper ends: computed together, as vectors.
struct SampledBlock {
  explicit SampledBlock(Index count)
      : numbers(std::make_unique_for_overwrite<double[]>(static_cast<std::size_t>(9 * count))), count(count) {}
  double* u(int k) const { return numbers.get() + k * count; }
  double* value(int k) const { return numbers.get() + (3 + k) * count; }
  double* slope(int k) const { return numbers.get() + (6 + k) * count; }

  curve::Samples at(Index i) const {
    curve::Samples samples{};
    for (int k = 0; k < 3; ++k) {
      const auto place = static_cast<std::size_t>(k);
      samples.u[place] = u(k)[i], samples.value[place] = value(k)[i], samples.slope[place] = slope(k)[i];
    }
    return samples;
  }

  std::unique_ptr<double[]> numbers;
  Index count;
};

bool are_finite(const curve::Samples& at) {
  for (const double number : {at.u[0], at.u[2], at.value[0], at.value[2], at.value[1]})
    if (!std::isfinite(number)) return false;
  return true;
}

/// A line, or the constant where the line is none or nowhere better.
Line settled(Line line, double constant, double sign) {
  constexpr double most = std::numeric_limits<double>::max();
  if (std::isfinite(line.slope) && std::isfinite(line.offset)) return line;
  return {0.0, std::isfinite(constant) ? constant : sign * most};
}

}  // namespace

void Elementwise::lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
                        Index points) const {
  const struct {
    const Elementwise& op;
    curve::Sample at(double u) const {
      curve::Sample sample{};
      op.apply(&u, &sample.value, 1);
      op.derivatives(&u, &sample.value, &sample.slope, nullptr, 1);
      return sample;
    }
  } function{*this};
  const Index count = size() * points;
  SampledBlock block(count);
  const Bends everywhere = bends(interval::whole_line);
  const bool bends_one_way = everywhere.are_known && everywhere.turns[0] == Bends::never;
  const Interval domain = everywhere.domain;
  for (Index i = 0; i < count; ++i) {
    block.u(0)[i] = std::max(inputs[0].lower[i], domain.lower);
    block.u(2)[i] = std::min(inputs[0].upper[i], domain.upper);
    block.u(1)[i] = 0.5 * block.u(0)[i] + 0.5 * block.u(2)[i];
  }
  apply(block.u(0), block.value(0), 3 * count);
  derivatives(block.u(0), block.value(0), block.slope(0), nullptr, 3 * count);
  for (Index i = 0; i < count; ++i) {
    const Interval u{inputs[0].lower[i], inputs[0].upper[i]};
    const curve::Samples at = block.at(i);
    const Bends known = bends_one_way ? everywhere : bends(u);
    const bool has_lines = known.are_known && are_finite(at);
    // Rising at both ends of a piece that bends one way: the ends are the range. At a turn itself, a slope may be that of the
    // other piece.
    const bool is_rising = at.slope[0] >= 0 && at.slope[2] >= 0;
    const bool bends_once = !interval::contains(u, known.turns[0]) && !interval::contains(u, known.turns[1]) &&
                            domain.lower <= u.lower && u.upper <= domain.upper;
    const Interval v = interval::is_nan(u)                    ? interval::may_be_nan
                       : has_lines && is_rising && bends_once ? interval::widened({at.value[0], at.value[2]})
                                                              : interval::widened(image(u));
    output.lower[i] = v.lower, output.upper[i] = v.upper;
    Line low{interval::infinity, interval::infinity}, high = low;
    if (has_lines && !interval::is_nan(v)) {
      if (bends_one_way)
        curve::lines_of_one_bend(at, everywhere.starts_convex, !has_second_derivative(), low, high);
      else
        low = curve::line_below(function, at, known), high = curve::line_above(function, at, known);
    }
    low = settled(low, v.lower, -1.0), high = settled(high, v.upper, 1.0);
    below.slopes[i] = low.slope, below.offsets[i] = low.offset;
    above.slopes[i] = high.slope, above.offsets[i] = high.offset;
  }
}

}  // namespace fastexpr
