#include "c/network.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <span>

#include "c/calls.hpp"
#include "io/network_file.hpp"
#include "linalg/thread_pool.hpp"

using fastexpr::Index;
using fastexpr::c::expect;
using fastexpr::c::guarded;
using fastexpr::c::Invalid;

fastexpr_network::fastexpr_network(std::shared_ptr<const fastexpr::Function> loaded) : function(std::move(loaded)) {
  const auto& signature = function->signature();
  for (Index i = 0; i < function->n_inputs(); ++i) input_names.push_back(signature.input_name(i));
  for (Index k = 0; k < function->n_outputs(); ++k) output_names.push_back(signature.output_name(k));
}

namespace {

/// Once, before anything is evaluated: the cores belong to the program that loads this library.
void choose_threads() {
  static std::once_flag once;
  std::call_once(once, fastexpr::linalg::use_one_thread_unless_told);
}

const char* text_at(const std::vector<std::string>& texts, std::int64_t component) {
  if (component < 0 || component >= static_cast<std::int64_t>(texts.size())) return nullptr;
  return texts[static_cast<std::size_t>(component)].c_str();
}

void copy_bounds(const std::vector<double>& stated, Index n, double none, double* bounds) {
  if (stated.empty())
    std::fill_n(bounds, n, none);
  else
    std::copy_n(stated.data(), n, bounds);
}

}  // namespace

const char* fastexpr_version(void) { return FASTEXPR_VERSION; }

int fastexpr_interface(void) { return FASTEXPR_INTERFACE; }

fastexpr_status fastexpr_set_threads(int count) {
  return guarded("fastexpr_set_threads", [&] {
    if (count < 1) throw Invalid("count is the number of threads: got " + std::to_string(count) + ", expected at least 1.");
    choose_threads();  // or opening the first network would forget this
    fastexpr::linalg::set_num_threads(count);
  });
}

int fastexpr_threads(void) {
  guarded("fastexpr_threads", choose_threads);
  return fastexpr::linalg::num_threads();
}

fastexpr_status fastexpr_open(const char* path, fastexpr_network** network) {
  return guarded("fastexpr_open", [&] {
    expect(network, "network");
    *network = nullptr;
    expect(path, "path");
    choose_threads();
    *network = new fastexpr_network(fastexpr::load(path));
  });
}

fastexpr_status fastexpr_open_bytes(const void* bytes, size_t size, fastexpr_network** network) {
  return guarded("fastexpr_open_bytes", [&] {
    expect(network, "network");
    *network = nullptr;
    expect(bytes, "bytes");
    choose_threads();
    *network = new fastexpr_network(fastexpr::from_bytes({static_cast<const std::byte*>(bytes), size}));
  });
}

void fastexpr_close(fastexpr_network* network) { delete network; }

int64_t fastexpr_n_inputs(const fastexpr_network* network) { return network ? network->function->n_inputs() : -1; }

int64_t fastexpr_n_outputs(const fastexpr_network* network) { return network ? network->function->n_outputs() : -1; }

const char* fastexpr_input_name(const fastexpr_network* network, int64_t component) {
  return network ? text_at(network->input_names, component) : nullptr;
}

const char* fastexpr_output_name(const fastexpr_network* network, int64_t component) {
  return network ? text_at(network->output_names, component) : nullptr;
}

fastexpr_status fastexpr_bounds(const fastexpr_network* network, double* lower, double* upper) {
  return guarded("fastexpr_bounds", [&] {
    expect(network, "network");
    expect(lower, "lower");
    expect(upper, "upper");
    const auto& signature = network->function->signature();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    copy_bounds(signature.lower, network->function->n_inputs(), -infinity, lower);
    copy_bounds(signature.upper, network->function->n_inputs(), infinity, upper);
  });
}
