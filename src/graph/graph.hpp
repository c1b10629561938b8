#pragma once

#include <string>
#include <vector>

#include "graph/operator.hpp"

namespace fastexpr {

using NodeId = std::int32_t;

/// One application of an operator. Owns no numbers.
struct Node {
  OperatorPointer op;
  std::vector<NodeId> inputs;
  std::string label;  // the name in the ONNX file, for messages
};

/// Nodes in topological order; immutable once built, shared between threads.
/// Node 0 is x, a vector of n_inputs() numbers, and has no operator.
class Graph {
 public:
  /// Throws GraphError where a node reads one that does not come before it, or its shapes do not fit.
  Graph(Index n_inputs, std::vector<Node> nodes, std::vector<NodeId> outputs);

  Index n_inputs() const { return n_inputs_; }
  Index n_outputs() const { return n_outputs_; }
  Index n_parameters() const { return n_parameters_; }  // numbers in float tensors, each stored tensor counted once
  NodeId n_nodes() const { return static_cast<NodeId>(nodes_.size()); }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  Index size(NodeId id) const { return id == 0 ? n_inputs_ : node(id).op->size(); }
  bool depends(NodeId id) const { return depends_[static_cast<std::size_t>(id)]; }  // on x
  bool is_curved(NodeId id) const { return is_curved_[static_cast<std::size_t>(id)]; }
  /// For a curved node: the input of its diagonal curvature, or -1.
  int diagonal_input(NodeId id) const { return diagonal_input_[static_cast<std::size_t>(id)]; }
  /// Whether any node is curved: otherwise every Hessian is zero, as of a ReLU network.
  bool is_curved() const { return n_curved_ > 0; }
  /// Whether the value is an affine function of x.
  bool is_affine(NodeId id) const { return is_affine_[static_cast<std::size_t>(id)]; }
  /// f is these nodes' values, flattened and joined.
  const std::vector<NodeId>& outputs() const { return outputs_; }

 private:
  Index n_inputs_;
  Index n_outputs_ = 0;
  Index n_parameters_ = 0;
  NodeId n_curved_ = 0;
  std::vector<Node> nodes_;
  std::vector<NodeId> outputs_;
  std::vector<bool> depends_;
  std::vector<bool> is_curved_;
  std::vector<int> diagonal_input_;
  std::vector<bool> is_affine_;
};

}  // namespace fastexpr
