// MatMul: C = A B for stacks of matrices; leading dimensions broadcast. Bilinear, so with tangents T and adjoint G of C:
//   A (.., m, k), B (.., k, n) -> C (.., m, n)
//   tangent      T_A B + A T_B
//   adjoint      A += G B'      B += A' G
//   curvature    S_A = G T_B'   S_B = T_A' G
// Each of these is a contraction of a matrix of plain numbers with a block that has columns; where points and columns are 1,
// both are matrices.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "linalg/products.hpp"
#include "operators/broadcast.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

/// out[r, t] += sum_s M[r, s] X[s, t]; M is stored (s, r) where transposed. Unit (s, t) of X is unit s x_step + t x_repeat, and
/// likewise out's unit (r, t).
struct Contraction {
  Index rows, depth, repeats;
  bool is_transposed;
  Index x_step, x_repeat;
  Index out_step, out_repeat;
};

MatrixView matrix(const double* numbers, Index rows, Index columns) { return {numbers, Precision::float64, rows, columns}; }

/// One column at one point: X and out are matrices, which stand as stored or the other way round.
void contract_matrices(const Contraction& c, const double* M, const double* X, double* out) {
  const MatrixView stored = c.is_transposed ? matrix(M, c.depth, c.rows) : matrix(M, c.rows, c.depth);
  if (c.x_step == 1 && c.out_step == 1) return linalg::multiply_right(X, c.repeats, stored, !c.is_transposed, out, true);
  if (c.x_step == 1) return linalg::multiply_right(M, c.rows, matrix(X, c.repeats, c.depth), true, out, true);
  if (c.out_step == 1) return linalg::multiply(matrix(X, c.depth, c.repeats), true, M, c.rows, out, true);
  linalg::multiply(stored, c.is_transposed, X, c.repeats, out, true);
}

/// One column at several points: point by point along rows. M (units, points) as the workspace has it.
void contract_points(const Contraction& c, const double* M, const double* X, double* out, Index points) {
  for (Index r = 0; r < c.rows; ++r)
    for (Index s = 0; s < c.depth; ++s) {
      const double* m = M + (c.is_transposed ? s * c.rows + r : r * c.depth + s) * points;
      for (Index t = 0; t < c.repeats; ++t) {
        const double* x = X + (s * c.x_step + t * c.x_repeat) * points;
        double* to = out + (r * c.out_step + t * c.out_repeat) * points;
        for (Index p = 0; p < points; ++p) to[p] += m[p] * x[p];
      }
    }
}

/// Many columns. `packed` has room for M's numbers at one point.
void contract_columns(const Contraction& c, const double* M, const double* X, double* out, Index points, Index columns,
                      double* packed) {
  const Index stored_rows = c.is_transposed ? c.depth : c.rows, stored_columns = c.is_transposed ? c.rows : c.depth;
  const bool is_one_product = points == 1 && c.x_repeat == 1 && c.out_repeat == 1;
  const Index width = is_one_product ? c.repeats * columns : columns;
  for (Index p = 0; p < points; ++p) {
    const double* numbers = M;
    if (points > 1) {
      for (Index i = 0; i < c.rows * c.depth; ++i) packed[i] = M[i * points + p];
      numbers = packed;
    }
    for (Index t = 0; t < (is_one_product ? 1 : c.repeats); ++t)
      linalg::multiply_strided(matrix(numbers, stored_rows, stored_columns), c.is_transposed,
                               X + (t * c.x_repeat * points + p) * columns, c.x_step * points * columns, width,
                               out + (t * c.out_repeat * points + p) * columns, c.out_step * points * columns, true);
  }
}

/// Where a factor of 0 annihilates the other.
void contract_annihilating(const Contraction& c, const double* M, const double* X, double* out, Index points, Index columns) {
  for (Index r = 0; r < c.rows; ++r)
    for (Index s = 0; s < c.depth; ++s)
      for (Index t = 0; t < c.repeats; ++t)
        for (Index p = 0; p < points; ++p)
          rows::add_scaled(M[(c.is_transposed ? s * c.rows + r : r * c.depth + s) * points + p],
                           X + ((s * c.x_step + t * c.x_repeat) * points + p) * columns,
                           out + ((r * c.out_step + t * c.out_repeat) * points + p) * columns, columns);
}

void contract(const Contraction& c, const double* M, const double* X, double* out, Index points, Index columns, double* packed) {
  if (columns > 1) return contract_columns(c, M, X, out, points, columns, packed);
  if (points > 1) return contract_points(c, M, X, out, points);
  contract_matrices(c, M, X, out);
}

