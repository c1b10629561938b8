#include "casadi_library/external.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "casadi_library/configuration.hpp"

namespace casadi_library {

namespace {

using Names = std::span<const char* const>;

constexpr std::array all_inputs = {"x", "out_y", "adj_y", "out_adj_x"};
constexpr std::array second_jacobian_inputs = {"x", "out_y", "out_jac_y_x"};
constexpr std::array value_output = {"y"};
constexpr std::array jacobian_output = {"jac_y_x"};
constexpr std::array adjoint_output = {"adj_x"};
constexpr std::array second_jacobian_outputs = {"jac_jac_y_x_x", "jac_jac_y_x_out_y"};
constexpr std::array adjoint_jacobian_outputs = {"jac_adj_x_x", "jac_adj_x_out_y", "jac_adj_x_adj_y"};

Names inputs(Which which) {
  switch (which) {
    case Which::value:
      return Names(all_inputs).first(1);
    case Which::jacobian:
      return Names(all_inputs).first(2);
    case Which::adjoint:
      return Names(all_inputs).first(3);
    case Which::adjoint_jacobian:
      return all_inputs;
    case Which::second_jacobian:
      return second_jacobian_inputs;
  }
  return {};
}

Names outputs(Which which) {
  switch (which) {
    case Which::value:
      return value_output;
    case Which::jacobian:
      return jacobian_output;
    case Which::adjoint:
      return adjoint_output;
    case Which::adjoint_jacobian:
      return adjoint_jacobian_outputs;
    case Which::second_jacobian:
      return second_jacobian_outputs;
  }
  return {};
}

const char* name_at(Names names, CasadiInt i) {
  return i >= 0 && i < static_cast<CasadiInt>(names.size()) ? names[static_cast<std::size_t>(i)] : nullptr;
}

/// Where each function's numbers go while they are computed: zeros for inputs that are null, then the C library's numbers.
struct Scratch {
  const Network& net;
  double* w;

