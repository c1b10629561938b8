#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "function/evaluation.hpp"

namespace fastexpr {

/// Some of the points, with a workspace of their own and what is in it.
struct Evaluation::Chunk {
  Chunk(Index first_point, std::unique_ptr<Workspace> own) : first(first_point), workspace(std::move(own)) {}

  Index first;
  std::unique_ptr<Workspace> workspace;
  bool has_values = false;
  bool is_linearized = false;
  bool has_tangents = false;
  std::vector<Branch> branches;      // (branch_size, points), where they are frozen
  std::vector<WallSeed> wall_seeds;  // of Hessians

  Index points() const { return workspace->points(); }
  void forget() { has_values = is_linearized = has_tangents = false; }

  /// While a Hessian is computed: nothing else has the walls in it.
  class Seeded {
   public:
    explicit Seeded(Chunk& chunk) : workspace_(*chunk.workspace) { workspace_.set_wall_seeds(chunk.wall_seeds); }
    ~Seeded() { workspace_.set_wall_seeds({}); }
    Seeded(const Seeded&) = delete;
    Seeded& operator=(const Seeded&) = delete;

   private:
    Workspace& workspace_;
  };
};

}  // namespace fastexpr
