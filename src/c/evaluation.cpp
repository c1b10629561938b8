#include <vector>

#include "c/calls.hpp"
#include "c/network.hpp"

using fastexpr::Function;
using fastexpr::Index;
using fastexpr::Request;
using fastexpr::c::expect;
using fastexpr::c::expect_finite;
using fastexpr::c::guarded;
using fastexpr::c::Invalid;

namespace {

/// The function behind the pointer, once the points that it is asked for are known to be sound.
const Function& function_at(const fastexpr_network* network, int64_t points, const double* x) {
  expect(network, "network");
  if (points < 0) throw Invalid("points is how many points x holds: got " + std::to_string(points) + ", expected 0 or more.");
  expect_finite(x, points * network->function->n_inputs(), "x");
  return *network->function;
}

fastexpr_status evaluate(const char* call, const fastexpr_network* network, Request request) {
  return guarded(call, [&] {
    const Function& function = function_at(network, request.points, request.x);
    if (request.hessian) expect_finite(request.weights, request.points * function.n_outputs(), "weights");
    if (request.points > 0) function.evaluate(request);
  });
}

/// A result that was asked for by name has a place to go.
fastexpr_status evaluate_one(const char* call, const fastexpr_network* network, const Request& request, const double* result,
                             const char* name) {
  if (result == nullptr && request.points != 0) return guarded(call, [&] { expect(result, name); });
  return evaluate(call, network, request);
}

Request at(int64_t points, const double* x) {
  Request request;
  request.points = points;
  request.x = x;
  return request;
}

/// Row and column of each entry that `is_wanted(row, column)`.
template <class Wanted>
void list_places(const fastexpr::Pattern& pattern, const Wanted& is_wanted, int64_t* rows, int64_t* columns) {
  for (Index row = 0; row < pattern.rows; ++row) {
    for (Index i = pattern.starts[static_cast<std::size_t>(row)]; i < pattern.starts[static_cast<std::size_t>(row) + 1]; ++i) {
      const Index column = pattern.indices[static_cast<std::size_t>(i)];
      if (!is_wanted(row, column)) continue;
      *rows++ = row;
      *columns++ = column;
    }
  }
}

bool is_lower(Index row, Index column) { return column <= row; }

bool is_any(Index, Index) { return true; }

Index count_lower(const fastexpr::Pattern& pattern) {
  Index on_diagonal = 0;
  for (Index row = 0; row < pattern.rows; ++row)
    for (Index i = pattern.starts[static_cast<std::size_t>(row)]; i < pattern.starts[static_cast<std::size_t>(row) + 1]; ++i)
      on_diagonal += pattern.indices[static_cast<std::size_t>(i)] == row;
  return (pattern.n_entries() + on_diagonal) / 2;
}

/// From the entries of both triangles to those of the lower one; both in the order of the pattern.
void keep_lower(const fastexpr::Pattern& pattern, const double* all, double* lower) {
  for (Index row = 0; row < pattern.rows; ++row)
    for (Index i = pattern.starts[static_cast<std::size_t>(row)]; i < pattern.starts[static_cast<std::size_t>(row) + 1]; ++i)
      if (is_lower(row, pattern.indices[static_cast<std::size_t>(i)])) *lower++ = all[i];
}

}  // namespace

fastexpr_status fastexpr_value(const fastexpr_network* network, int64_t points, const double* x, double* value) {
  Request request = at(points, x);
  request.value = value;
  return evaluate_one("fastexpr_value", network, request, value, "value");
}

fastexpr_status fastexpr_jacobian(const fastexpr_network* network, int64_t points, const double* x, double* jacobian) {
  Request request = at(points, x);
  request.jacobian = jacobian;
  return evaluate_one("fastexpr_jacobian", network, request, jacobian, "jacobian");
}

fastexpr_status fastexpr_hessian(const fastexpr_network* network, int64_t points, const double* x, const double* weights,
                                 double* hessian) {
  Request request = at(points, x);
  request.weights = weights;
  request.hessian = hessian;
  return evaluate_one("fastexpr_hessian", network, request, hessian, "hessian");
}

fastexpr_status fastexpr_evaluate(const fastexpr_network* network, int64_t points, const double* x, const double* weights,
                                  double* value, double* jacobian, double* hessian) {
  Request request = at(points, x);
  request.weights = weights;
  request.value = value;
  request.jacobian = jacobian;
  request.hessian = hessian;
  return evaluate("fastexpr_evaluate", network, request);
}