  const double* or_zeros(const double* given, Index size) {
    if (given) return given;
    std::fill_n(w, size, 0.0);
    return take(size);
  }
  double* take(Index size) {
    double* here = w;
    w += size;
    return here;
  }
};

Index scratch_size(const Network& net, Which which) {
  const Index of_jacobian = net.jacobian().n_numbers, of_hessian = net.hessian().n_numbers;
  if (which == Which::second_jacobian) return net.n() + net.m() * (net.n() + net.m() + of_hessian);
  return net.n() + net.m() + of_jacobian + of_hessian;
}

bool evaluate_jacobian(const Network& net, const double* x, const Matrix& matrix, double* result, Scratch& scratch) {
  double* numbers = matrix.sources.empty() ? result : scratch.take(matrix.n_numbers);
  const auto status = matrix.is_dense ? net.c().evaluate(net.handle(), 1, x, nullptr, nullptr, numbers, nullptr)
                                      : net.c().jacobian_entries(net.handle(), 1, x, numbers);
  if (status != FASTEXPR_OK) return false;
  if (numbers != result) matrix.arrange(numbers, result);
  return true;
}

bool evaluate_hessian(const Network& net, const double* x, const double* weights, double* result, Scratch& scratch) {
  const Matrix& matrix = net.hessian();
  if (matrix.is_dense) return net.c().evaluate(net.handle(), 1, x, weights, nullptr, nullptr, result) == FASTEXPR_OK;
  double* numbers = scratch.take(matrix.n_numbers);
  if (net.c().hessian_entries(net.handle(), 1, x, weights, numbers) != FASTEXPR_OK) return false;
  matrix.arrange(numbers, result);
  return true;
}

bool evaluate_adjoint_jacobian(const Network& net, const double* x, const double* weights, double** res, Scratch& scratch) {
  const Matrix& transposed = net.transposed_jacobian();
  if (res[0] && res[2] && net.hessian().is_dense && transposed.is_dense)  // what both have in common is computed once
    return net.c().evaluate(net.handle(), 1, x, weights, nullptr, res[2], res[0]) == FASTEXPR_OK;
  if (res[0] && !evaluate_hessian(net, x, weights, res[0], scratch)) return false;
  return !res[2] || evaluate_jacobian(net, x, transposed, res[2], scratch);
}

/// The Hessian of each output: m points that are all x, with the rows of the identity as weights.
bool evaluate_second_jacobian(const Network& net, const double* x, double* result, Scratch& scratch) {
  const Index n = net.n(), m = net.m();
  const Matrix& matrix = net.hessian();
  double* points = scratch.take(m * n);
  double* weights = scratch.take(m * m);
  for (Index k = 0; k < m; ++k) {
    std::copy_n(x, n, points + k * n);
    std::fill_n(weights + k * m, m, 0.0);
    weights[k * m + k] = 1.0;
  }
  double* numbers = scratch.take(m * matrix.n_numbers);
  const auto status = matrix.is_dense ? net.c().evaluate(net.handle(), m, points, weights, nullptr, nullptr, numbers)
                                      : net.c().hessian_entries(net.handle(), m, points, weights, numbers);
  if (status != FASTEXPR_OK) return false;
  for (Index entry = 0; entry < matrix.n_entries(); ++entry) {
    const Index source = matrix.sources.empty() ? entry : matrix.sources[static_cast<std::size_t>(entry)];
    for (Index k = 0; k < m; ++k) *result++ = numbers[k * matrix.n_numbers + source];
  }
  return true;
}

bool evaluate_with(const Network& net, Which which, const double** arg, double** res, Scratch scratch) {
  const double* x = scratch.or_zeros(arg[0], net.n());
  switch (which) {
    case Which::value:
      return !res[0] || net.c().evaluate(net.handle(), 1, x, nullptr, res[0], nullptr, nullptr) == FASTEXPR_OK;
    case Which::jacobian:
      return !res[0] || evaluate_jacobian(net, x, net.jacobian(), res[0], scratch);
    case Which::adjoint:
      return !res[0] || net.c().vjp(net.handle(), 1, x, scratch.or_zeros(arg[2], net.m()), res[0]) == FASTEXPR_OK;
    case Which::adjoint_jacobian:
      return evaluate_adjoint_jacobian(net, x, scratch.or_zeros(arg[2], net.m()), res, scratch);
    case Which::second_jacobian:
      return !res[0] || evaluate_second_jacobian(net, x, res[0], scratch);
  }
  return false;
}

}  // namespace

CasadiInt n_in(Which which) { return static_cast<CasadiInt>(inputs(which).size()); }

CasadiInt n_out(Which which) { return static_cast<CasadiInt>(outputs(which).size()); }

const char* name_in(Which which, CasadiInt i) { return name_at(inputs(which), i); }

const char* name_out(Which which, CasadiInt i) { return name_at(outputs(which), i); }

const CasadiInt* sparsity_in(Which which, CasadiInt i) {
  const char* name = name_in(which, i);
  if (!name || !network()) return nullptr;
  const std::string_view input = name;
  if (input == "x") return network()->patterns().x.data();
  if (input == "out_jac_y_x") return network()->patterns().no_jacobian.data();
  if (input == "adj_y") return network()->patterns().y.data();
  return input == "out_adj_x" ? network()->patterns().no_x.data() : network()->patterns().no_y.data();
}

const CasadiInt* sparsity_out(Which which, CasadiInt i) {
  const char* name = name_out(which, i);
  if (!name || !network()) return nullptr;
  const std::string_view output = name;
  if (output == "jac_y_x") return network()->jacobian().sparsity.data();
  if (output == "jac_adj_x_x") return network()->hessian().sparsity.data();
  if (output == "jac_adj_x_adj_y") return network()->transposed_jacobian().sparsity.data();
  if (output == "jac_jac_y_x_x") return network()->second_jacobian().data();
  if (output == "jac_jac_y_x_out_y") return network()->patterns().no_second.data();
  if (output == "jac_adj_x_out_y") return network()->patterns().no_matrix.data();
  return output == "y" ? network()->patterns().y.data() : network()->patterns().x.data();
}

int work(Which which, CasadiInt* sz_arg, CasadiInt* sz_res, CasadiInt* sz_iw, CasadiInt* sz_w) {
  if (!network()) return 1;
  if (sz_arg) *sz_arg = n_in(which);
  if (sz_res) *sz_res = n_out(which);
  if (sz_iw) *sz_iw = 0;
  if (sz_w) *sz_w = scratch_size(*network(), which);
  return 0;
}

int evaluate(Which which, const double** arg, double** res, double* w) {
  const Network* net = network();
  return net && evaluate_with(*net, which, arg, res, Scratch{*net, w}) ? 0 : 1;
}

}  // namespace casadi_library
