/* What Fastexpr.jl calls, in its order and with its arguments: argv[1] is the network, standard output its answers. The points are
 * x = (0.1, 0.2, ...), y = (0.5, 0.5, ...), mu = (1, 2, ...); argv[2] is the library. The library is opened while the program runs, as Julia does it. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;

static void *symbol(const char *name) {
  void *found = dlsym(library, name);
  if (!found) exit(2);
  return found;
}

/* ISO C has no conversion from a pointer to a function: its bytes are copied. */
#define CALLABLE(type, variable, name)      \
  type variable;                            \
  do {                                      \
    void *pointer = symbol(name);           \
    memcpy(&variable, &pointer, sizeof pointer); \
  } while (0)

typedef const char *(*text_function)(void);
typedef int (*open_function)(const char *, void **);
typedef int64_t (*count_function)(void *);
typedef int (*bounds_function)(void *, double *, double *);
typedef int (*value_function)(void *, int64_t, const double *, double *);
typedef int (*weighted_function)(void *, int64_t, const double *, const double *, double *);
typedef int (*structure_function)(void *, int64_t *, int64_t *);
typedef void (*close_function)(void *);

static void check(int status) {
  if (status == 0) return;
  CALLABLE(text_function, error, "fastexpr_error");
  fprintf(stderr, "%s\n", error());
  exit(1);
}

static void print(const char *name, int64_t count, const double *numbers) {
  int64_t i;
  printf("%s", name);
  for (i = 0; i < count; ++i) printf(" %.17g", numbers[i]);
  printf("\n");
}

static void print_structure(const char *name, int64_t count, const int64_t *rows, const int64_t *columns) {
  int64_t i;
  printf("%s", name);
  for (i = 0; i < count; ++i) printf(" %lld %lld", (long long)rows[i] + 1, (long long)columns[i] + 1);
  printf("\n");
}

static double *doubles(int64_t count) { return malloc((size_t)(count + 1) * sizeof(double)); }

static int64_t *integers(int64_t count) { return malloc((size_t)(count + 1) * sizeof(int64_t)); }

int main(int argc, char **argv) {
  void *net = NULL;
  int64_t n, m, i, k, of_jacobian, of_hessian;
  if (argc != 3 || !(library = dlopen(argv[2], RTLD_LAZY))) return 2;

  /* Network(path) */
  CALLABLE(open_function, open, "fastexpr_open");
  CALLABLE(count_function, n_inputs, "fastexpr_n_inputs");
  CALLABLE(count_function, n_outputs, "fastexpr_n_outputs");
  CALLABLE(bounds_function, bounds, "fastexpr_bounds");
  check(open(argv[1], &net));
  n = n_inputs(net);
  m = n_outputs(net);
  double *lower = doubles(n), *upper = doubles(n);
  check(bounds(net, lower, upper));
  print("lower", n, lower);
  print("upper", n, upper);

  double *x = doubles(n), *mu = doubles(m), *y = doubles(m), *matrix = doubles(n * (n > m ? n : m));
  for (i = 0; i < n; ++i) x[i] = 0.1 * (double)(i + 1);
  for (k = 0; k < m; ++k) mu[k] = (double)(k + 1);

  /* net(x), jacobian(net, x), hessian(net, x, w) */
  CALLABLE(value_function, value, "fastexpr_value");
  CALLABLE(value_function, jacobian, "fastexpr_jacobian");
  CALLABLE(weighted_function, hessian, "fastexpr_hessian");
  check(value(net, 1, x, y));
  print("value", m, y);
  check(jacobian(net, 1, x, matrix));
  print("jacobian", m * n, matrix);
  check(hessian(net, 1, x, mu, matrix));
  print("hessian", n * n, matrix);

  /* structure(net, :jacobian), structure(net, :hessian) */
  CALLABLE(count_function, jacobian_n_entries, "fastexpr_jacobian_n_entries");
  CALLABLE(structure_function, jacobian_structure, "fastexpr_jacobian_structure");
  CALLABLE(count_function, hessian_n_entries, "fastexpr_hessian_n_entries");
  CALLABLE(structure_function, hessian_structure, "fastexpr_hessian_structure");
  of_jacobian = jacobian_n_entries(net);
  int64_t *rows = integers(of_jacobian), *columns = integers(of_jacobian);
  check(jacobian_structure(net, rows, columns));
  print_structure("jacobian_structure", of_jacobian, rows, columns);
  of_hessian = hessian_n_entries(net);
  int64_t *lower_rows = integers(of_hessian), *lower_columns = integers(of_hessian);
  check(hessian_structure(net, lower_rows, lower_columns));
  print_structure("hessian_structure", of_hessian, lower_rows, lower_columns);

  /* eval_f, eval_jacobian, eval_hessian_lagrangian of the oracle */
  double *entries = doubles(of_jacobian), *lower_entries = doubles(of_hessian);
  CALLABLE(value_function, jacobian_entries, "fastexpr_jacobian_entries");
  CALLABLE(weighted_function, hessian_entries, "fastexpr_hessian_entries");
  check(value(net, 1, x, y));
  for (k = 0; k < m; ++k) y[k] -= 0.5;
  print("eval_f", m, y);
  check(jacobian_entries(net, 1, x, entries));
  print("eval_jacobian", of_jacobian, entries);
  check(hessian_entries(net, 1, x, mu, lower_entries));
  print("eval_hessian_lagrangian", of_hessian, lower_entries);

  CALLABLE(close_function, close, "fastexpr_close");
  close(net);
  return 0;
}
