#include "function/function.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "function/implementation.hpp"
#include "graph/decimal.hpp"
#include "graph/errors.hpp"
#include "linalg/interruption.hpp"
#include "linalg/products.hpp"
#include "linalg/thread_pool.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

namespace {

void check(const Graph& graph, const Signature& signature) {
  const auto total = [](const std::vector<Port>& ports) {
    Index size = 0;
    for (const Port& port : ports) size += size_of(port.shape);
    return size;
  };
  const auto expect = [](const char* what, Index got, Index expected) {
    if (got != expected)
      throw ShapeError(std::string("wrong number of ") + what + ": got " + std::to_string(got) + ", expected " +
                       std::to_string(expected));
  };
  expect("numbers in the input ports", total(signature.inputs), graph.n_inputs());
  expect("numbers in the output ports", total(signature.outputs), graph.n_outputs());
  if (signature.input_names) expect("input names", static_cast<Index>(signature.input_names->size()), graph.n_inputs());
  if (signature.output_names) expect("output names", static_cast<Index>(signature.output_names->size()), graph.n_outputs());
  if (!signature.input_units.empty()) expect("input units", static_cast<Index>(signature.input_units.size()), graph.n_inputs());
  if (!signature.output_units.empty())
    expect("output units", static_cast<Index>(signature.output_units.size()), graph.n_outputs());
  if (signature.lower.empty() && signature.upper.empty()) return;
  expect("lower bounds", static_cast<Index>(signature.lower.size()), graph.n_inputs());
  expect("upper bounds", static_cast<Index>(signature.upper.size()), graph.n_inputs());
  for (std::size_t i = 0; i < signature.lower.size(); ++i)
    if (!(signature.lower[i] <= signature.upper[i]))
      throw GraphError("bounds of input '" + signature.input_name(static_cast<Index>(i)) + "' are not an interval: got [" +
                       decimal(signature.lower[i]) + ", " + decimal(signature.upper[i]) + "]");
}

// rows (points, size) -> block (size, points), and back.
void to_block(const double* rows, Index points, Index size, double* block) {
  if (points == 1)
    std::copy(rows, rows + size, block);
  else
    linalg::transpose(rows, points, size, block);
}

void from_block(const double* block, Index points, Index size, double* rows) {
  if (points == 1)
    std::copy(block, block + size, rows);
  else
    linalg::transpose(block, size, points, rows);
}

}  // namespace

Index chunk_for(Index columns) {
  constexpr Index good_width = 256;
  return std::clamp<Index>(good_width / std::max<Index>(columns, 1), 1, WorkspacePool::most_points);
}

// Calls body(workspace, first point) over chunks of at most `most` points, each a power of two, in parallel where there are
// several.
template <class Body>
void Function::Implementation::for_chunks(Index points, Index most, const Body& body) {
  if (points == 1) {
    const WorkspacePool::Lease lease(pool, 0);
    return body(*lease, Index{0});
  }
  const Index size = static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(most)));
  const Index n_chunks = (points + size - 1) / size;
  const auto run = [&](Index begin, Index end) {
    for (Index first = begin * size; first < std::min(end * size, points);) {
      look_for_interruption();
      const auto rest = static_cast<std::uint64_t>(std::min((first / size + 1) * size, points) - first);
      const int exponent = std::bit_width(std::bit_floor(rest)) - 1;
      const WorkspacePool::Lease lease(pool, exponent);
      body(*lease, first);
      first += Index{1} << exponent;
    }
  };
  linalg::parallel_for(n_chunks, 1, std::ref(run));  // a reference, so that std::function needs no heap
}

void Function::Implementation::load(Workspace& workspace, const double* x) const {
  to_block(x, workspace.points(), n(), workspace.value(0));
  run_values(graph, layout, workspace);
}

void Function::Implementation::gather(const Workspace& workspace, double* value) const {
  const Index points = workspace.points();
  for (const NodeId output : graph.outputs()) {
    const double* block = workspace.value(output);
    const Index size = graph.size(output);
    for (Index p = 0; p < points; ++p)
      for (Index i = 0; i < size; ++i) value[p * m() + i] = block[i * points + p];
    value += size;
  }
}

