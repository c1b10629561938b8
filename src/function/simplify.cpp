#include "function/simplify.hpp"

#include <algorithm>
#include <utility>

#include "graph/errors.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

/// The list as it comes, before Graph has checked it: ids may be wrong, and then are left for Graph to refuse.
class NodeList {
 public:
  NodeList(std::vector<Node>& nodes, const std::vector<NodeId>& outputs) : nodes_(nodes), n_readers_(nodes.size() + 1, 0) {
    for (const Node& node : nodes_)
      for (const NodeId input : node.inputs) ++n_readers_[static_cast<std::size_t>(input)];
    for (const NodeId output : outputs) ++n_readers_[static_cast<std::size_t>(output)];
  }

  void name_squares() {
    for (Node& node : nodes_)
      if (is_square(node))
        node = {make_operator({"Square", {node.op->spec().input_shapes[0]}, {}, {}}), {node.inputs[0]}, node.label};
  }

  /// x sigmoid(x), as exporters write it.
  void name_swishes() {
    for (Node& mul : nodes_) {
      if (mul.op->name() != "Mul") continue;
      for (std::size_t side = 0; side < 2; ++side) {
        const NodeId gate = mul.inputs[side], x = mul.inputs[1 - side];
        if (gate == 0 || at(gate).op->name() != "Sigmoid" || at(gate).inputs[0] != x || readers(gate) != 1) continue;
        --n_readers_[static_cast<std::size_t>(gate)];
        --n_readers_[static_cast<std::size_t>(x)];
        mul = {make_operator({"Swish", {at(gate).op->shape()}, Attributes({{"alpha", 1.0}}), {}}), {x}, mul.label};
        break;
      }
    }
  }

  void fuse_biases() {
    for (Node& add : nodes_) {
      if (add.op->name() != "Add") continue;
      for (int side = 0; side < 2; ++side) {
        const NodeId linear = add.inputs[static_cast<std::size_t>(side)];
        const NodeId constant = add.inputs[static_cast<std::size_t>(1 - side)];
        if (linear == 0 || constant == 0 || !is_bias(add, at(linear), at(constant)) || readers(linear) != 1) continue;
        OperatorSpec spec = at(linear).op->spec();
        Tensor bias = at(constant).op->spec().constants[0];
        bias.shape = {bias.size()};
        spec.constants.push_back(std::move(bias));
        add = {make_operator(std::move(spec)), at(linear).inputs, at(linear).label};
        break;
      }
    }
  }

 private:
  int readers(NodeId id) const { return n_readers_[static_cast<std::size_t>(id)]; }
  const Node& at(NodeId id) const { return nodes_[static_cast<std::size_t>(id) - 1]; }

  bool is_square(const Node& node) const {
    if (node.op->n_inputs() != 2 || node.op->shape() != node.op->spec().input_shapes[0]) return false;
    if (node.op->name() == "Mul") return node.inputs[0] == node.inputs[1] && node.op->shape() == node.op->spec().input_shapes[1];
    if (node.op->name() != "Pow" || node.inputs[1] == 0 || at(node.inputs[1]).op->name() != "Constant") return false;
    const std::vector<double> exponents = at(node.inputs[1]).op->spec().constants[0].widened();
    return std::all_of(exponents.begin(), exponents.end(), [](double exponent) { return exponent == 2; });
  }

  static bool is_bias(const Node& add, const Node& linear, const Node& constant) {
    if (linear.op->name() != "Linear" || constant.op->name() != "Constant" || linear.op->spec().constants.size() != 1)
      return false;
    const Shape& shape = linear.op->shape();
    const Shape& bias = constant.op->shape();
    const auto axis = static_cast<std::size_t>(linear.op->spec().attributes.integer("axis"));
    if (add.op->shape() != shape || shape != add.op->spec().input_shapes[add.op->spec().input_shapes[0] == shape ? 0 : 1])
      return false;
    if (constant.op->spec().constants[0].precision == Precision::int64 || constant.op->size() != shape[axis] ||
        bias.size() > shape.size())
      return false;
    const std::size_t lead = shape.size() - bias.size();
    return axis >= lead && bias[axis - lead] == shape[axis];
  }

  std::vector<Node>& nodes_;
  std::vector<int> n_readers_;
};

bool are_ids_valid(const std::vector<Node>& nodes, const std::vector<NodeId>& outputs) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].op == nullptr || nodes[i].inputs.size() != nodes[i].op->n_inputs()) return false;
    for (const NodeId input : nodes[i].inputs)
      if (input < 0 || static_cast<std::size_t>(input) > i) return false;
  }
  for (const NodeId output : outputs)
    if (output < 0 || static_cast<std::size_t>(output) > nodes.size()) return false;
  return true;
}

void drop_unread(std::vector<Node>& nodes, std::vector<NodeId>& outputs) {
  std::vector<NodeId> new_id(nodes.size() + 1, -1);
  for (const NodeId output : outputs) new_id[static_cast<std::size_t>(output)] = 0;
  for (std::size_t id = nodes.size(); id > 0; --id)
    if (new_id[id] == 0)
      for (const NodeId input : nodes[id - 1].inputs) new_id[static_cast<std::size_t>(input)] = 0;
  new_id[0] = 0;
  std::vector<Node> kept;
  for (std::size_t id = 1; id <= nodes.size(); ++id) {
    if (new_id[id] < 0) continue;
    Node& node = nodes[id - 1];
    for (NodeId& input : node.inputs) input = new_id[static_cast<std::size_t>(input)];
    kept.push_back(std::move(node));
    new_id[id] = static_cast<NodeId>(kept.size());
  }
  for (NodeId& output : outputs) output = new_id[static_cast<std::size_t>(output)];
  nodes = std::move(kept);
}

}  // namespace

void simplify(std::vector<Node>& nodes, std::vector<NodeId>& outputs) {
  if (!are_ids_valid(nodes, outputs)) return;
  NodeList list(nodes, outputs);
  list.name_squares();
  list.name_swishes();
  list.fuse_biases();
  drop_unread(nodes, outputs);
}

}  // namespace fastexpr
