#include "casadi_library/network.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace casadi_library {

namespace {

/// Places of the entries, in the order of the C library.
struct Places {
  std::vector<std::int64_t> rows, columns;

  explicit Places(Index count) : rows(static_cast<std::size_t>(count)), columns(static_cast<std::size_t>(count)) {}
};

/// CasADi's order is column by column, rows ascending; `sources` says which number is entry i there.
Matrix compressed(Index rows, Index columns, const Places& places, std::vector<Index> sources, Index n_numbers) {
  const auto at = [&](const std::vector<std::int64_t>& list, std::size_t i) { return list[i]; };
  std::vector<std::size_t> order(places.rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (at(places.columns, a) != at(places.columns, b)) return at(places.columns, a) < at(places.columns, b);
    return at(places.rows, a) < at(places.rows, b);
  });
  Matrix matrix;
  matrix.n_numbers = n_numbers;
  matrix.sparsity = {rows, columns};
  std::vector<CasadiInt> starts(static_cast<std::size_t>(columns) + 1, 0);
  for (const std::int64_t column : places.columns) ++starts[static_cast<std::size_t>(column) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  matrix.sparsity.insert(matrix.sparsity.end(), starts.begin(), starts.end());
  for (const std::size_t i : order) {
    matrix.sparsity.push_back(places.rows[i]);
    matrix.sources.push_back(sources[i]);
  }
  return matrix;
}

Sparsity without_entries(Index rows, Index columns) {
  Sparsity sparsity(static_cast<std::size_t>(columns) + 3, 0);
  sparsity[0] = rows;
  sparsity[1] = columns;
  return sparsity;
}

Matrix dense(Index rows, Index columns, std::vector<Index> sources) {
  Matrix matrix;
  matrix.sparsity = {rows, columns, 1};
  matrix.sources = std::move(sources);
  matrix.n_numbers = rows * columns;
  matrix.is_dense = true;
  return matrix;
}

}  // namespace

Patterns::Patterns(Index n, Index m)
    : x{n, 1, 1},
      y{m, 1, 1},
      no_x{n, 1, 0, 0},
      no_y{m, 1, 0, 0},
      no_matrix(without_entries(n, m)),
      no_jacobian(without_entries(m, n)),
      no_second(without_entries(m * n, m)) {}

void Matrix::arrange(const double* numbers, double* entries) const {
  if (sources.empty())
    std::copy_n(numbers, n_numbers, entries);
  else
    std::transform(sources.begin(), sources.end(), entries, [&](Index source) { return numbers[source]; });
}

Network::Network(const std::string& file, const std::string& c_library) : c_(c_library) {
  if (c_.open(file.c_str(), &handle_) != FASTEXPR_OK) throw std::runtime_error(c_.error());
  n_ = c_.n_inputs(handle_);
  m_ = c_.n_outputs(handle_);
  patterns_ = Patterns(n_, m_);
  find_jacobian();
  find_hessian();
  find_second_jacobian();
}

Network::~Network() { c_.close(handle_); }

void Network::find_jacobian() {
  const Index count = c_.jacobian_n_entries(handle_);
  if (count == n_ * m_) {
    std::vector<Index> sources;
    for (Index i = 0; i < n_; ++i)
      for (Index k = 0; k < m_; ++k) sources.push_back(k * n_ + i);
    jacobian_ = dense(m_, n_, std::move(sources));
    transposed_jacobian_ = dense(n_, m_, {});
    return;
  }
  Places places(count);
  c_.jacobian_structure(handle_, places.rows.data(), places.columns.data());
  std::vector<Index> sources(static_cast<std::size_t>(count));
  std::iota(sources.begin(), sources.end(), Index{0});
  jacobian_ = compressed(m_, n_, places, sources, count);
  std::swap(places.rows, places.columns);
  transposed_jacobian_ = compressed(n_, m_, places, sources, count);
}

/// The C library gives the lower triangle, CasADi wants both.
void Network::find_hessian() {
  const Index count = c_.hessian_n_entries(handle_);
  if (count == n_ * (n_ + 1) / 2) {
    hessian_ = dense(n_, n_, {});
    return;
  }
  Places lower(count), both(0);
  c_.hessian_structure(handle_, lower.rows.data(), lower.columns.data());
  std::vector<Index> sources;
  const auto add = [&](std::int64_t row, std::int64_t column, Index source) {
    both.rows.push_back(row);
    both.columns.push_back(column);
    sources.push_back(source);
  };
  for (Index i = 0; i < count; ++i) {
    const std::int64_t row = lower.rows[static_cast<std::size_t>(i)], column = lower.columns[static_cast<std::size_t>(i)];
    add(row, column, i);
    if (row != column) add(column, row, i);
  }
  hessian_ = compressed(n_, n_, both, sources, count);
}

void Network::find_second_jacobian() {
  if (hessian_.is_dense) {
    second_jacobian_ = {m_ * n_, n_, 1};
    return;
  }
  second_jacobian_ = {m_ * n_, n_};
  const auto columns = static_cast<std::size_t>(n_);
  for (std::size_t j = 0; j <= columns; ++j) second_jacobian_.push_back(m_ * hessian_.sparsity[2 + j]);
  for (std::size_t entry = 3 + columns; entry < hessian_.sparsity.size(); ++entry)
    for (Index k = 0; k < m_; ++k) second_jacobian_.push_back(k + m_ * hessian_.sparsity[entry]);
}

}  // namespace casadi_library
