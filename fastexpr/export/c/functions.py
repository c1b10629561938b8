"""C functions that the code brings along, "@" standing for the prefix of its names; those that are called are written."""

from __future__ import annotations

import re
from collections.abc import Iterable

KEEP = """
/* A function that is inlined loses what `restrict` says about its arguments, and its loops are not made of vector instructions. */
#if defined(__GNUC__)
#define @KEEP __attribute__((noinline))
#else
#define @KEEP
#endif
"""
# In the order in which they are written: one may call those before it.
FUNCTIONS: dict[str, str] = {
    "power_of_two": """
/* 2^k from t = k + 1.5 * 2^52, whose last bits are those of k. */
static inline double @_power_of_two(double t) {
  union { double number; uint64_t bits; } value;
  value.number = t;
  value.bits = (value.bits + 1023u) << 52;
  return value.number;
}
""",
    "expm1_near_0": """
/* exp(r) - 1 for |r| <= log(2) / 2. */
static inline double @_expm1_near_0(double r) {
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  return r + r * r * p;
}
""",
    "rounded": """
/* x / log(2) to the nearest integer, plus 1.5 * 2^52. Needs arithmetic as it is written: no -ffast-math. */
static inline double @_rounded(double x) { return x * 1.4426950408889634 + 6755399441055744.0; }
""",
    "rest": """
static inline double @_rest(double x, double t) {
  const double k = t - 6755399441055744.0;
  return (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
}
""",
    "exp": """
/* Without branches and calls, so that loops of it become vector instructions; below 1e-307 it is 0. */
static inline double @_exp(double x) {
  const double t = @_rounded(x), scale = @_power_of_two(t);
  const double value = scale * @_expm1_near_0(@_rest(x, t)) + scale;
  return x > 709.0 ? (x > 709.78 ? INFINITY : exp(x)) : (x < -708.0 ? 0.0 : value);
}
""",
    "expm1": """
/* exp(x) - 1 for x <= 700. */
static inline double @_expm1(double x) {
  const double t = @_rounded(x), scale = @_power_of_two(t);
  const double value = scale * @_expm1_near_0(@_rest(x, t)) + (scale - 1.0);
  return x < -700.0 ? -1.0 : value;
}
""",
    "sigmoid_tail": """
/* 1 / (1 + exp(|u|)) */
static inline double @_sigmoid_tail(double u) {
  const double e = @_exp(-fabs(u));
  return e / (1.0 + e);
}
""",
    "scaled": """
/* A factor of 0 wins over an infinite power. */
static inline double @_scaled(double factor, double power) { return factor == 0.0 ? 0.0 : factor * power; }
""",
    "remainder": """
/* a modulo b, with the sign of b. */
static inline double @_remainder(double a, double b) {
  const double v = fmod(a, b);
  return v != 0 && (v < 0) != (b < 0) ? v + b : v;
}
""",
    "clear": """
static void @_clear(double *restrict to, int count) {
  for (int i = 0; i < count; ++i) to[i] = 0.0;
}
""",
    "dot": """
/* a'b, by eight sums that do not wait for each other. */
@KEEP static double @_dot(const double *restrict a, const double *restrict b, int count) {
  const int whole = count - count % 8;
  double s[8] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  for (int r = 0; r < whole; r += 8)
    for (int l = 0; l < 8; ++l) s[l] += a[r + l] * b[r + l];
  for (int r = whole; r < count; ++r) s[0] += a[r] * b[r];
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}
""",
    "add_row": """
/* Row i of the Hessian's lower triangle: += T s, T (directions, count). */
@KEEP static void @_add_row(int i, const double *restrict s, const double *restrict T, int count, double *restrict hessian) {
  for (int j = 0; j <= i; ++j) hessian[i * @N + j] += @_dot(s, T + j * count, count);
}
""",
    "add_squares": """
/* The lower triangle of the Hessian: += T diag(q) T', T (directions, count). */
static void @_add_squares(const double *restrict q, const double *restrict T, int count, double *restrict scratch,
                          double *restrict hessian) {
  for (int i = 0; i < @N; ++i) {
    for (int r = 0; r < count; ++r) scratch[r] = q[r] * T[i * count + r];
    @_add_row(i, scratch, T, count, hessian);
  }
}
""",
}
# For weights in double and in single precision: "@real" is the type, and part of the name.
FOR_WEIGHTS: dict[str, str] = {
    "apply": """
/* v += W u */
@KEEP static void @_apply_@real(const @real *restrict W, const double *restrict u, double *restrict v, int rows, int depth) {
  const int whole = depth - depth % 4;
  for (int k = 0; k < whole; k += 4) {
    const @real *restrict w0 = W + k * rows, *restrict w1 = w0 + rows, *restrict w2 = w1 + rows, *restrict w3 = w2 + rows;
    const double u0 = u[k], u1 = u[k + 1], u2 = u[k + 2], u3 = u[k + 3];
    for (int r = 0; r < rows; ++r) v[r] += (w0[r] * u0 + w1[r] * u1) + (w2[r] * u2 + w3[r] * u3);
  }
  for (int k = whole; k < depth; ++k) {
    const @real *restrict w = W + k * rows;
    for (int r = 0; r < rows; ++r) v[r] += w[r] * u[k];
  }
}
""",
    "apply_transposed": """
/* u += W' v, with eight sums at a time that do not wait for each other */
@KEEP static void @_apply_transposed_@real(const @real *restrict W, const double *restrict v, double *restrict u, int rows, int depth) {
  const int whole = rows - rows % 8;
  for (int k = 0; k < depth; ++k) {
    const @real *restrict w = W + k * rows;
    double s[8] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    for (int r = 0; r < whole; r += 8)
      for (int l = 0; l < 8; ++l) s[l] += w[r + l] * v[r + l];
    for (int r = whole; r < rows; ++r) s[0] += w[r] * v[r];
    u[k] += ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
  }
}
""",
    "apply_to_two": """
/* v += W u and z += W y */
@KEEP static void @_apply_to_two_@real(const @real *restrict W, const double *restrict u, const double *restrict y,
                                        double *restrict v, double *restrict z, int rows, int depth) {
  const int whole = depth - depth % 4;
  for (int k = 0; k < whole; k += 4) {
    const @real *restrict w0 = W + k * rows, *restrict w1 = w0 + rows, *restrict w2 = w1 + rows, *restrict w3 = w2 + rows;
    const double u0 = u[k], u1 = u[k + 1], u2 = u[k + 2], u3 = u[k + 3];
    const double y0 = y[k], y1 = y[k + 1], y2 = y[k + 2], y3 = y[k + 3];
    for (int r = 0; r < rows; ++r) {
      const double a = w0[r], b = w1[r], c = w2[r], d = w3[r];
      v[r] += (a * u0 + b * u1) + (c * u2 + d * u3);
      z[r] += (a * y0 + b * y1) + (c * y2 + d * y3);
    }
  }
  for (int k = whole; k < depth; ++k) {
    const @real *restrict w = W + k * rows;
    for (int r = 0; r < rows; ++r) {
      v[r] += w[r] * u[k];
      z[r] += w[r] * y[k];
    }
  }
}
""",
    "apply_to_four": """
/* The same of four pairs, which stand `from` and `to` numbers apart. */
@KEEP static void @_apply_to_four_@real(const @real *restrict W, const double *restrict u, int from, double *restrict v0,
                                        double *restrict v1, double *restrict v2, double *restrict v3, int rows, int depth) {
  const double *restrict x = u + from, *restrict y = x + from, *restrict z = y + from;
  const int whole = depth - depth % 4;
  for (int k = 0; k < whole; k += 4) {
    const @real *restrict w0 = W + k * rows, *restrict w1 = w0 + rows, *restrict w2 = w1 + rows, *restrict w3 = w2 + rows;
    const double u0 = u[k], u1 = u[k + 1], u2 = u[k + 2], u3 = u[k + 3];
    const double x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
    const double y0 = y[k], y1 = y[k + 1], y2 = y[k + 2], y3 = y[k + 3];
    const double z0 = z[k], z1 = z[k + 1], z2 = z[k + 2], z3 = z[k + 3];
    for (int r = 0; r < rows; ++r) {
      const double a = w0[r], b = w1[r], c = w2[r], d = w3[r];
      v0[r] += (a * u0 + b * u1) + (c * u2 + d * u3);
      v1[r] += (a * x0 + b * x1) + (c * x2 + d * x3);
      v2[r] += (a * y0 + b * y1) + (c * y2 + d * y3);
      v3[r] += (a * z0 + b * z1) + (c * z2 + d * z3);
    }
  }
  for (int k = whole; k < depth; ++k) {
    const @real *restrict w = W + k * rows;
    for (int r = 0; r < rows; ++r) {
      v0[r] += w[r] * u[k];
      v1[r] += w[r] * x[k];
      v2[r] += w[r] * y[k];
      v3[r] += w[r] * z[k];
    }
  }
}
""",
    "apply_to_all": """
/* The same for every direction j: V_j += W U_j. */
static void @_apply_to_all_@real(const @real *restrict W, const double *restrict U, int from, double *restrict V, int to, int rows,
                                 int depth) {
  const int fours = @N - @N % 4, pairs = @N - @N % 2;
  for (int j = 0; j < fours; j += 4) {
    double *v = V + j * to;
    @_apply_to_four_@real(W, U + j * from, from, v, v + to, v + 2 * to, v + 3 * to, rows, depth);
  }
  for (int j = fours; j < pairs; j += 2)
    @_apply_to_two_@real(W, U + j * from, U + (j + 1) * from, V + j * to, V + (j + 1) * to, rows, depth);
  for (int j = pairs; j < @N; ++j) @_apply_@real(W, U + j * from, V + j * to, rows, depth);
}
""",
}


def texts(called: Iterable[str], n: int) -> str:
    """The functions that a code calls ("exp", "product_float"), and those that these call, before them."""
    available = dict(FUNCTIONS)
    for name, text in FOR_WEIGHTS.items():
        for real in ("float", "double"):
            available[f"{name}_{real}"] = text.replace("@real", real)
    needed: set[str] = set()
    waiting = list(called)
    while waiting:
        name = waiting.pop()
        if name in available and name not in needed:
            needed.add(name)
            waiting += re.findall(r"@_(\w+)", available[name])
    code = "".join(text for name, text in available.items() if name in needed)
    if "@KEEP" in code:
        code = KEEP + code
    return code.replace("@N", str(n))
