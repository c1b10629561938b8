#pragma once

#include "casadi_library/network.hpp"

namespace casadi_library {

/// The network that is open; null before fastexpr_config. It is opened and closed while CasADi makes and destroys functions, and
/// only read while they are evaluated.
const Network* network();

}  // namespace casadi_library
