#pragma once

#include "casadi_library/network.hpp"

// What CasADi asks of an external function "fastexpr" and of those of its derivatives that have an answer of our own: for each,
// how many inputs and outputs, their names and patterns, scratch memory, and the numbers. function.cpp.in is made into one file
// for each of them; all ask here. There are no functions for single directions (fwd1_fastexpr): where they are, CasADi makes
// whole Jacobians and Hessians from them, at several times the cost. The network comes from fastexpr_config, before anything else
// is asked.

namespace casadi_library {

enum class Which {
  value,             // fastexpr           x                          -> y
  jacobian,          // jac_fastexpr       x, out_y                   -> jac_y_x
  adjoint,           // adj1_fastexpr      x, out_y, adj_y            -> adj_x
  adjoint_jacobian,  // jac_adj1_fastexpr  x, out_y, adj_y, out_adj_x -> jac_adj_x_x, jac_adj_x_out_y, jac_adj_x_adj_y
  second_jacobian,   // jac_jac_fastexpr   x, out_y, out_jac_y_x      -> jac_jac_y_x_x, jac_jac_y_x_out_y
};

CasadiInt n_in(Which which);
CasadiInt n_out(Which which);
const char* name_in(Which which, CasadiInt i);
const char* name_out(Which which, CasadiInt i);
const CasadiInt* sparsity_in(Which which, CasadiInt i);
const CasadiInt* sparsity_out(Which which, CasadiInt i);
int work(Which which, CasadiInt* sz_arg, CasadiInt* sz_res, CasadiInt* sz_iw, CasadiInt* sz_w);

/// 0, or 1 where there is no result (x is not finite). Null in `arg` is zero, null in `res` is not wanted.
int evaluate(Which which, const double** arg, double** res, double* w);

/// Opens the network: argv[1] is its file, argv[2], where it is given, the C library. Returns 0, or prints what is wrong.
int configure(int argc, const char** argv);

/// The network stays open as long as any function of it is in use.
void count_use();
void count_end_of_use();

}  // namespace casadi_library
