#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "passes/structure.hpp"

namespace fastexpr {

/// A tensor as the user declared it: one input or output of the ONNX file.
struct Port {
  std::string name;
  Shape shape;
};

/// What the numbers of x and f(x) are called. x is the inputs, each flattened in C order, joined; f(x) likewise.
struct Signature {
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  std::optional<std::vector<std::string>> input_names;   // one per component of x; made of the ports where none are stated
  std::optional<std::vector<std::string>> output_names;  // one per component of f(x)
  std::vector<double> lower;                             // range of x that the network is meant for; empty: none stated
  std::vector<double> upper;
  std::vector<std::string> input_units;  // one per component, empty texts for none; empty: none stated
  std::vector<std::string> output_units;

  /// The name of one component: "T", or "x[0,3]" where the port has several.
  std::string input_name(Index component) const;
  std::string output_name(Index component) const;
};

/// What to compute at a batch of points; null pointers are not wanted. All arrays row-major and contiguous, provided by the
/// caller.
struct Request {
  Index points = 1;
  const double* x = nullptr;        // (points, n)
  const double* weights = nullptr;  // (points, weightings, m); only for the Hessian
  Index weightings = 1;             // Hessians per point: each combines the outputs with weights of its own
  double* value = nullptr;          // (points, m)
  double* jacobian = nullptr;       // (points, m, n)
  double* hessian = nullptr;        // (points, weightings, n, n), both triangles
};

/// How dense Hessians are computed (function/hessian_plan.hpp): the way that is chosen, empty where there are none; and what
/// each possible one costs at one point, in multiplications, about.
struct HessianWays {
  std::string chosen;
  std::vector<std::pair<std::string, double>> costs;
};

class LinearBoundsPool;

enum class BoundsMethod { interval, linear };

/// Boxes of x: both (count, n).
struct Boxes {
  Index count = 0;
  const double* lower = nullptr;
  const double* upper = nullptr;
};

/// What a user holds: a graph, the names around it, and the workspaces it is evaluated in. Immutable; any number of threads
/// may evaluate it at once. Numbers that are not finite are results like others: the caller looks at them.
class Function {
 public:
  Function(Graph graph, Signature signature);
  ~Function();
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;

  const Graph& graph() const;
  const Signature& signature() const;
  Index n_inputs() const;
  Index n_outputs() const;

  void evaluate(const Request& request) const;
  /// y (points, m) = J(x) direction, direction (points, n).
  void jvp(Index points, const double* x, const double* direction, double* y) const;
  /// y (points, n) = J(x)' weights, weights (points, m).
  void vjp(Index points, const double* x, const double* weights, double* y) const;
  /// y (points, n) = (sum_k weights_k grad^2 f_k(x)) direction.
  void hvp(Index points, const double* x, const double* weights, const double* direction, double* y) const;

  /// Interval of every output (m) for x in the box (n): interval arithmetic, so an enclosure, not the range.
  void bounds(const Interval* x, Interval* output) const;
  /// Bounds of all outputs, (boxes, m), for each of these boxes, (boxes, n); infinite where nothing is known.
  void bounds(const Boxes& boxes, BoundsMethod method, double* lower, double* upper) const;
  /// The same of all units of all nodes that depend on x, one node after the other: (boxes, n_units()).
  void bounds_of_nodes(const Boxes& boxes, BoundsMethod method, double* lower, double* upper) const;
  Index n_units() const;
  /// For many calls one after the other; the function must outlive it.
  std::unique_ptr<LinearBoundsPool> linear_bounds_pool() const;

  /// Patterns of J and H and how they are compressed; found at the first call.
  const Structure& structure() const;
  /// For every output, the operator and node of a step that moves it within the box x (n), as "TreeEnsemble 'forest'"; empty
  /// where there is none. See find_steps.
  std::vector<std::string> steps(const Interval* x) const;
  /// Which components of x the value of each output depends on, conditions and steps included.
  Pattern influence() const;

  /// How dense Hessians are computed, and what each way would cost.
  HessianWays hessian_ways() const;
  /// Whether that is known already: the first Hessian finds it.
  bool is_hessian_planned() const;
  /// Entries of J(x) in the order of structure().jacobian; x (n).
  void sparse_jacobian(const double* x, double* entries) const;
  /// Entries of the Hessian of weights @ f, in the order of structure().hessian; x (n), weights (m).
  void sparse_hessian(const double* x, const double* weights, double* entries) const;

  /// How many kinked units there are, each of which has a branch; those that do not depend on x are none.
  Index branch_size() const;
  /// A kinked unit: one of a node's output.
  struct KinkedUnit {
    const Node* node;
    Index unit;
  };
  KinkedUnit kinked_unit(Index number) const;
  /// Found at the first call.
  const KinkStructure& kink_structure() const;
  /// The walls of a unit on this branch, appended; false where there is no such branch.
  bool walls(Index unit, Branch branch, std::vector<Wall>& walls) const;

  /// Bytes of the workspace of one evaluation of this order (0 value, 1 gradient, 2 Hessian) at one point.
  Index workspace_bytes(int order) const;

 private:
  friend class Evaluation;
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace fastexpr
