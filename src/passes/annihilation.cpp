#include "passes/annihilation.hpp"

#include <algorithm>
#include <vector>

#include "graph/rows.hpp"

namespace fastexpr {

namespace {

constexpr Index most_probes = 64;  // unit vectors at a time: products are efficient

using Numbers = std::vector<double>;
using Rows = std::vector<Index>;

Numbers zeros(Index count) { return Numbers(static_cast<std::size_t>(count), 0.0); }

/// A block with the rows that are not finite set to 0, and which they are. A row is a unit at a point.
struct Split {
  Numbers finite;
  Rows singular;

  Split(const double* block, Index rows, Index columns) : finite(block, block + rows * columns) {
    for (Index row = 0; row < rows; ++row) {
      if (rows::are_finite(block + row * columns, columns)) continue;
      rows::fill_zero(finite.data() + row * columns, columns);
      singular.push_back(row);
    }
  }
};

/// Calls body(unit vectors (rows, count), how many, which rows) over these rows, some at a time.
template <class Body>
void for_unit_vectors(const Rows& wanted, Index rows, const Body& body) {
  for (std::size_t begin = 0; begin < wanted.size(); begin += most_probes) {
    const std::size_t count = std::min(wanted.size() - begin, static_cast<std::size_t>(most_probes));
    Numbers vectors = zeros(rows * static_cast<Index>(count));
    for (std::size_t b = 0; b < count; ++b) vectors[static_cast<std::size_t>(wanted[begin + b]) * count + b] = 1.0;
    body(vectors.data(), static_cast<Index>(count), wanted.data() + begin);
  }
}

/// to (units, points, columns) += column (of `count`, entry b of each row) times row, at the point of that row.
void add_outer(const double* column, Index count, Index b, const double* row, Index point, Index points, Index units,
               Index columns, double* to) {
  for (Index i = 0; i < units; ++i) {
    const Index at = i * points + point;
    rows::add_scaled(column[at * count + b], row, to + at * columns, columns);
  }
}

/// The blocks of all inputs of an operator, each (input size, points, columns); what is not wanted stays null.
struct InputBlocks {
  std::vector<Numbers> numbers;
  std::vector<double*> pointers;

  InputBlocks(const Operator& op, double* const* like, Index width) : numbers(op.n_inputs()), pointers(op.n_inputs(), nullptr) {
    for (std::size_t k = 0; k < op.n_inputs(); ++k) {
      if (like[k] == nullptr) continue;
      numbers[k] = zeros(op.input_size(k) * width);
      pointers[k] = numbers[k].data();
    }
  }
};

/// The inputs' tangents, split.
struct Tangents {
  std::vector<Split> splits;
  std::vector<const double*> finite;

  Tangents(const Operator& op, const double* const* tangents, Index points, Index columns) {
    for (std::size_t k = 0; k < op.n_inputs(); ++k)
      splits.emplace_back(tangents[k], tangents[k] == nullptr ? 0 : op.input_size(k) * points, columns);
    for (std::size_t k = 0; k < op.n_inputs(); ++k) finite.push_back(tangents[k] == nullptr ? nullptr : splits[k].finite.data());
  }

