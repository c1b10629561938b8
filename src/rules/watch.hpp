#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace fastexpr::rules {

/// What ends a long loop early: its time, or its work, counted in words of bits that were read. Work gives the same answer on
/// every machine, time does not. `ask` is called now and then and may throw: the caller's user wants to stop.
class Watch {
 public:
  Watch(double seconds, std::int64_t work, std::function<void()> ask)
      : end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))),
        work_limit_(work),
        ask_(std::move(ask)) {}

  /// Counts work; true from the moment on when the loop has to end.
  bool spend(std::int64_t words) {
    work_ += words;
    if (work_ >= next_look_) look();
    return is_over_;
  }
  bool is_over() const { return is_over_; }
  bool is_out_of_time() const { return is_out_of_time_; }
  std::int64_t work() const { return work_; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::int64_t words_between_looks = 1 << 20;  // about a millisecond

  void look() {
    next_look_ = work_ + words_between_looks;
    if (ask_) ask_();
    is_out_of_time_ = is_out_of_time_ || Clock::now() >= end_;
    is_over_ = is_over_ || is_out_of_time_ || work_ >= work_limit_;
    if (work_ < work_limit_) next_look_ = std::min(next_look_, work_limit_);
  }

  Clock::time_point end_;
  std::int64_t work_limit_;
  std::function<void()> ask_;
  std::int64_t work_ = 0;
  std::int64_t next_look_ = 0;
  bool is_over_ = false;
  bool is_out_of_time_ = false;
};

}  // namespace fastexpr::rules
