"""Column generation for two classes: which rows to cover, which not, with rules that together are not too complex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastexpr._core import ConditionTable
from fastexpr.rules.master import Master, Multipliers, select
from fastexpr.rules.settings import Clock, Learnt, RuleKey, Settings
from fastexpr.rules.weights import Grid, grid_for, grid_of_data

Array = NDArray[np.float64]

BEAM_WIDTHS = (20, 200)  # the wider one where the narrower one finds nothing
RULES_A_ROUND = 20
EXACT_RULES_A_ROUND = 50
#: What each step may spend, whatever the machine: of pricing in words of 64 rows, of HiGHS in nodes.
EXACT_WORK = 4_000_000_000
LAST_EXACT_WORK = EXACT_WORK // 20
SEARCH_WORK = 1_000_000_000
INTEGER_NODES = 500
LARGEST_INTEGER_PROGRAM = 100_000  # entries
RESTARTS = 100
REFINEMENTS = 10
SHARE_FOR_PRICING = 0.7  # of the time limit


class Generation:
    """Learns rules that cover rows of weight p and leave out those of weight q.

    Parameters
    ----------
    holds : (conditions, rows) array of uint8
        Rows are distinct.
    p, q : (rows,) arrays
        Weights of what should be covered and of what should not.
    """

    def __init__(self, holds: NDArray[np.uint8], p: Array, q: Array, settings: Settings, clock: Clock) -> None:
        self.holds = holds.astype(bool)
        self.table = ConditionTable(holds)
        self.settings = settings
        self.clock = clock
        self.grid = grid_of_data(p, q)
        self.p, self.q = self.grid.weights(p), self.grid.weights(q)
        self.rules: list[RuleKey] = []
        self.covers: list[NDArray[np.bool_]] = []
        self.known: set[RuleKey] = set()
        self.master = Master(self.p, settings.max_complexity)
        # Longer rules are not allowed, or say nothing more.
        self.max_length = max(1, min(settings.max_length, settings.max_complexity - 1, len(holds)))
        self.bounds = np.zeros(self.max_length)
        self.proved_length = 0
        self.n_iterations = 0
        self.is_late = False

    def run(self) -> Learnt:
        """Generates rules, then selects from them."""
        self.add([()])  # the rule without conditions, which covers everything
        multipliers = self.generate() if len(self.holds) else None
        chosen = self.choose(multipliers)
        rules = [self.rules[k] for k in chosen]
        bounds = np.maximum.accumulate(self.bounds[::-1])[::-1]  # what holds for longer rules holds for shorter ones
        n_longer = self.settings.max_length - self.max_length
        bounds = np.append(bounds, np.full(n_longer, bounds[-1]))
        proved_length = self.proved_length + (n_longer if self.proved_length == self.max_length else 0)
        return Learnt(rules, bounds, proved_length, self.n_iterations, self.is_late, dict(self.clock.timings))

    # ---- generating

    def generate(self) -> Multipliers | None:
        """Column generation until no rule improves the linear program, or work or time is spent."""
        work_left = EXACT_WORK
        multipliers = None
        while True:
            self.n_iterations += 1
            with self.clock.measure("master"):
                found = self.master.solve(self.clock.left(SHARE_FOR_PRICING))
            if found is None:
                self.is_late = True
                return multipliers
            multipliers = found
            self.report(multipliers)
            if any(self.price_by_beam(multipliers, width) for width in BEAM_WIDTHS):
                continue
            is_last = work_left <= 0
            n_new, work = self.price_exactly(multipliers, max(work_left, LAST_EXACT_WORK), is_last)
            work_left -= work
            if n_new == 0 or is_last or self.is_late:
                return multipliers

    def price_by_beam(self, multipliers: Multipliers, width: int) -> int:
        grid = grid_for(multipliers, self.grid, self.p, self.settings.max_complexity)
        with self.clock.measure("beam"):
            rules, _, _, is_late, _ = self.table.price(
                grid.gains,
                grid.losses(self.q),
                grid.price,
                self.max_length,
                RULES_A_ROUND,
                width,
                self.clock.left(SHARE_FOR_PRICING),
                2**62,
            )
        self.is_late = self.is_late or is_late
        return self.add([tuple(rule) for rule in rules])

    def price_exactly(self, multipliers: Multipliers, work: int, is_last: bool) -> tuple[int, int]:
        """All rules, the short ones first: they cut off long ones. How many are new, and the work done."""
        grid = grid_for(multipliers, self.grid, self.p, self.settings.max_complexity)
        losses = grid.losses(self.q)
        spent = 0
        self.proved_length = 0
        for length in range(1, self.max_length + 1):
            with self.clock.measure("exact"):
                rules, bound, is_complete, is_late, used = self.table.price(
                    grid.gains,
                    losses,
                    grid.price,
                    length,
                    EXACT_RULES_A_ROUND,
                    0,
                    self.clock.left(SHARE_FOR_PRICING),
                    max(1, work - spent),
                )
            spent += used
            self.is_late = self.is_late or is_late
            self.bounds[length - 1] = max(self.bounds[length - 1], self.lower_bound(grid, losses, bound))
            n_new = 0 if is_last else self.add([tuple(rule) for rule in rules])
            if n_new or not is_complete or (is_last and rules):
                return n_new, spent
            self.proved_length = length
        return 0, spent

    def lower_bound(self, grid: Grid, losses: NDArray[np.int64], bound: int) -> float:
        """What every selection loses at least, if no rule beyond the known ones is worth more than `bound`.

        The loss of a selection is at least sum mu - sum_k v_k, where v_k = sum of mu - losses over what rule k covers.
        That is at most lambda c_k + bound; complexities add up to C at most, and rules with conditions have at least 2.
        All of it in whole numbers.
        """
        C = self.settings.max_complexity
        everything = int(grid.gains.sum()) - int(losses.sum()) - grid.price
        total = int(grid.gains.sum()) - C * grid.price - (C // 2) * bound - max(0, everything)
        return self.grid.loss_at_least(total / grid.scale)

    def add(self, rules: list[RuleKey]) -> int:
        """Puts rules into the master problem; how many were new."""
        n_known = len(self.rules)
        if n_new := self.remember(rules):
            covers = self.covers[n_known:]
            losses = [float(self.q[cover].sum()) for cover in covers]
            self.master.add(covers, [1 + len(rule) for rule in self.rules[n_known:]], losses)
        return n_new

    def remember(self, rules: list[RuleKey]) -> int:
        """Makes rules known, to select from; how many were new."""
        new = [rule for rule in dict.fromkeys(rules) if rule not in self.known]
        self.known.update(new)
        self.rules += new
        self.covers += [np.asarray(self.holds[list(rule)].all(axis=0)) for rule in new]
        return len(new)

    def report(self, multipliers: Multipliers) -> None:
        if self.settings.verbose:
            print(
                f"iteration {self.n_iterations}: {len(self.rules)} rules, Hamming loss at least "
                f"{self.grid.original(multipliers.objective):g} with these, {self.clock.passed():.1f} s",
                flush=True,
            )

    # ---- selecting

    def choose(self, multipliers: Multipliers | None) -> list[int]:
        """The best selection of rules that is found, by their positions."""
        is_hamming = self.settings.loss == "hamming"
        starts: list[list[int]] = [[]]
        if multipliers is not None:
            starts.append(self.rounded(multipliers))
            starts.append(self.search(True, starts[-1], RESTARTS)[0])
            if is_hamming:
                starts.append(self.by_integer_program(multipliers, starts[-1]))
        chosen, value = max((self.search(is_hamming, start, 0) for start in starts), key=lambda found: found[1])
        chosen, value = self.search(is_hamming, chosen, RESTARTS)
        for _ in range(0 if is_hamming or not len(self.holds) else REFINEMENTS):
            if not self.remember(self.replacements(chosen)):
                break
            better, new_value = self.search(False, chosen, RESTARTS)
            if new_value <= value:
                break
            chosen, value = better, new_value
        return chosen

    def replacements(self, chosen: list[int]) -> list[RuleKey]:
        """Rules that lose little, by the 0-1 loss, in the place of one of the chosen, or beside all of them.

        Column generation looks for rules by the Hamming loss: what several rules cover counts several times there.
        """
        found: list[RuleKey] = []
        for dropped in [None, *chosen]:
            others = [k for k in chosen if k != dropped]
            free = ~np.any([self.covers[k] for k in others], axis=0) if others else np.ones(len(self.p), dtype=bool)
            length = self.settings.max_complexity - 1 - sum(1 + len(self.rules[k]) for k in others)
            if length < 1:
                continue
            scale = 64  # so that of rules that are worth the same the shorter one wins
            gains, losses = (np.where(free, weights, 0).astype(np.int64) * scale for weights in (self.p, self.q))
            with self.clock.measure("beam"):
                rules, _, _, is_late, _ = self.table.price(
                    gains,
                    losses,
                    1,
                    min(length, self.max_length),
                    RULES_A_ROUND,
                    BEAM_WIDTHS[0],
                    self.clock.left(),
                    2**62,
                )
            self.is_late = self.is_late or is_late
            found += [tuple(rule) for rule in rules]
        return found

    def rounded(self, multipliers: Multipliers) -> list[int]:
        """Rules by their shares, as long as their complexity is allowed."""
        chosen: list[int] = []
        left = self.settings.max_complexity
        for k in np.argsort(-multipliers.shares, kind="stable").tolist():
            if multipliers.shares[k] < 0.3 or 1 + len(self.rules[k]) > left:
                continue
            chosen.append(k)
            left -= 1 + len(self.rules[k])
        return chosen

    def by_integer_program(self, multipliers: Multipliers, start: list[int]) -> list[int]:
        """The selection of least Hamming loss, as far as HiGHS gets from this one."""
        start, value = self.search(True, start, 0)
        covers = np.array(self.covers)
        complexities = np.array([1 + len(rule) for rule in self.rules])
        losses = covers @ self.q
        # No better selection has a rule whose reduced cost exceeds what the best known one loses beyond the linear
        # program.
        reduced = losses - covers @ multipliers.rows + multipliers.price * complexities
        slack = float(self.p.sum()) - value - multipliers.objective
        places = np.union1d(np.flatnonzero(reduced[: len(losses)] <= slack + 1e-6), start).astype(int)
        if slack < 1e-6 or covers[places][:, self.p > 0].sum() > LARGEST_INTEGER_PROGRAM:
            return start
        with self.clock.measure("integer"):
            chosen, is_late = select(
                covers[places],
                self.p,
                losses[places],
                complexities[places],
                self.settings.max_complexity,
                np.searchsorted(places, start).tolist(),
                INTEGER_NODES,
                self.clock.left(0.95),
            )
        self.is_late = self.is_late or is_late
        return [int(places[k]) for k in chosen]

    def search(self, is_hamming: bool, start: list[int], restarts: int) -> tuple[list[int], float]:
        """Local search over the known rules: a selection, and what it gains."""
        with self.clock.measure("search"):
            chosen, value, is_late = self.table.search(
                self.p.astype(np.int64),
                self.q.astype(np.int64),
                [list(rule) for rule in self.rules],
                self.settings.max_complexity,
                is_hamming,
                start,
                restarts,
                self.settings.seed,
                self.clock.left(),
                SEARCH_WORK,
            )
        self.is_late = self.is_late or is_late
        return list(chosen), float(value)