/// Which matrix of each input belongs to a matrix of the output.
struct Stack {
  Index a, b;
};

struct ProductShape {
  Index m = 1, k = 1, n = 1;
  std::vector<Stack> stack;
  Shape output;
};

/// For every index of the output's leading dimensions, the number of the matrix in this input.
std::vector<Index> matrices_of(const Shape& input, const Shape& lead) {
  std::vector<Index> found{0};
  const std::size_t missing = lead.size() + 2 - input.size();
  for (std::size_t axis = 0; axis < lead.size(); ++axis) {
    const Index length = axis < missing ? 1 : input[axis - missing];
    std::vector<Index> next;
    for (const Index place : found)
      for (Index i = 0; i < lead[axis]; ++i) next.push_back(place * length + (length == 1 ? 0 : i));
    found = std::move(next);
  }
  return found;
}

ProductShape product_shape(const OperatorSpec& spec) {
  if (spec.input_shapes.size() != 2)
    refuse("wrong number of inputs: got " + std::to_string(spec.input_shapes.size()) + ", expected 2");
  const Shape &a = spec.input_shapes[0], &b = spec.input_shapes[1];
  const auto misfit = [&](const std::string& expected) {
    throw ShapeError("cannot multiply: got shapes " + to_string(a) + " and " + to_string(b) + ", expected " + expected);
  };
  if (a.size() < 2 || b.size() < 2) misfit("two dimensions or more. Reshape a vector to a row or a column.");
  ProductShape shape;
  shape.m = a[a.size() - 2];
  shape.k = a[a.size() - 1];
  shape.n = b[b.size() - 1];
  if (b[b.size() - 2] != shape.k) misfit("equal inner lengths.");
  Shape& lead = shape.output;
  lead.assign(std::max(a.size(), b.size()) - 2, 1);
  for (const Shape* input : {&a, &b})
    for (std::size_t i = 0; i + 2 < input->size(); ++i) {
      Index& length = lead[lead.size() + 2 - input->size() + i];
      if ((*input)[i] == 1) continue;
      if (length != 1 && length != (*input)[i]) misfit("leading dimensions that are equal, or 1.");
      length = (*input)[i];
    }
  const std::vector<Index> in_a = matrices_of(a, lead), in_b = matrices_of(b, lead);
  for (std::size_t i = 0; i < in_a.size(); ++i) shape.stack.push_back({in_a[i] * shape.m * shape.k, in_b[i] * shape.k * shape.n});
  lead.push_back(shape.m);
  lead.push_back(shape.n);
  if (size_of(b) == shape.k * shape.n) {  // one matrix for all rows of A
    shape.m *= static_cast<Index>(shape.stack.size());
    shape.stack.assign(1, {0, 0});
  }
  return shape;
}

class MatMul final : public Operator {
 public:
  explicit MatMul(const OperatorSpec& spec) : MatMul(spec, product_shape(spec)) {}

  Index scratch_size() const override { return std::max({m_ * k_, k_ * n_, m_ * n_}); }

  void value(const double* const* inputs, double* output, Index points, double* scratch) const override {
    rows::fill_zero(output, size() * points);
    for_each([&](const Stack& place, Index c) {
      contract(from_a(), inputs[0] + place.a * points, inputs[1] + place.b * points, output + c * points, points, 1, scratch);
    });
  }

