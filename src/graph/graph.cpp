#include "graph/graph.hpp"

#include <set>
#include <utility>

#include "graph/errors.hpp"

namespace fastexpr {

namespace {

std::string describe(const Node& node, std::size_t id) {
  return "[" + node.op->name() + " '" + (node.label.empty() ? "node " + std::to_string(id) : node.label) + "'] ";
}

void check_inputs(const std::vector<Node>& nodes, Index n_inputs, std::size_t id) {
  const Node& node = nodes[id];
  if (node.op == nullptr) throw GraphError("node " + std::to_string(id) + " has no operator");
  if (node.inputs.size() != node.op->n_inputs())
    throw GraphError(describe(node, id) + "wrong number of inputs: got " + std::to_string(node.inputs.size()) + ", expected " +
                     std::to_string(node.op->n_inputs()));
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    const NodeId input = node.inputs[k];
    if (input < 0 || static_cast<std::size_t>(input) >= id)
      throw GraphError(describe(node, id) + "reads node " + std::to_string(input) + ", which does not come before it");
    const Index size = input == 0 ? n_inputs : nodes[static_cast<std::size_t>(input)].op->size();
    if (size != node.op->input_size(k))
      throw ShapeError(describe(node, id) + "input " + std::to_string(k) + " has the wrong size: got " + std::to_string(size) +
                       " numbers, expected shape " + to_string(node.op->spec().input_shapes[k]));
  }
}

}  // namespace

Graph::Graph(Index n_inputs, std::vector<Node> nodes, std::vector<NodeId> outputs)
    : n_inputs_(n_inputs), nodes_(std::move(nodes)), outputs_(std::move(outputs)) {
  if (n_inputs_ < 0) throw ShapeError("a network needs inputs: got n = " + std::to_string(n_inputs_));
  nodes_.insert(nodes_.begin(), Node{});
  depends_.assign(nodes_.size(), false);
  is_curved_.assign(nodes_.size(), false);
  is_affine_.assign(nodes_.size(), true);
  diagonal_input_.assign(nodes_.size(), -1);
  depends_[0] = true;
  std::set<const void*> counted;
  for (std::size_t id = 1; id < nodes_.size(); ++id) {
    check_inputs(nodes_, n_inputs_, id);
    const Node& node = nodes_[id];
    std::vector<bool> input_depends;
    bool are_inputs_affine = true;
    for (const NodeId input : node.inputs) {
      input_depends.push_back(depends(input));
      if (depends(input)) depends_[id] = true;
      if (!is_affine(input)) are_inputs_affine = false;
    }
    is_affine_[id] = !depends_[id] || (are_inputs_affine && node.op->is_affine(input_depends));
    is_curved_[id] = depends_[id] && node.op->is_curved(input_depends);
    if (is_curved_[id]) {
      ++n_curved_;
      diagonal_input_[id] = node.op->diagonal_input(input_depends);
    }
    for (const Tensor& tensor : node.op->spec().constants)
      if (tensor.precision != Precision::int64 && counted.insert(tensor.data).second) n_parameters_ += tensor.size();
  }
  for (const NodeId output : outputs_) {
    if (output < 0 || output >= n_nodes()) throw GraphError("there is no node " + std::to_string(output) + " to be an output");
    n_outputs_ += size(output);
  }
}

}  // namespace fastexpr
