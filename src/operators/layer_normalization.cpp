// LayerNormalization: v = scale z + bias, z = (u - mean u) / D, D = sqrt(variance + epsilon), over the dimensions
// [axis, axis + n_axes) together.  RMSNormalization: z = u / D, D = sqrt(mean u^2 + epsilon).
//   attributes: axis, n_axes, epsilon >= 0;  constants: none, or scale, or scale and bias, a number for each member of a lane
// With n members, P = I - 1 1'/n (RMSNormalization: P = I), g = scale adjoint:
//   tangent, adjoint   dz = (P T - z m) / D, m = z'T / n (symmetric)
//   curvature          S = -(m (P g) + c (P T) + z (q - 3 m c)) / D^2, c = g'z / n, q = (P g)'T / n
// The first member is subtracted before the mean: nothing is lost where a lane is nearly constant, and a constant one gives 0
// exactly. Where D is 0 (a constant lane and epsilon = 0) or not finite, value and derivatives are NaN, but 0 of what is 0.
// local: z (size), 1 / D (lanes)

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "operators/normalization.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Shape checked_shape(const OperatorSpec& spec) {
  if (spec.constants.size() > 2) refuse("constants must be none, or the scale, or the scale and the bias");
  return spec.input_shapes.size() == 1 ? spec.input_shapes[0] : Shape{};
}

}  // namespace

Normalization::Normalization(const OperatorSpec& spec, bool is_centred)
    : Grouped(spec, checked_shape(spec)), is_centred_(is_centred), epsilon_(spec.attributes.number("epsilon")) {
  if (!(epsilon_ >= 0) || !std::isfinite(epsilon_))
    refuse("epsilon: got " + std::to_string(epsilon_) + ", expected a finite number that is not negative.");
  if (members() == 0) refuse("got nothing to normalize, expected at least one element.");
  for (const Tensor& constant : spec.constants)
    if (constant.size() != members() || constant.precision == Precision::int64)
      throw ShapeError("scale and bias must have a float for each of the " + std::to_string(members()) + " members, got shape " +
                       to_string(constant.shape));
  scale_ = spec.constants.empty() ? std::vector<double>(static_cast<std::size_t>(members()), 1.0) : spec.constants[0].widened();
  bias_ = spec.constants.size() < 2 ? std::vector<double>(static_cast<std::size_t>(members()), 0.0) : spec.constants[1].widened();
}

Normalization::Strip Normalization::Strip::number(Index j) const {
  return {first + j, stride, 1, unit + (is_each ? j : 0), unit_stride, lane_of(j), is_each};
}

template <class Body>
void Normalization::for_each_strip(Index points, Index columns, Body body) const {
  const Index inner = groups().inner * points, row = inner * columns;
  for (Index o = 0; o < groups().outer; ++o) {
    const Index lane = o * inner, unit = lane * members();
    if (columns == 1) {
      for (Index j = 0; j < inner; j += chunk)
        body(Strip{unit + j, row, std::min(chunk, inner - j), unit + j, inner, lane + j, true});
      continue;
    }
    for (Index i = 0; i < inner; ++i)
      for (Index c = 0; c < columns; c += chunk)
        body(Strip{(unit + i) * columns + c, row, std::min(chunk, columns - c), unit + i, inner, lane + i, false});
  }
}

template <class Body, class Singular>
void Normalization::for_each_strip_at(const Point& at, Index columns, Body body, Singular singular) const {
  const double* inverse = at.local + size() * at.points;
  for_each_strip(at.points, columns, [&](const Strip& strip) {
    bool are_finite = true;
    for (Index j = 0; j < (strip.is_each ? strip.width : 1); ++j) are_finite &= std::isfinite(inverse[strip.lane + j]);
    if (are_finite) return body(strip);
    for (Index j = 0; j < strip.width; ++j) {
      const Strip number = strip.number(j);
      if (std::isfinite(inverse[number.lane]))
        body(number);
      else
        singular(number);
    }
  });
}

template <class Body>
void Normalization::for_each_number(const Strip& strip, Body body) const {
  if (strip.is_whole_lane()) {
    for (Index m = 0; m < members(); ++m) body(strip.first + m, strip.unit + m, m, Index{0});
  } else if (strip.is_each) {
    for (Index m = 0; m < members(); ++m)
      for (Index j = 0; j < strip.width; ++j) body(strip.row(m) + j, strip.unit + m * strip.unit_stride + j, m, j);
  } else {
    for (Index m = 0; m < members(); ++m)
      for (Index j = 0; j < strip.width; ++j) body(strip.row(m) + j, strip.unit + m * strip.unit_stride, m, j);
  }
}

