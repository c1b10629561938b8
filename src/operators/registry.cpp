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
      {"Acos", make_acos},
      {"Acosh", make_acosh},
      {"Add", make_add},
      {"Asin", make_asin},
      {"Asinh", make_asinh},
      {"Atan", make_atan},
      {"Atanh", make_atanh},
      {"Ceil", make_ceil},
      {"Clip", make_clip},
      {"Concat", make_concat},
      {"Constant", make_constant},
      {"Conv", make_conv},
      {"Cos", make_cos},
      {"Cosh", make_cosh},
      {"CumSum", make_cum_sum},
      {"Div", make_div},
      {"Elu", make_elu},
      {"Equal", make_equal},
      {"Erf", make_erf},
      {"Exp", make_exp},
      {"Floor", make_floor},
      {"Gelu", make_gelu},
      {"GeluTanh", make_gelu_tanh},
      {"HardSigmoid", make_hard_sigmoid},
      {"HardSwish", make_hard_swish},
      {"Hardmax", make_hardmax},
      {"LeakyRelu", make_leaky_relu},
      {"Less", make_less},
      {"LessOrEqual", make_less_or_equal},
      {"Linear", make_linear},
      {"Log", make_log},
      {"LogSoftmax", make_log_softmax},
      {"Matern", make_matern},
      {"MatMul", make_matmul},
      {"Max", make_max},
      {"Min", make_min},
      {"Mod", make_mod},
      {"Mul", make_mul},
      {"Neg", make_neg},
      {"Pow", make_pow},
      {"Quantize", make_quantize},
      {"ReduceL2", make_reduce_l2},
      {"ReduceLogSumExp", make_reduce_log_sum_exp},
      {"ReduceMax", make_reduce_max},
      {"ReduceMean", make_reduce_mean},
      {"ReduceProd", make_reduce_prod},
      {"ReduceSum", make_reduce_sum},
      {"Relu", make_relu},
      {"Reshape", make_reshape},
      {"Round", make_round},
      {"Select", make_select},
      {"Selu", make_selu},
      {"Sigmoid", make_sigmoid},
      {"Sign", make_sign},
      {"Sin", make_sin},
      {"Sinh", make_sinh},
      {"Softmax", make_softmax},
      {"Softplus", make_softplus},
      {"Softsign", make_softsign},
      {"SparseLinear", make_sparse_linear},
      {"Square", make_square},
      {"Sqrt", make_sqrt},
      {"Sub", make_sub},
      {"Swish", make_swish},
      {"Tan", make_tan},
      {"Tanh", make_tanh},
      {"TreeEnsemble", make_tree_ensemble},
      {"Where", make_where},
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
