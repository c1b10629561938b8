#pragma once

#include <atomic>

namespace fastexpr {

/// Long computations call this between their pieces, on whatever thread: every 50 ms it asks the hook, and what that throws (a
/// KeyboardInterrupt, say) ends the computation. Costs a look at the clock.
void look_for_interruption();

/// While it lives, look_for_interruption() on this thread throws Stopped as soon as the flag is set: the work is for nothing.
class StopsWhen {
 public:
  explicit StopsWhen(const std::atomic<bool>& flag);
  ~StopsWhen();
  StopsWhen(const StopsWhen&) = delete;
  StopsWhen& operator=(const StopsWhen&) = delete;
};
struct Stopped {};

/// Null, the default: nothing interrupts.
void set_interruption_hook(void (*hook)());

}  // namespace fastexpr