fastexpr_status fastexpr_jvp(const fastexpr_network* network, int64_t points, const double* x, const double* direction,
                             double* result) {
  return guarded("fastexpr_jvp", [&] {
    const Function& function = function_at(network, points, x);
    expect_finite(direction, points * function.n_inputs(), "direction");
    if (points == 0) return;
    expect(result, "result");
    function.jvp(points, x, direction, result);
  });
}

fastexpr_status fastexpr_vjp(const fastexpr_network* network, int64_t points, const double* x, const double* weights,
                             double* result) {
  return guarded("fastexpr_vjp", [&] {
    const Function& function = function_at(network, points, x);
    expect_finite(weights, points * function.n_outputs(), "weights");
    if (points == 0) return;
    expect(result, "result");
    function.vjp(points, x, weights, result);
  });
}

fastexpr_status fastexpr_hvp(const fastexpr_network* network, int64_t points, const double* x, const double* weights,
                             const double* direction, double* result) {
  return guarded("fastexpr_hvp", [&] {
    const Function& function = function_at(network, points, x);
    expect_finite(weights, points * function.n_outputs(), "weights");
    expect_finite(direction, points * function.n_inputs(), "direction");
    if (points == 0) return;
    expect(result, "result");
    function.hvp(points, x, weights, direction, result);
  });
}

int64_t fastexpr_jacobian_n_entries(const fastexpr_network* network) {
  int64_t count = -1;
  guarded("fastexpr_jacobian_n_entries", [&] {
    expect(network, "network");
    count = network->function->structure().jacobian.n_entries();
  });
  return count;
}

fastexpr_status fastexpr_jacobian_structure(const fastexpr_network* network, int64_t* rows, int64_t* columns) {
  return guarded("fastexpr_jacobian_structure", [&] {
    expect(network, "network");
    const fastexpr::Pattern& pattern = network->function->structure().jacobian;
    if (pattern.n_entries() == 0) return;
    expect(rows, "rows");
    expect(columns, "columns");
    list_places(pattern, is_any, rows, columns);
  });
}

fastexpr_status fastexpr_jacobian_entries(const fastexpr_network* network, int64_t points, const double* x, double* entries) {
  return guarded("fastexpr_jacobian_entries", [&] {
    const Function& function = function_at(network, points, x);
    const Index count = function.structure().jacobian.n_entries();
    if (points * count == 0) return;
    expect(entries, "entries");
    for (int64_t i = 0; i < points; ++i) function.sparse_jacobian(x + i * function.n_inputs(), entries + i * count);
  });
}

int64_t fastexpr_hessian_n_entries(const fastexpr_network* network) {
  int64_t count = -1;
  guarded("fastexpr_hessian_n_entries", [&] {
    expect(network, "network");
    count = count_lower(network->function->structure().hessian);
  });
  return count;
}

fastexpr_status fastexpr_hessian_structure(const fastexpr_network* network, int64_t* rows, int64_t* columns) {
  return guarded("fastexpr_hessian_structure", [&] {
    expect(network, "network");
    const fastexpr::Pattern& pattern = network->function->structure().hessian;
    if (pattern.n_entries() == 0) return;
    expect(rows, "rows");
    expect(columns, "columns");
    list_places(pattern, is_lower, rows, columns);
  });
}

fastexpr_status fastexpr_hessian_entries(const fastexpr_network* network, int64_t points, const double* x, const double* weights,
                                         double* entries) {
  return guarded("fastexpr_hessian_entries", [&] {
    const Function& function = function_at(network, points, x);
    const Index n = function.n_inputs(), m = function.n_outputs();
    expect_finite(weights, points * m, "weights");
    const fastexpr::Pattern& pattern = function.structure().hessian;
    const Index count = count_lower(pattern);
    if (points * count == 0) return;
    expect(entries, "entries");
    static thread_local std::vector<double> all;
    all.resize(static_cast<std::size_t>(pattern.n_entries()));
    for (int64_t i = 0; i < points; ++i) {
      function.sparse_hessian(x + i * n, weights + i * m, all.data());
      keep_lower(pattern, all.data(), entries + i * count);
    }
  });
}