void Function::Implementation::jacobian_by_rows(Workspace& workspace, double* jacobian) const {
  const Index points = workspace.points();
  if (!run_identity_adjoints(graph, layout, workspace)) {
    double* seed = workspace.seed(m() * points * m());
    std::memset(seed, 0, static_cast<std::size_t>(m() * points * m()) * sizeof(double));
    for (Index k = 0; k < m(); ++k)
      for (Index p = 0; p < points; ++p) seed[(k * points + p) * m() + k] = 1;
    run_adjoints(graph, layout, workspace, seed, m());
  }
  const double* block = workspace.adjoint(0);  // (n, points, m)
  if (points == 1) return linalg::transpose(block, n(), m(), jacobian);
  for (Index p = 0; p < points; ++p)
    for (Index j = 0; j < n(); ++j)
      for (Index k = 0; k < m(); ++k) jacobian[(p * m() + k) * n() + j] = block[(j * points + p) * m() + k];
}

// By rows or by columns, whichever are fewer.
void Function::Implementation::jacobian(Workspace& workspace, double* jacobian) const {
  if (m() <= n()) {
    jacobian_by_rows(workspace, jacobian);
  } else {
    run_identity_tangents(graph, layout, workspace, {true, nullptr, 1, nullptr});
    gather_tangents(workspace, jacobian);
  }
  settle_jacobian(workspace, jacobian);
}

void Function::Implementation::gather_tangents(const Workspace& workspace, double* jacobian) const {
  const Index points = workspace.points();
  for (const NodeId output : graph.outputs()) {
    const Index size = graph.size(output);
    for (Index i = 0; i < size; ++i)
      for (Index p = 0; p < points; ++p) {
        double* row = jacobian + (p * m() + i) * n();
        if (graph.depends(output))
          std::copy_n(workspace.tangent(output) + (i * points + p) * n(), n(), row);
        else
          std::fill_n(row, n(), 0.0);
      }
    jacobian += size * n();
  }
}

// weights (points, weightings, m) -> (m, points, weightings)
double* Function::Implementation::weights_as_seed(Workspace& workspace, const double* weights, Index weightings) const {
  double* seed = workspace.seed(m() * workspace.points() * weightings);
  to_block(weights, workspace.points() * weightings, m(), seed);
  return seed;
}

void Function::Implementation::derivatives(Workspace& workspace, const Request& part) {
  if (part.hessian != nullptr && !graph.is_curved()) {
    std::memset(part.hessian, 0, static_cast<std::size_t>(workspace.points() * part.weightings * n() * n()) * sizeof(double));
    Request rest = part;
    rest.hessian = nullptr;
    if (rest.jacobian != nullptr) derivatives(workspace, rest);
    return;
  }
  run_linearize(graph, layout, workspace, part.hessian != nullptr ? 2 : 1);
  if (part.hessian == nullptr) return jacobian(workspace, part.jacobian);
  hessian(workspace, part);
}

Function::Function(Graph graph, Signature signature) {
  check(graph, signature);
  implementation_ = std::make_unique<Implementation>(std::move(graph), std::move(signature));
}

Function::~Function() = default;

const Graph& Function::graph() const { return implementation_->graph; }
const Signature& Function::signature() const { return implementation_->signature; }
Index Function::n_inputs() const { return implementation_->n(); }
Index Function::n_outputs() const { return implementation_->m(); }

void Function::evaluate(const Request& request) const {
  Implementation& self = *implementation_;
  const Index n = self.n(), m = self.m(), weightings = request.weightings;
  if (request.hessian != nullptr && request.jacobian == nullptr && request.value == nullptr && !self.graph.is_curved()) {
    std::fill_n(request.hessian, request.points * weightings * n * n, 0.0);  // for this no network need be evaluated
    return;
  }
  const Index columns = request.hessian != nullptr ? n : request.jacobian != nullptr ? std::min(n, m) : 1;
  self.for_chunks(request.points, chunk_for(columns), [&](Workspace& workspace, Index first) {
    self.load(workspace, request.x + first * n);
    if (request.value != nullptr) self.gather(workspace, request.value + first * m);
    if (request.jacobian == nullptr && request.hessian == nullptr) return;
    Request part = request;
    if (part.weights != nullptr) part.weights += first * weightings * m;
    if (part.jacobian != nullptr) part.jacobian += first * m * n;
    if (part.hessian != nullptr) part.hessian += first * weightings * n * n;
    self.derivatives(workspace, part);
  });
}

void Function::Implementation::jvp(Workspace& workspace, const double* direction, double* y) const {
  const Index points = workspace.points();
  workspace.require_tangents(1);
  to_block(direction, points, n(), workspace.tangent(0));
  run_tangents(graph, layout, workspace);
  for (const NodeId output : graph.outputs()) {
    const Index size = graph.size(output);
    for (Index p = 0; p < points; ++p)
      for (Index i = 0; i < size; ++i) y[p * m() + i] = graph.depends(output) ? workspace.tangent(output)[i * points + p] : 0;
    y += size;
  }
}

