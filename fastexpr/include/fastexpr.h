/* fastexpr for C, and for whatever can call C: networks that Python saved (net.save(path)) are opened and evaluated, with
 * exact derivatives, without Python.
 *
 *     fastexpr_network *net = NULL;
 *     if (fastexpr_open("net.fx", &net) != FASTEXPR_OK) { fputs(fastexpr_error(), stderr); exit(1); }
 *     fastexpr_evaluate(net, 1, x, w, value, jacobian, hessian);
 *     fastexpr_close(net);
 *
 * n is the number of inputs, m of outputs; x (n) and f(x) (m) are all inputs and outputs, joined in the declared order.
 * Arrays belong to the caller, are row-major and contiguous: (points, m, n) is points matrices of m rows, one after the other.
 *
 * Threads: any number may evaluate one network at once. None may still use a network that is being closed.
 * Errors: a function that returns a fastexpr_status says what went wrong in fastexpr_error(), and has then written nothing
 * that counts. Numbers that are not finite are results like others (log(0) is -infinity); x and weights have to be finite.
 */
#ifndef FASTEXPR_H
#define FASTEXPR_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define FASTEXPR_API __attribute__((visibility("default")))
#else
#define FASTEXPR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes where a program that was compiled against this header has to be compiled again. */
#define FASTEXPR_INTERFACE 1

typedef struct fastexpr_network fastexpr_network;

typedef enum fastexpr_status {
  FASTEXPR_OK = 0,
  FASTEXPR_INVALID = 1,    /* an argument: a null pointer, a negative count, a number that is not finite */
  FASTEXPR_FILE = 2,       /* no such file, or no network in it */
  FASTEXPR_NO_MEMORY = 3,
  FASTEXPR_FAILED = 4      /* anything else */
} fastexpr_status;

/* The library: its version ("0.1.0"), and FASTEXPR_INTERFACE as it was compiled. */
FASTEXPR_API const char *fastexpr_version(void);
FASTEXPR_API int fastexpr_interface(void);

/* What went wrong in this thread's last call that failed; "" before. Valid until its next one. Never null. */
FASTEXPR_API const char *fastexpr_error(void);

/* Threads that one evaluation may use, the calling one included, for the whole process. One, or $FASTEXPR_NUM_THREADS. */
FASTEXPR_API fastexpr_status fastexpr_set_threads(int count);
FASTEXPR_API int fastexpr_threads(void);

/* A saved network from a file, which is mapped where it is large: replace such a file, never overwrite it in place. */
FASTEXPR_API fastexpr_status fastexpr_open(const char *path, fastexpr_network **network);
/* The same from the bytes of such a file, which are copied. */
FASTEXPR_API fastexpr_status fastexpr_open_bytes(const void *bytes, size_t size, fastexpr_network **network);
/* Null is allowed. */
FASTEXPR_API void fastexpr_close(fastexpr_network *network);

/* n and m; -1 for a null pointer. */
FASTEXPR_API int64_t fastexpr_n_inputs(const fastexpr_network *network);
FASTEXPR_API int64_t fastexpr_n_outputs(const fastexpr_network *network);
/* The name of one component of x or f(x), counted from 0; null where there is none. Valid until the network is closed. */
FASTEXPR_API const char *fastexpr_input_name(const fastexpr_network *network, int64_t component);
FASTEXPR_API const char *fastexpr_output_name(const fastexpr_network *network, int64_t component);
/* The range of x that the network is meant for, lower (n) and upper (n): infinite where none was stated. */
FASTEXPR_API fastexpr_status fastexpr_bounds(const fastexpr_network *network, double *lower, double *upper);

/* At each of `points` points x (points, n). */
/* f(x): value (points, m). */
FASTEXPR_API fastexpr_status fastexpr_value(const fastexpr_network *network, int64_t points, const double *x, double *value);
/* df_k/dx_i: jacobian (points, m, n). */
FASTEXPR_API fastexpr_status fastexpr_jacobian(const fastexpr_network *network, int64_t points, const double *x,
                                               double *jacobian);
/* sum_k weights_k d2f_k/dx_i dx_j: weights (points, m), hessian (points, n, n), both triangles. */
FASTEXPR_API fastexpr_status fastexpr_hessian(const fastexpr_network *network, int64_t points, const double *x,
                                              const double *weights, double *hessian);
/* All three at once, which costs little more than the last; what is null is not wanted. */
FASTEXPR_API fastexpr_status fastexpr_evaluate(const fastexpr_network *network, int64_t points, const double *x,
                                               const double *weights, double *value, double *jacobian, double *hessian);
/* J(x) direction: direction (points, n), result (points, m). */
FASTEXPR_API fastexpr_status fastexpr_jvp(const fastexpr_network *network, int64_t points, const double *x,
                                          const double *direction, double *result);
/* J(x)' weights: weights (points, m), result (points, n). */
FASTEXPR_API fastexpr_status fastexpr_vjp(const fastexpr_network *network, int64_t points, const double *x,
                                          const double *weights, double *result);
/* The Hessian times a direction: weights (points, m), direction (points, n), result (points, n). */
FASTEXPR_API fastexpr_status fastexpr_hvp(const fastexpr_network *network, int64_t points, const double *x,
                                          const double *weights, const double *direction, double *result);

/* The entries that can be nonzero: how many (-1 for a null pointer), where they stand, counted from 0, row by row with ascending
 * columns, and their numbers (points, entries). Of the Hessian, which is symmetric, the lower triangle: column <= row. */
FASTEXPR_API int64_t fastexpr_jacobian_n_entries(const fastexpr_network *network);
FASTEXPR_API fastexpr_status fastexpr_jacobian_structure(const fastexpr_network *network, int64_t *rows, int64_t *columns);
FASTEXPR_API fastexpr_status fastexpr_jacobian_entries(const fastexpr_network *network, int64_t points, const double *x,
                                                       double *entries);
FASTEXPR_API int64_t fastexpr_hessian_n_entries(const fastexpr_network *network);
FASTEXPR_API fastexpr_status fastexpr_hessian_structure(const fastexpr_network *network, int64_t *rows, int64_t *columns);
FASTEXPR_API fastexpr_status fastexpr_hessian_entries(const fastexpr_network *network, int64_t points, const double *x,
                                                      const double *weights, double *entries);

#ifdef __cplusplus
}
#endif

#endif