  bool heeds_annihilation() const override { return true; }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    const Index points = at.points, width = at.points * columns;
    rows::fill_zero(output_tangent, size() * width);
    for_each([&](const Stack& place, Index c) {
      double* to = output_tangent + c * width;
      if (tangents[0] != nullptr)
        contract_at(at, from_b(), at.inputs[1] + place.b * points, tangents[0] + place.a * width, to, columns);
      if (tangents[1] != nullptr)
        contract_at(at, from_a(), at.inputs[0] + place.a * points, tangents[1] + place.b * width, to, columns);
    });
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    const Index points = at.points, width = at.points * columns;
    for_each([&](const Stack& place, Index c) {
      const double* G = output_adjoint + c * width;
      if (adjoints[0] != nullptr)
        contract_at(at, back_to_a(), at.inputs[1] + place.b * points, G, adjoints[0] + place.a * width, columns);
      if (adjoints[1] != nullptr)
        contract_at(at, back_to_b(), at.inputs[0] + place.a * points, G, adjoints[1] + place.b * width, columns);
    });
  }

  std::vector<Link> links() const override {
    std::vector<Link> links;
    if (size() * k_ > most_products) return links;
    for_each([&](const Stack& place, Index c) {
      for (Index i = 0; i < m_; ++i)
        for (Index j = 0; j < n_; ++j)
          for (Index k = 0; k < k_; ++k) {
            links.push_back({c + i * n_ + j, 0, place.a + i * k_ + k});
            links.push_back({c + i * n_ + j, 1, place.b + k * n_ + j});
          }
    });
    return links;
  }

  // Each product lies between two parallel planes through the middle of its factors' box.
  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const override {
    Operator::lines(inputs, output, below, above, points);
    if (below.links == 0) return;
    for_each([&](const Stack& place, Index c) {
      for (Index i = 0; i < m_; ++i)
        for (Index j = 0; j < n_; ++j)
          for (Index p = 0; p < points; ++p)
            entry_lines(inputs, place.a + i * k_, place.b + j, c + i * n_ + j, p, points, below, above);
    });
  }

  bool is_affine(const std::vector<bool>& depends) const override { return !depends[0] || !depends[1]; }
  bool is_curved(const std::vector<bool>& depends) const override { return depends[0] && depends[1]; }
  Index work() const override { return size() * k_; }

  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const override {
    const Index points = at.points, width = at.points * columns;
    for (std::size_t l = 0; l < 2; ++l)
      if (S[l] != nullptr) rows::fill_zero(S[l], input_size(l) * width);
    for_each([&](const Stack& place, Index c) {
      const double* G = output_adjoint + c * points;
      if (S[0] != nullptr && tangents[1] != nullptr)
        contract_at(at, bent_a(), G, tangents[1] + place.b * width, S[0] + place.a * width, columns);
      if (S[1] != nullptr && tangents[0] != nullptr)
        contract_at(at, bent_b(), G, tangents[0] + place.a * width, S[1] + place.b * width, columns);
    });
  }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for_each([&](const Stack& place, Index c) {
      for (Index i = 0; i < m_; ++i)
        for (Index j = 0; j < n_; ++j)
          output[c + i * n_ + j] = entry_bounds(inputs[0] + place.a + i * k_, inputs[1] + place.b + j);
    });
  }

  bool keeps_zeros() const override { return true; }

  OperatorSpec batched(Index length, const std::vector<bool>& is_batched) const override {
    return batched_by_broadcasting(*this, length, is_batched);
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for_each([&](const Stack& place, Index c) {
      const DependenceSets::Id *A = inputs[0] + place.a, *B = inputs[1] + place.b;
      const bool has_zeros =
          std::count(A, A + m_ * k_, DependenceSets::zero) + std::count(B, B + k_ * n_, DependenceSets::zero) > 0;
      std::vector<DependenceSets::Id> columns;
      for (Index j = 0; j < n_ && !has_zeros; ++j) columns.push_back(sets.unite(distinct(B + j, k_, n_)));
      for (Index i = 0; i < m_; ++i) {
        const DependenceSets::Id row = has_zeros ? DependenceSets::empty : sets.unite(distinct(A + i * k_, k_, 1));
        for (Index j = 0; j < n_; ++j)
          output[c + i * n_ + j] =
              has_zeros ? entry_dependence(sets, A + i * k_, B + j) : sets.unite(row, columns[static_cast<std::size_t>(j)]);
      }
    });
  }

  // For every k, column k of A with row k of B; most k of a stack have the same sets.
  void couple(DependenceSets&, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const override {
    using Ids = std::vector<DependenceSets::Id>;
    std::set<std::pair<Ids, Ids>> seen;
    for_each([&](const Stack& place, Index) {
      for (Index k = 0; k < k_; ++k) {
        const Ids left = distinct(inputs[0] + place.a + k, m_, k_);
        const Ids right = distinct(inputs[1] + place.b + k * n_, n_, 1);
        if (!seen.emplace(left, right).second) continue;
        for (const DependenceSets::Id a : left)
          for (const DependenceSets::Id b : right) coupled.emplace_back(a, b);
      }
    });
  }

 private:
  MatMul(const OperatorSpec& spec, ProductShape shape)
      : Operator(spec, std::move(shape.output)), m_(shape.m), k_(shape.k), n_(shape.n), stack_(std::move(shape.stack)) {}

  static void contract_at(const Point& at, const Contraction& c, const double* M, const double* X, double* out, Index columns) {
    if (at.annihilates) return contract_annihilating(c, M, X, out, at.points, columns);
    contract(c, M, X, out, at.points, columns, at.scratch);
  }

  Contraction from_a() const { return {m_, k_, n_, false, n_, 1, n_, 1}; }     // C += A T_B
  Contraction from_b() const { return {n_, k_, m_, true, 1, k_, 1, n_}; }      // C += T_A B
  Contraction back_to_a() const { return {k_, n_, m_, false, 1, n_, 1, k_}; }  // A += G B'
  Contraction back_to_b() const { return {k_, m_, n_, true, n_, 1, n_, 1}; }   // B += A' G
  Contraction bent_a() const { return {m_, n_, k_, false, 1, n_, k_, 1}; }     // S_A += G T_B'
  Contraction bent_b() const { return {n_, m_, k_, true, k_, 1, 1, n_}; }      // S_B += T_A' G

  /// body(first units in A and B, first unit in C) for every matrix of the output.
  template <class Body>
  void for_each(Body body) const {
    for (std::size_t i = 0; i < stack_.size(); ++i) body(stack_[i], static_cast<Index>(i) * m_ * n_);
  }

  void entry_lines(const IntervalBlock* inputs, Index row, Index column, Index unit, Index p, Index points, const Lines& below,
                   const Lines& above) const {
    double center = 0, gap = 0, magnitude = 0;
    const auto middle = [&](int input, Index from) {
      return 0.5 * inputs[input].lower[from * points + p] + 0.5 * inputs[input].upper[from * points + p];
    };
    const auto reach = [&](int input, Index from) {
      return std::max(std::abs(inputs[input].lower[from * points + p]), std::abs(inputs[input].upper[from * points + p]));
    };
    for (Index k = 0; k < k_; ++k) {
      const Index a = row + k, b = column + k * n_;
      center += middle(0, a) * middle(1, b);
      gap += (inputs[0].upper[a * points + p] - middle(0, a)) * (inputs[1].upper[b * points + p] - middle(1, b));
      magnitude += reach(0, a) * reach(1, b);
    }
    if (!std::isfinite(center) || !std::isfinite(gap) || !std::isfinite(magnitude)) return;
    const double margin = static_cast<double>(16 * k_ + 16) * std::numeric_limits<double>::epsilon() * magnitude;
    for (Index k = 0; k < k_; ++k) {
      const Index first = (unit * k_ + k) * 2 * points + p;
      for (const Lines* lines : {&below, &above}) {
        lines->slopes[first] = middle(1, column + k * n_);
        lines->slopes[first + points] = middle(0, row + k);
      }
    }
    below.offsets[unit * points + p] = -center - gap - margin;
    above.offsets[unit * points + p] = -center + gap + margin;
  }

  // However the products are summed up, rounding is covered by the sum of magnitudes.
  Interval entry_bounds(const Interval* row, const Interval* column) const {
    Interval sum{0, 0}, magnitude{0, 0};
    for (Index k = 0; k < k_; ++k) {
      const Interval term = interval::multiply(row[k], column[k * n_]);
      sum = {sum.lower + term.lower, sum.upper + term.upper};
      magnitude = {magnitude.lower + std::abs(term.lower), magnitude.upper + std::abs(term.upper)};
    }
    const double epsilon = static_cast<double>(k_ + 2) * std::numeric_limits<double>::epsilon();
    if (std::isfinite(magnitude.lower)) sum.lower -= magnitude.lower * epsilon;
    if (std::isfinite(magnitude.upper)) sum.upper += magnitude.upper * epsilon;
    return interval::widened(sum);
  }

  /// Of all k where neither factor is 0.
  DependenceSets::Id entry_dependence(DependenceSets& sets, const DependenceSets::Id* row,
                                      const DependenceSets::Id* column) const {
    std::vector<DependenceSets::Id> ids;
    for (Index k = 0; k < k_; ++k)
      if (row[k] != DependenceSets::zero && column[k * n_] != DependenceSets::zero)
        ids.insert(ids.end(), {row[k], column[k * n_]});
    return ids.empty() ? DependenceSets::zero : sets.unite(std::move(ids));
  }

  static std::vector<DependenceSets::Id> distinct(const DependenceSets::Id* first, Index count, Index step) {
    std::vector<DependenceSets::Id> ids;
    for (Index i = 0; i < count; ++i)
      if (first[i * step] > DependenceSets::zero) ids.push_back(first[i * step]);
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  static constexpr Index most_products = Index{1} << 18;  // with lines of their own: each takes some hundred bytes

  Index m_, k_, n_;
  std::vector<Stack> stack_;  // in units
};

const Registered<MatMul> matmul("MatMul");

}  // namespace

}  // namespace fastexpr
