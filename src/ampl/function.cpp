#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ampl/cache.hpp"
#include "ampl/interface.hpp"
#include "ampl/statistics.hpp"
#include "linalg/thread_pool.hpp"

// The one external function there is, for all networks:
//
//   fastexpr(file, output, instance, x_1, ..., x_n) = f_output(x)
//
// with three strings: the network's file, the output's number counted from 0, and any name that tells this place of the
// model from others of the same network. They are strings because every real argument enlarges the derivatives.
//
// Life cycle: the host loads this library into its own process, calls funcadd_ASL (possibly often), then fastexpr from any
// of its threads. Failures are reported the interface's way, by a message in the record and NaN as the value: the solver
// takes it for a point where the model cannot be evaluated. Nothing is printed, no exception leaves.

namespace fastexpr::ampl {

namespace {

constexpr int n_strings = 3;
constexpr std::string_view statistics_file = "fastexpr:statistics";

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Every number of the answer becomes NaN, and the host gets a message that lives until this thread's next failure.
double fail(ArgumentRecord& record, const char* what) {
  static thread_local char message[2000];
  std::strncpy(message, "fastexpr: ", sizeof message);
  std::strncat(message, what, sizeof message - std::strlen(message) - 1);
  record.error = message;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Index n = record.n_reals;
  if (record.derivatives) std::fill_n(record.derivatives, n, nan);
  if (record.hessian) std::fill_n(record.hessian, n * (n + 1) / 2, nan);
  return nan;
}

Index parse_output(std::string_view text, const LoadedNetwork& network) {
  Index output = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), output);
  const Index m = network.function().n_outputs();
  if (error != std::errc() || end != text.data() + text.size() || output < 0 || output >= m)
    throw Failure("there is no output '" + std::string(text) + "' in the network " + network.path() + ": it has " +
                  std::to_string(m) + ", counted from 0.");
  return output;
}

void check_counts(const ArgumentRecord& record) {
  const int strings = record.n_arguments - record.n_reals;
  if (strings != n_strings || record.n_reals < 0)
    throw Failure("got " + std::to_string(strings) + " strings and " + std::to_string(record.n_reals) +
                  " numbers, expected 3 strings (file, output, instance), then the network's inputs.");
}

void check_inputs(const ArgumentRecord& record, const LoadedNetwork& network) {
  const Index n = network.function().n_inputs();
  if (record.n_reals != n)
    throw Failure("got " + std::to_string(record.n_reals) + " numbers for the network " + network.path() + ", expected " +
                  std::to_string(n) + ".");
}

void check_finite(const double* numbers, Index count, const char* which, const std::string& output) {
  for (Index i = 0; numbers && i < count; ++i)
    if (!std::isfinite(numbers[i])) throw Failure(std::string(which) + " of '" + output + "' is not finite at this point.");
}

double answer_statistics(std::string_view name) {
  const Statistics& counts = statistics();
  if (name == "calls") return static_cast<double>(counts.calls);
  if (name == "evaluations") return static_cast<double>(counts.evaluations);
  if (name == "hessian_evaluations") return static_cast<double>(counts.hessian_evaluations);
  if (name == "hessians") return static_cast<double>(counts.hessians);
  if (name == "loads") return static_cast<double>(counts.loads);
  if (name == "bytes") return static_cast<double>(counts.bytes);
  throw Failure("there are no statistics named '" + std::string(name) + "'.");
}

double answer(ArgumentRecord& record) {
  check_counts(record);
  const std::string file = record.strings[0];
  if (file == statistics_file) return answer_statistics(record.strings[1]);
  const std::int64_t use = ++statistics().calls;
  const std::int64_t bytes_before = statistics().bytes;
  double value = 0.0;
  for (;;) {
    const std::shared_ptr<Instance> instance = Cache::global().instance(file, record.strings[2]);
    const LoadedNetwork& network = instance->network();
    check_inputs(record, network);
    const Query query{parse_output(record.strings[1], network), record.reals, record.derivatives, record.hessian};
    if (!instance->answer(query, use, value)) {
      Cache::global().forget(file);
      continue;
    }
    const std::string name = network.function().signature().output_name(query.output);
    const Index n = record.n_reals;
    check_finite(&value, 1, "the value", name);
    check_finite(record.derivatives, n, "a derivative", name);
    check_finite(record.hessian, n * (n + 1) / 2, "a second derivative", name);
    break;
  }
  if (statistics().bytes > bytes_before) Cache::global().trim();
  return value;
}

double fastexpr_function(ArgumentRecord* record) {
  try {
    return answer(*record);
  } catch (const std::exception& error) {
    return fail(*record, error.what());
  } catch (...) {
    return fail(*record, "an unknown error.");
  }
}

}  // namespace

void register_function(const ExportTable& exports) {
  static std::once_flag once;
  try {
    std::call_once(once, linalg::use_one_thread_unless_told);  // the cores belong to the solver
  } catch (...) {
    // Without the setting everything still works.
  }
  exports.add_function("fastexpr", fastexpr_function, real_valued_with_strings, any_number_of_arguments, nullptr, &exports);
}

}  // namespace fastexpr::ampl

/// The library's only symbol. A host calls it once per model, or more often; its table may be gone afterwards.
extern "C" [[gnu::visibility("default")]] void funcadd_ASL(const fastexpr::ampl::ExportTable* exports) {
  fastexpr::ampl::register_function(*exports);
}
