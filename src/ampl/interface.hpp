#pragma once

#include <cstddef>

// What a solver and a library of external functions tell each other (AMPL's "funcadd" interface, for 64-bit Linux), described
// by the parts that are used here and by their places in memory. tests/pyomo/test_ampl.py compares it with the official header.

namespace fastexpr::ampl {

struct ExportTable;

/// One call: what the host passes, and where the answers go. Member by member the host's `arglist`.
struct ArgumentRecord {
  int n_arguments;
  int n_reals;
  const int* places;           // per argument: k >= 0 means reals[k], k < 0 means strings[-(k + 1)]
  const double* reals;         // in the order of the call
  const char* const* strings;  // in the order of the call
  double* derivatives;         // null, or one per real argument, all to be written
  double* hessian;             // null, or the packed upper triangle: (i <= j) at i + j(j+1)/2, all to be written
  const char* unread;          // null, or nonzero flags where a derivative is not read
  void* cookie;                // what was given to add_function
  const ExportTable* exports;
  void* host_function;
  void* host_arguments;
  const char* error;  // set to report a failure; may hold anything before
  void* temporary_memory;
  void* host_private;
  int unused[4];  // counts that only commands of the AMPL language use
};

static_assert(sizeof(void*) == 8 && sizeof(int) == 4, "the record is described for 64-bit Linux");
static_assert(offsetof(ArgumentRecord, n_reals) == 4);
static_assert(offsetof(ArgumentRecord, places) == 8);
static_assert(offsetof(ArgumentRecord, reals) == 16);
static_assert(offsetof(ArgumentRecord, strings) == 24);
static_assert(offsetof(ArgumentRecord, derivatives) == 32);
static_assert(offsetof(ArgumentRecord, hessian) == 40);
static_assert(offsetof(ArgumentRecord, unread) == 48);
static_assert(offsetof(ArgumentRecord, cookie) == 56);
static_assert(offsetof(ArgumentRecord, exports) == 64);
static_assert(offsetof(ArgumentRecord, error) == 88);
static_assert(sizeof(ArgumentRecord) == 128);

using ExternalFunction = double (*)(ArgumentRecord*);

constexpr int real_valued_with_strings = 1;  // function type: returns a real, may be given strings
constexpr int any_number_of_arguments = -1;

/// What the host offers; only the registration is used. Hosts leave most of the other 57 entries null.
struct ExportTable {
  void* print_to_error_stream;
  void (*add_function)(const char* name, ExternalFunction function, int type, int n_arguments, void* cookie,
                       const ExportTable* exports);
  long date;
  void* others[55];
};

static_assert(offsetof(ExportTable, add_function) == 8);
static_assert(offsetof(ExportTable, date) == 16);
static_assert(sizeof(ExportTable) == 464);

}  // namespace fastexpr::ampl