template <class Term>
void Normalization::average(const Strip& strip, double* sums, Term term) const {
  const double part = 1.0 / static_cast<double>(members());
  if (strip.is_whole_lane()) {
    sums[0] = part * rows::total(members(), [&](Index m) { return term(strip.first + m, strip.unit + m, m, Index{0}); });
    return;
  }
  rows::fill_zero(sums, strip.width);
  for_each_number(strip, [&](Index i, Index unit, Index m, Index j) { sums[j] += term(i, unit, m, j); });
  for (Index j = 0; j < strip.width; ++j) sums[j] *= part;
}

void Normalization::normalize(const Strip& strip, const double* u, double* z, double* inverse) const {
  double first[chunk] = {}, mean[chunk] = {}, variance[chunk], factor[chunk];
  if (is_centred_) {
    for (Index j = 0; j < strip.width; ++j) first[j] = u[strip.first + j];
    average(strip, mean, [&](Index i, Index, Index, Index j) { return u[i] - first[j]; });
  }
  for_each_number(strip, [&](Index i, Index unit, Index, Index j) { z[unit] = u[i] - first[j] - mean[j]; });
  average(strip, variance, [&](Index, Index unit, Index, Index) { return z[unit] * z[unit]; });
  for (Index j = 0; j < strip.width; ++j) {
    const double square = variance[j] + epsilon_;
    factor[j] = inverse[j] = 1.0 / std::sqrt(square);
    if (square > 1e-280 && square < 1e280) continue;
    normalize_scaled(strip.number(j), z, inverse + j);
    factor[j] = 1.0;
  }
  for_each_number(strip, [&](Index, Index unit, Index, Index j) { z[unit] *= factor[j]; });
}

void Normalization::normalize_scaled(const Strip& strip, double* z, double* inverse) const {
  double largest = 0;
  bool are_finite = true;
  for_each_number(strip, [&](Index, Index unit, Index, Index) {
    largest = std::max(largest, std::abs(z[unit]));
    are_finite &= std::isfinite(z[unit]);
  });
  double root = 0;  // D / largest
  if (are_finite && largest > 0) {
    average(strip, &root, [&](Index, Index unit, Index, Index) { return (z[unit] / largest) * (z[unit] / largest); });
    root = std::sqrt(root + epsilon_ / largest / largest);
  }
  *inverse = largest > 0 ? 1.0 / root / largest : 1.0 / std::sqrt(epsilon_);
  if (!are_finite || !std::isfinite(*inverse)) *inverse = nan;
  const bool has_value = are_finite && (largest > 0 || epsilon_ > 0);
  for_each_number(strip, [&](Index, Index unit, Index, Index) {
    z[unit] = !has_value ? nan : largest > 0 ? z[unit] / largest / root : 0.0;
  });
}

void Normalization::value(const double* const* inputs, double* output, Index points, double*) const {
  for_each_strip(points, 1, [&](const Strip& strip) {
    double inverse[chunk];
    normalize(strip, inputs[0], output, inverse);
    for_each_number(strip, [&](Index i, Index, Index m, Index) {
      output[i] = scale_[static_cast<std::size_t>(m)] * output[i] + bias_[static_cast<std::size_t>(m)];
    });
  });
}

void Normalization::linearize(const Point& at, int, double* local) const {
  double* inverse = local + size() * at.points;
  for_each_strip(at.points, 1, [&](const Strip& strip) { normalize(strip, at.inputs[0], local, inverse + strip.lane); });
}

template <class Source, class Body>
void Normalization::project(const Point& at, const Strip& strip, Source source, Body body) const {
  const double *z = at.local, *inverse = at.local + size() * at.points;
  double first[chunk] = {}, mean[chunk] = {}, along[chunk], factor[chunk];
  if (is_centred_) {
    for (Index j = 0; j < strip.width; ++j) first[j] = source(strip.first + j, Index{0});
    average(strip, mean, [&](Index i, Index, Index m, Index j) { return source(i, m) - first[j]; });
  }
  average(strip, along, [&](Index i, Index unit, Index m, Index j) { return z[unit] * (source(i, m) - first[j]); });
  for (Index j = 0; j < strip.width; ++j) factor[j] = inverse[strip.lane_of(j)];
  for_each_number(strip, [&](Index i, Index unit, Index m, Index j) {
    body(i, unit, m, j, factor[j] * (source(i, m) - first[j] - mean[j] - z[unit] * along[j]));
  });
}

bool Normalization::is_zero(const Strip& strip, const double* numbers) const {
  bool is_zero = true;
  for_each_number(strip, [&](Index i, Index, Index, Index) { is_zero &= numbers[i] == 0; });
  return is_zero;
}

void Normalization::tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const {
  if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
  const double *T = tangents[0], *scale = scale_.data();
  const auto singular = [&](const Strip& strip) {
    const double number = is_zero(strip, T) ? 0.0 : nan;
    for_each_number(strip, [&](Index i, Index, Index, Index) { output_tangent[i] = number; });
  };
  const auto regular = [&](const Strip& strip) {
    project(
        at, strip, [=](Index i, Index) { return T[i]; },
        [=](Index i, Index, Index m, Index, double dz) { output_tangent[i] = scale[m] * dz; });
  };
  for_each_strip_at(at, columns, regular, singular);
}