void Function::Implementation::vjp(Workspace& workspace, const double* weights, double* y) const {
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, weights, 1), 1);
  from_block(workspace.adjoint(0), workspace.points(), n(), y);
}

void Function::Implementation::hvp(Workspace& workspace, const double* weights, const double* direction, double* y) const {
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, weights, 1), 1);
  workspace.require_all_tangents(1);
  to_block(direction, workspace.points(), n(), workspace.tangent(0));
  run_tangents(graph, layout, workspace);
  run_second_adjoints(graph, layout, workspace);
  from_block(workspace.second_adjoint(0), workspace.points(), n(), y);
}

void Function::jvp(Index points, const double* x, const double* direction, double* y) const {
  Implementation& self = *implementation_;
  const Index n = self.n(), m = self.m();
  self.for_chunks(points, WorkspacePool::most_points, [&](Workspace& workspace, Index first) {
    self.load(workspace, x + first * n);
    run_linearize(self.graph, self.layout, workspace, 1);
    double* out = y + first * m;
    self.jvp(workspace, direction + first * n, out);
    Implementation::again_if_singular(workspace, out, workspace.points() * m, [&] {
      std::vector<double> jacobian(static_cast<std::size_t>(workspace.points() * m * n));
      self.singular_jacobian(workspace, jacobian.data());
      for (Index i = 0; i < workspace.points() * m; ++i) {
        out[i] = 0;
        for (Index j = 0; j < n; ++j)
          out[i] += rows::product(jacobian[static_cast<std::size_t>(i * n + j)], direction[(first + i / m) * n + j]);
      }
    });
  });
}

void Function::vjp(Index points, const double* x, const double* weights, double* y) const {
  Implementation& self = *implementation_;
  self.for_chunks(points, WorkspacePool::most_points, [&](Workspace& workspace, Index first) {
    self.load(workspace, x + first * self.n());
    run_linearize(self.graph, self.layout, workspace, 1);
    const auto run = [&] { self.vjp(workspace, weights + first * self.m(), y + first * self.n()); };
    run();
    Implementation::again_if_singular(workspace, y + first * self.n(), workspace.points() * self.n(), run);
  });
}

void Function::hvp(Index points, const double* x, const double* weights, const double* direction, double* y) const {
  Implementation& self = *implementation_;
  self.for_chunks(points, WorkspacePool::most_points, [&](Workspace& workspace, Index first) {
    self.load(workspace, x + first * self.n());
    run_linearize(self.graph, self.layout, workspace, 2);
    const Index begin = first * self.n();
    const auto run = [&] { self.hvp(workspace, weights + first * self.m(), direction + begin, y + begin); };
    run();
    Implementation::again_if_singular(workspace, y + begin, workspace.points() * self.n(), run);
  });
}

void Function::bounds(const Interval* x, Interval* output) const {
  run_bounds(implementation_->graph, implementation_->layout, x, output);
}

HessianWays Function::hessian_ways() const {
  const HessianPlan& plan = implementation_->plan();
  HessianWays ways;
  if (implementation_->graph.is_curved()) ways.chosen = way_names[static_cast<std::size_t>(plan.way)];
  for (std::size_t way = 0; way < way_names.size(); ++way)
    if (plan.costs[way] > 0) ways.costs.emplace_back(way_names[way], plan.costs[way]);
  return ways;
}

bool Function::is_hessian_planned() const { return implementation_->is_planned; }

const Structure& Function::structure() const {
  Implementation& self = *implementation_;
  std::call_once(self.structure_once, [&] { self.structure = find_structure(self.graph, self.layout); });
  return self.structure;
}

Index Function::workspace_bytes(int order) const {
  const Layout& layout = implementation_->layout;
  const Index n = n_inputs();
  Index doubles = layout.value_size() + layout.scratch_size();
  if (order >= 1) doubles += layout.value_size() + layout.local_size(order >= 2 ? 2 : 1);
  const HessianPlan& plan = implementation_->quick_plan;
  if (order >= 2 && plan.way == HessianWay::directions)
    doubles += (2 * layout.value_size() + layout.curvature_size()) * plan.width;
  else if (order >= 2)
    doubles += (layout.tangent_size() + layout.curvature_size()) * n + layout.diagonal_size();
  return doubles * static_cast<Index>(sizeof(double));
}

}  // namespace fastexpr
