#include "linalg/thread_pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "linalg/interruption.hpp"

// Problem: small pieces of one evaluation, on a machine that others use, too, in processes that fork.
// One job at a time. The caller puts it up, wakes the workers and starts on the chunks itself; a worker that comes late finds
// nothing left, and nobody waits for it: only for workers that have joined. A second caller finds the pool busy and does all
// of its own work.
// One evaluation is many jobs in a row, and waking a thread costs as much as a small one of them: a worker looks out for the next
// job for a moment before it sleeps, and so does the caller for the last workers. Never for longer: the machine has other users.
// What a body throws ends the job: chunks that nobody has begun are left out, and the caller gets the first exception.
// After a fork only the calling thread exists in the child: the handler forgets the pool (its memory with it) and a new one is
// made at the next use.

namespace fastexpr::linalg {
namespace {

using Body = std::function<void(Index, Index)>;

/// Looks again and again until `is_true` or a moment has passed; says which.
template <class Condition>
bool comes_soon(const Condition& is_true) {
  constexpr std::chrono::microseconds moment(100);
  constexpr int looks = 64;  // before each look at the clock
  const auto end = std::chrono::steady_clock::now() + moment;
  do {
    for (int i = 0; i < looks; ++i) {
      if (is_true()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

thread_local bool is_inside_job = false;

class Pool {
 public:
  /// Ends the workers; nobody gets the pool any more. Where a job is running they stay: a thread that Python does not wait for
  /// evaluates while the process ends.
  void close() {
    if (!owner_.try_lock()) return;
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  /// False where another caller has the pool. Throws what a body has thrown, when all have stopped.
  bool try_run(Index count, Index chunk, int helpers, const Body& body) {
    const std::unique_lock owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) return false;
    start_workers(helpers);
    {
      const std::lock_guard lock(mutex_);
      job_ = {&body, count, chunk};
      next_.store(0, std::memory_order_relaxed);
      seats_.store(helpers, std::memory_order_relaxed);
    }
    if (sleeping_.load(std::memory_order_relaxed) > 0) wake_.notify_all();
    work_on(job_);
    {
      const std::lock_guard lock(mutex_);
      seats_.store(0, std::memory_order_relaxed);  // nobody joins from here on
    }
    const auto is_done = [this] { return working_.load(std::memory_order_acquire) == 0; };
    if (!comes_soon(is_done)) {
      std::unique_lock lock(mutex_);
      done_.wait(lock, is_done);
    }
    if (has_failed_.load(std::memory_order_relaxed)) rethrow_failure();
    return true;
  }

 private:
  struct Job {
    const Body* body;
    Index count;
    Index chunk;
  };

  void work_on(const Job& job) {
    is_inside_job = true;
    try {
      const StopsWhen failure(has_failed_);
      for (;;) {
        const Index begin = next_.fetch_add(job.chunk, std::memory_order_relaxed);
        if (begin >= job.count) break;
        (*job.body)(begin, std::min(begin + job.chunk, job.count));
        look_for_interruption();
      }
    } catch (...) {
      next_.store(job.count, std::memory_order_relaxed);
      const std::lock_guard lock(mutex_);
      if (!has_failed_.exchange(true)) failure_ = std::current_exception();
    }
    is_inside_job = false;
  }

  void rethrow_failure() {
    has_failed_ = false;
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  /// A system that gives no thread, or no memory for one, leaves the work to those there are.
  void start_workers(int count) {
    try {
      while (static_cast<int>(workers_.size()) < count) workers_.emplace_back([this] { run_worker(); });
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
  }

  void run_worker() {
    const auto is_wanted = [this] { return seats_.load(std::memory_order_relaxed) > 0 || is_stopping_; };
    std::unique_lock lock(mutex_);
    for (;;) {
      if (!is_wanted()) {
        ++sleeping_;
        wake_.wait(lock, is_wanted);
        --sleeping_;
      }
      if (is_stopping_) return;
      --seats_;
      ++working_;
      const Job job = job_;
      lock.unlock();
      work_on(job);
      lock.lock();
      seats_.store(0, std::memory_order_relaxed);  // the chunks are all taken
      if (--working_ == 0) done_.notify_one();
      lock.unlock();
      comes_soon(is_wanted);
      lock.lock();
    }
  }

  std::mutex owner_;  // held by the one caller that uses the pool
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<std::thread> workers_;
  Job job_ = {};
  alignas(64) std::atomic<Index> next_ = 0;  // in a line of its own: all write it, while others look at what follows
  alignas(64) std::atomic<int> seats_ = 0;   // workers that may still join the job
  std::atomic<int> working_ = 0;             // workers that have joined
  std::atomic<int> sleeping_ = 0;            // workers that must be woken
  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> has_failed_ = false;
  std::exception_ptr failure_;  // the job's first
};

std::atomic<Pool*> pool = nullptr;
std::atomic<bool> is_closed = false;
alignas(std::mutex) unsigned char creation_storage[sizeof(std::mutex)];
std::mutex* creation = new (creation_storage) std::mutex;

void forget_pool() {
  pool.store(nullptr);
  creation = new (creation_storage) std::mutex;  // another thread may have held it when the process was copied
  is_inside_job = false;
}

const bool has_fork_handler = pthread_atfork(nullptr, nullptr, forget_pool) == 0;

/// Workers must not outlive the library's code: a solver may unload it before the process ends. The pool itself stays, for
/// threads that are on their way to it.
struct Closer {
  ~Closer() {
    is_closed.store(true);
    if (Pool* current = pool.load()) current->close();
  }
};
const Closer closer;

Pool* shared_pool() {
  Pool* current = pool.load(std::memory_order_acquire);
  if (current != nullptr) return current;
  const std::lock_guard lock(*creation);
  current = pool.load(std::memory_order_acquire);
  if (current == nullptr && !is_closed.load() && has_fork_handler) {
    current = new Pool;
    pool.store(current, std::memory_order_release);
  }
  return current;
}

/// What the environment says; 0 where it says nothing that counts.
int threads_told() {
  const char* text = std::getenv("FASTEXPR_NUM_THREADS");
  return text ? std::max(0, std::atoi(text)) : 0;
}

int default_num_threads() {
  const int told = threads_told();
  return told > 0 ? told : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::atomic<int> threads = default_num_threads();

}  // namespace

void parallel_for(Index count, Index grain, const Body& body) {
  if (count <= 0) return;
  const Index parts = (count + grain - 1) / grain;
  const int helpers = static_cast<int>(std::min<Index>(num_threads(), parts)) - 1;
  const Index chunk = std::max(grain, count / (Index{4} * (helpers + 1)));
  if (helpers > 0 && !is_inside_job) {
    Pool* const current = shared_pool();
    if (current != nullptr && current->try_run(count, chunk, helpers, body)) return;
  }
  for (Index begin = 0; begin < count; begin += chunk) {
    body(begin, std::min(begin + chunk, count));
    look_for_interruption();
  }
}

void set_num_threads(int count) {
  if (count < 1) throw std::invalid_argument("the number of threads must be at least 1: got " + std::to_string(count) + ".");
  threads.store(count, std::memory_order_relaxed);
}

int num_threads() { return threads.load(std::memory_order_relaxed); }

void use_one_thread_unless_told() { set_num_threads(std::max(1, threads_told())); }

}  // namespace fastexpr::linalg
