#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "function/evaluation.hpp"
#include "nlp/kinks.hpp"
#include "nlp/nlp_functions.hpp"

namespace fastexpr::nlp {

/// A program whose kinked units are on frozen branches: it is smooth, and chosen walls of its cell are rows behind its own.
/// Units are numbered: the tape's own, then those of each network's call. Threads may share it; they take turns.
class CellFunctions {
 public:
  CellFunctions(std::shared_ptr<const OwnedStatement> statement, std::vector<tape::ExternalPointer> externals, bool has_hessian,
                const double* parameters);

  Index n_variables() const { return program_.n_variables(); }
  Index n_parameters() const { return statement_->statement.n_parameters; }
  Index n_rows() const { return static_cast<Index>(statement_->rows.size()); }  // without walls
  Index n_units() const { return n_units_; }
  Index n_walls() const;
  bool has_hessian() const { return program_.has_hessian(); }

  /// A side of the cell: where this unit's branch ends and another one begins.
  struct Wall {
    std::int32_t unit;
    Branch to;
  };
  struct Walls {
    std::vector<Wall> walls;
    std::vector<double> arguments;
  };
  /// A sparse matrix, row by row.
  struct Rows {
    std::vector<Index> starts;
    std::vector<std::int32_t> columns;
    std::vector<double> entries;
  };
  /// What a unit is. Of the tape: the operation; else where it stands in the network's graph.
  struct Unit {
    Index call;  // -1: of the tape
    std::string operation;
    const Node* node;  // null: of the tape
    Index unit;
    bool is_step;
    std::int32_t rank;  // above those of all units that its argument depends on
  };
  Unit unit(Index number) const;
  Index n_calls() const { return static_cast<Index>(kinks_.calls().size()); }
  /// Of a call's inputs, the variables; -1 where one is none.
  std::vector<std::int32_t> call_inputs(Index call) const;

  void set_parameters(const double* values);
  /// Where every unit is at x, whatever is frozen.
  void branches(const double* x, Branch* branches);
  /// From here on the units are on these branches. No wall is chosen any more. GraphError where there is no such branch.
  void freeze(const Branch* branches);
  std::vector<Branch> frozen() const;
  /// All walls of the cell, and their arguments at x: at least 0 in the cell.
  Walls walls(const double* x);
  Rows wall_gradients(const double* x, std::span<const Wall> walls);
  /// These walls are rows from here on, behind the program's own. GraphError where the cell has no such wall.
  void choose(std::span<const Wall> walls);
  std::vector<Wall> chosen() const;

  // Of the program in the cell; rows are its own, then the chosen walls.
  double objective(const double* x);
  void gradient(const double* x, double* result);
  // Should the walls be others by now than when room was made for a result, that is refused.
  void constraints(const double* x, std::span<double> result);
  Positions jacobian_positions() const;
  Index n_jacobian_entries() const;
  void jacobian(const double* x, std::span<double> entries);
  const Positions& hessian_positions() const { return program_.hessian_positions(); }
  void hessian(const double* x, std::span<const double> multipliers, double objective_factor, double* entries);
  void row_constants(std::span<double> result);
  std::vector<std::string> steps(const double* lower, const double* upper) const;

 private:
  /// The gradient of a wall of a network, with respect to the variables.
  struct Gradient {
    struct Share {  // of the derivative with respect to an input
      std::int32_t input;
      std::int32_t column;  // position in `columns`
      double scale;
      Index entry;  // of the input's own derivative in the program's Jacobian; -1: the input is a variable
    };
    std::vector<std::int32_t> columns;
    std::vector<Share> shares;
  };
  /// A network's call: its units, gradients by KinkStructure::sets, made as they are wanted, and where it is evaluated.
  struct Call {
    Index first_unit;
    Index n_units;
    std::vector<std::unique_ptr<Gradient>> gradients;
    std::array<tape::CallPlace, 3> places;  // by order
    bool is_composed;                       // not all inputs are variables
  };
  /// Where networks are evaluated: a call for each point.
  struct Place {
    std::size_t evaluation;
    bool has_hessians;
    std::vector<std::size_t> calls;
  };
  struct KnownWall {
    Wall wall;
    std::int32_t call;         // position in `calls_`; -1: of the tape
    const Gradient* gradient;  // null: of the tape
    CellWall in_network;       // but for the point
  };

  void find_calls();
  const Gradient* gradient_of(std::int32_t call, Index unit);
  void find_places();
  fastexpr::Evaluation& evaluation(std::size_t number) const;
  std::int32_t call_of(Index unit) const;
  KnownWall known(const Wall& wall);
  std::vector<KnownWall> known(std::span<const Wall> walls);
  const TapeKink& tape_kink(const KnownWall& wall) const { return kinks_.of_tape()[static_cast<std::size_t>(wall.wall.unit)]; }
  CellWall in_network(const KnownWall& wall, std::size_t order) const;
  double sign_of(const KnownWall& wall) const;
  void expect_frozen() const;
  void set_branches(const Branch* branches);
  void set_tape_branches(const Branch* branches);
  void find_tape_branches(const double* x, Branch* branches);
  const double* rows_at(const double* x);
  const double* entries_at(const double* x);
  Index n_entries(const KnownWall& wall) const;
  void append_columns(const KnownWall& wall, std::vector<std::int32_t>& columns) const;
  void fill_gradients(std::span<const KnownWall> walls, double* entries);
  template <class Body>
  void for_places(std::size_t order, std::span<const KnownWall> walls, const Body& body);
  template <class Visit>
  void for_network_gradients(std::span<const KnownWall> walls, const Visit& visit);
  Index count_entries() const;
  void weigh_walls(const double* weights);

  std::shared_ptr<const OwnedStatement> statement_;
  Kinks kinks_;
  NlpFunctions program_;
  Index n_units_ = 0, n_own_entries_ = 0;
  std::vector<Call> calls_;
  std::vector<Place> places_;
  std::vector<Index> row_starts_;  // of all rows' entries in the program's Jacobian
  std::vector<double> parameters_, rows_, entries_, multipliers_;
  std::vector<Branch> frozen_;
  std::vector<KnownWall> chosen_;
  // Scratch of what concerns walls, by which evaluations allocate nothing.
  std::vector<std::size_t> which_;
  std::vector<CellWall> here_;
  std::vector<double> gradients_, weights_;
  std::vector<Index> starts_;
  mutable std::mutex mutex_;
};

}  // namespace fastexpr::nlp