template <bool is_added>
void Normalization::pull_back(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const {
  const double* scale = scale_.data();
  const auto singular = [&](const Strip& strip) {
    const double number = is_zero(strip, output_adjoint) ? 0.0 : nan;
    for_each_number(strip, [&](Index i, Index, Index, Index) { adjoint[i] = is_added ? adjoint[i] + number : number; });
  };
  const auto regular = [&](const Strip& strip) {
    project(
        at, strip, [=](Index i, Index m) { return scale[m] * output_adjoint[i]; },
        [=](Index i, Index, Index, Index, double dz) { adjoint[i] = is_added ? adjoint[i] + dz : dz; });
  };
  for_each_strip_at(at, columns, regular, singular);
}

void Normalization::adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const {
  if (adjoints[0] != nullptr) pull_back<true>(at, output_adjoint, adjoints[0], columns);
}

bool Normalization::first_adjoint(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const {
  pull_back<false>(at, output_adjoint, adjoint, columns);
  return true;
}

void Normalization::curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                              Index columns) const {
  if (S[0] == nullptr) return;
  if (tangents[0] == nullptr) return rows::fill_zero(S[0], size() * at.points * columns);
  const double *T = tangents[0], *z = at.local, *inverse = at.local + size() * at.points, *scale = scale_.data();
  double *G = at.scratch, *c = at.scratch + size() * at.points, *out = S[0];  // G = P g
  for_each_strip(at.points, 1, [&](const Strip& strip) {
    double mean[chunk] = {};
    const auto g = [=](Index i, Index m) { return scale[m] * output_adjoint[i]; };
    if (is_centred_) average(strip, mean, [&](Index i, Index, Index m, Index) { return g(i, m); });
    for_each_number(strip, [&](Index i, Index, Index m, Index j) { G[i] = g(i, m) - mean[j]; });
    average(strip, c + strip.lane, [&](Index i, Index unit, Index, Index) { return G[i] * z[unit]; });
  });
  const auto singular = [&](const Strip& strip) {
    bool is_weighted = false;
    for (Index m = 0; m < members(); ++m) is_weighted |= output_adjoint[strip.unit + m * strip.unit_stride] != 0;
    const double number = !is_weighted || is_zero(strip, T) ? 0.0 : nan;
    for_each_number(strip, [&](Index i, Index, Index, Index) { out[i] = number; });
  };
  const auto regular = [&](const Strip& strip) {
    double first[chunk] = {}, mean[chunk] = {}, along[chunk], of_z[chunk], of_T[chunk], of_G[chunk];
    if (is_centred_) {
      for (Index j = 0; j < strip.width; ++j) first[j] = T[strip.first + j];
      average(strip, mean, [&](Index i, Index, Index, Index j) { return T[i] - first[j]; });
    }
    average(strip, along, [&](Index i, Index unit, Index, Index j) { return z[unit] * (T[i] - first[j]); });
    average(strip, of_z, [&](Index i, Index unit, Index, Index j) { return G[unit] * (T[i] - first[j]); });
    for (Index j = 0; j < strip.width; ++j) {
      const double lane_c = c[strip.lane_of(j)], factor = -inverse[strip.lane_of(j)] * inverse[strip.lane_of(j)];
      of_G[j] = factor * along[j];
      of_T[j] = factor * lane_c;
      of_z[j] = factor * (of_z[j] - 3.0 * along[j] * lane_c);
    }
    for_each_number(strip, [&](Index i, Index unit, Index, Index j) {
      out[i] = of_G[j] * G[unit] + of_T[j] * (T[i] - first[j] - mean[j]) + of_z[j] * z[unit];
    });
  };
  for_each_strip_at(at, columns, regular, singular);
}

void Normalization::dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const {
  for (Index lane = 0; lane < n_lanes(); ++lane) {
    const DependenceSets::Id joined = lane_dependence(sets, inputs[0], lane);
    for (Index m = 0; m < members(); ++m)
      output[first_of(lane) + m * groups().inner] = scale_[static_cast<std::size_t>(m)] == 0 ? DependenceSets::empty : joined;
  }
}

void Normalization::couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const {
  for (Index lane = 0; lane < n_lanes(); ++lane) {
    const DependenceSets::Id joined = lane_dependence(sets, inputs[0], lane);
    if (joined != DependenceSets::empty) coupled.emplace_back(joined, joined);
  }
}

namespace {

const Registered<Normalization> layer_normalization("LayerNormalization", true);
const Registered<Normalization> rms_normalization("RMSNormalization", false);

}  // namespace

}  // namespace fastexpr
