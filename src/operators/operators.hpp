#pragma once

#include "graph/operator.hpp"

// One maker per operator: it checks the specification and throws GraphError or ShapeError. registry.cpp lists them by name.

namespace fastexpr {

OperatorPointer make_abs(OperatorSpec spec);
OperatorPointer make_acos(OperatorSpec spec);
OperatorPointer make_acosh(OperatorSpec spec);
OperatorPointer make_add(OperatorSpec spec);
OperatorPointer make_asin(OperatorSpec spec);
OperatorPointer make_asinh(OperatorSpec spec);
OperatorPointer make_atan(OperatorSpec spec);
OperatorPointer make_atanh(OperatorSpec spec);
OperatorPointer make_ceil(OperatorSpec spec);
OperatorPointer make_clip(OperatorSpec spec);
OperatorPointer make_concat(OperatorSpec spec);
OperatorPointer make_constant(OperatorSpec spec);
OperatorPointer make_conv(OperatorSpec spec);
OperatorPointer make_cos(OperatorSpec spec);
OperatorPointer make_cosh(OperatorSpec spec);
OperatorPointer make_cum_sum(OperatorSpec spec);
OperatorPointer make_div(OperatorSpec spec);
OperatorPointer make_elu(OperatorSpec spec);
OperatorPointer make_equal(OperatorSpec spec);
OperatorPointer make_erf(OperatorSpec spec);
OperatorPointer make_exp(OperatorSpec spec);
OperatorPointer make_floor(OperatorSpec spec);
OperatorPointer make_gelu(OperatorSpec spec);
OperatorPointer make_gelu_tanh(OperatorSpec spec);
OperatorPointer make_hard_sigmoid(OperatorSpec spec);
OperatorPointer make_hard_swish(OperatorSpec spec);
OperatorPointer make_hardmax(OperatorSpec spec);
OperatorPointer make_leaky_relu(OperatorSpec spec);
OperatorPointer make_less(OperatorSpec spec);
OperatorPointer make_less_or_equal(OperatorSpec spec);
OperatorPointer make_linear(OperatorSpec spec);
OperatorPointer make_log(OperatorSpec spec);
OperatorPointer make_log_softmax(OperatorSpec spec);
OperatorPointer make_matern(OperatorSpec spec);
OperatorPointer make_matmul(OperatorSpec spec);
OperatorPointer make_max(OperatorSpec spec);
OperatorPointer make_min(OperatorSpec spec);
OperatorPointer make_mod(OperatorSpec spec);
OperatorPointer make_mul(OperatorSpec spec);
OperatorPointer make_neg(OperatorSpec spec);
OperatorPointer make_pow(OperatorSpec spec);
OperatorPointer make_quantize(OperatorSpec spec);
OperatorPointer make_reduce_l2(OperatorSpec spec);
OperatorPointer make_reduce_log_sum_exp(OperatorSpec spec);
OperatorPointer make_reduce_max(OperatorSpec spec);
OperatorPointer make_reduce_mean(OperatorSpec spec);
OperatorPointer make_reduce_prod(OperatorSpec spec);
OperatorPointer make_reduce_sum(OperatorSpec spec);
OperatorPointer make_relu(OperatorSpec spec);
OperatorPointer make_reshape(OperatorSpec spec);
OperatorPointer make_round(OperatorSpec spec);
OperatorPointer make_select(OperatorSpec spec);
OperatorPointer make_selu(OperatorSpec spec);
OperatorPointer make_sigmoid(OperatorSpec spec);
OperatorPointer make_sign(OperatorSpec spec);
OperatorPointer make_sin(OperatorSpec spec);
OperatorPointer make_sinh(OperatorSpec spec);
OperatorPointer make_softmax(OperatorSpec spec);
OperatorPointer make_softplus(OperatorSpec spec);
OperatorPointer make_softsign(OperatorSpec spec);
OperatorPointer make_sparse_linear(OperatorSpec spec);
OperatorPointer make_square(OperatorSpec spec);
OperatorPointer make_sqrt(OperatorSpec spec);
OperatorPointer make_sub(OperatorSpec spec);
OperatorPointer make_swish(OperatorSpec spec);
OperatorPointer make_tan(OperatorSpec spec);
OperatorPointer make_tanh(OperatorSpec spec);
OperatorPointer make_tree_ensemble(OperatorSpec spec);
OperatorPointer make_where(OperatorSpec spec);

}  // namespace fastexpr
