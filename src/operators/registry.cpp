#include "operators/registry.hpp"

#include <map>
#include <utility>

#include "graph/errors.hpp"
#include "operators/operators.hpp"

namespace fastexpr {

namespace {

using Maker = OperatorPointer (*)(OperatorSpec);

// An explicit list: objects that register themselves are dropped by static linking.
const std::map<std::string, Maker>& makers() {
  static const std::map<std::string, Maker> list = {
      {"Abs", make_abs},
      {"Add", make_add},
      {"Clip", make_clip},
      {"Concat", make_concat},
      {"Constant", make_constant},
      {"Conv", make_conv},
      {"Cos", make_cos},
      {"Div", make_div},
      {"Elu", make_elu},
      {"Erf", make_erf},
      {"Exp", make_exp},
      {"Gelu", make_gelu},
      {"GeluTanh", make_gelu_tanh},
      {"HardSigmoid", make_hard_sigmoid},
      {"HardSwish", make_hard_swish},
      {"LeakyRelu", make_leaky_relu},
      {"Linear", make_linear},
      {"Log", make_log},
      {"LogSoftmax", make_log_softmax},
      {"Matern", make_matern},
      {"MatMul", make_matmul},
      {"Mul", make_mul},
      {"Neg", make_neg},
      {"Pow", make_pow},
      {"Quantize", make_quantize},
      {"ReduceMax", make_reduce_max},
      {"ReduceMean", make_reduce_mean},
      {"ReduceSum", make_reduce_sum},
      {"Relu", make_relu},
      {"Reshape", make_reshape},
      {"Select", make_select},
      {"Selu", make_selu},
      {"Sigmoid", make_sigmoid},
      {"Sin", make_sin},
      {"Softmax", make_softmax},
      {"Softplus", make_softplus},
      {"Softsign", make_softsign},
      {"SparseLinear", make_sparse_linear},
      {"Square", make_square},
      {"Sqrt", make_sqrt},
      {"Sub", make_sub},
      {"Swish", make_swish},
      {"Tanh", make_tanh},
      {"TreeEnsemble", make_tree_ensemble},
  };
  return list;
}

}  // namespace

OperatorPointer make_operator(OperatorSpec spec) {
  const auto maker = makers().find(spec.name);
  if (maker == makers().end()) {
    std::string known;
    for (const std::string& name : operator_names()) known += (known.empty() ? "" : ", ") + name;
    throw GraphError("there is no operator '" + spec.name + "'; known ones: " + known);
  }
  for (const Shape& shape : spec.input_shapes) size_of(shape);
  const std::string name = spec.name;
  try {
    return maker->second(std::move(spec));
  } catch (const GraphError& error) {
    const std::string message = error.what();
    throw GraphError(message.starts_with("[") ? message : "[" + name + "] " + message);
  } catch (const ShapeError& error) {
    const std::string message = error.what();
    throw ShapeError(message.starts_with("[") ? message : "[" + name + "] " + message);
  }
}

std::vector<std::string> operator_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers()) names.push_back(name);
  return names;
}

}  // namespace fastexpr
