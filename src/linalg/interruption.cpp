#include "linalg/interruption.hpp"

#include <chrono>

namespace fastexpr {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds pause(50);  // a hook may have to wait for a lock of its host

std::atomic<void (*)()> current_hook = nullptr;
thread_local Clock::time_point next_look;
thread_local const std::atomic<bool>* stop_flag = nullptr;

}  // namespace

StopsWhen::StopsWhen(const std::atomic<bool>& flag) { stop_flag = &flag; }
StopsWhen::~StopsWhen() { stop_flag = nullptr; }

void look_for_interruption() {
  if (stop_flag != nullptr && stop_flag->load(std::memory_order_relaxed)) throw Stopped();
  void (*const hook)() = current_hook.load(std::memory_order_relaxed);
  if (hook == nullptr) return;
  const Clock::time_point now = Clock::now();
  if (now < next_look) return;
  next_look = now + pause;
  hook();
}

void set_interruption_hook(void (*hook)()) { current_hook.store(hook); }

}  // namespace fastexpr