  /// body(tangents that are unit vectors in input k, how many, which rows, k).
  template <class Body>
  void for_singular(const Operator& op, Index points, const Body& body) const {
    for (std::size_t k = 0; k < splits.size(); ++k)
      for_unit_vectors(splits[k].singular, op.input_size(k) * points, [&](const double* vectors, Index count, const Index* rows) {
        std::vector<const double*> probe(splits.size(), nullptr);
        probe[k] = vectors;
        body(probe.data(), count, rows, k);
      });
  }
};

/// S += factor (sum_i output_adjoint_i grad^2 phi_i) T at one point, or at all where `point` is -1; output_adjoint is finite.
void add_curvature(const Operator& op, const Point& at, const double* output_adjoint, double factor, Index point,
                   const double* const* tangents, const Tangents& split, double* const* S, Index columns) {
  InputBlocks part(op, S, at.points * columns);
  op.curvature(at, output_adjoint, split.finite.data(), part.pointers.data(), columns);
  for (std::size_t k = 0; k < op.n_inputs(); ++k)
    for (Index row = 0; S[k] != nullptr && row < op.input_size(k) * at.points; ++row)
      if (point < 0 || row % at.points == point)
        rows::add_scaled(factor, part.pointers[k] + row * columns, S[k] + row * columns, columns);
  split.for_singular(op, at.points, [&](const double* const* probe, Index count, const Index* rows, std::size_t l) {
    InputBlocks response(op, S, at.points * count);
    op.curvature(at, output_adjoint, probe, response.pointers.data(), count);
    for (Index b = 0; b < count; ++b) {
      const Index own = rows[b] % at.points;
      if (point >= 0 && own != point) continue;
      Numbers row(tangents[l] + rows[b] * columns, tangents[l] + (rows[b] + 1) * columns);
      rows::scale(factor, row.data(), row.data(), columns);
      for (std::size_t k = 0; k < op.n_inputs(); ++k)
        if (S[k] != nullptr)
          add_outer(response.pointers[k], count, b, row.data(), own, at.points, op.input_size(k), columns, S[k]);
    }
  });
}

}  // namespace

void annihilating_tangent(const Operator& op, const Point& at, const double* const* tangents, double* output_tangent,
                          Index columns) {
  if (op.heeds_annihilation()) return op.tangent(at, tangents, output_tangent, columns);
  const Tangents split(op, tangents, at.points, columns);
  op.tangent(at, split.finite.data(), output_tangent, columns);
  split.for_singular(op, at.points, [&](const double* const* probe, Index count, const Index* rows, std::size_t k) {
    Numbers response = zeros(op.size() * at.points * count);
    op.tangent(at, probe, response.data(), count);
    for (Index b = 0; b < count; ++b)
      add_outer(response.data(), count, b, tangents[k] + rows[b] * columns, rows[b] % at.points, at.points, op.size(), columns,
                output_tangent);
  });
}

void annihilating_adjoint(const Operator& op, const Point& at, const double* output_adjoint, double* const* adjoints,
                          Index columns) {
  if (op.heeds_annihilation()) return op.adjoint(at, output_adjoint, adjoints, columns);
  const Split split(output_adjoint, op.size() * at.points, columns);
  op.adjoint(at, split.finite.data(), adjoints, columns);
  for_unit_vectors(split.singular, op.size() * at.points, [&](const double* vectors, Index count, const Index* rows) {
    InputBlocks response(op, adjoints, at.points * count);
    op.adjoint(at, vectors, response.pointers.data(), count);
    for (Index b = 0; b < count; ++b)
      for (std::size_t k = 0; k < op.n_inputs(); ++k)
        if (adjoints[k] != nullptr)
          add_outer(response.pointers[k], count, b, output_adjoint + rows[b] * columns, rows[b] % at.points, at.points,
                    op.input_size(k), columns, adjoints[k]);
  });
}

void annihilating_curvature(const Operator& op, const Point& at, const double* output_adjoint, const double* const* tangents,
                            double* const* S, Index columns) {
  if (op.heeds_annihilation()) return op.curvature(at, output_adjoint, tangents, S, columns);
  for (std::size_t k = 0; k < op.n_inputs(); ++k)
    if (S[k] != nullptr) rows::fill_zero(S[k], op.input_size(k) * at.points * columns);
  const Split adjoint(output_adjoint, op.size() * at.points, 1);
  const Tangents split(op, tangents, at.points, columns);
  add_curvature(op, at, adjoint.finite.data(), 1.0, -1, tangents, split, S, columns);
  for (const Index row : adjoint.singular) {
    Numbers unit = zeros(op.size() * at.points);
    unit[static_cast<std::size_t>(row)] = 1.0;
    add_curvature(op, at, unit.data(), output_adjoint[row], row % at.points, tangents, split, S, columns);
  }
}

}  // namespace fastexpr
