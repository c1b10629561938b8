"""What is claimed about all rules, against all rules."""

import warnings

import numpy as np
import pytest
from rule_data import all_rules, cover, least_hamming_loss, table

from fastexpr._core import ConditionTable
from fastexpr.errors import ShapeError
from fastexpr.rules import BooleanRuleClassifier

UNLIMITED = {"seconds": 60.0, "work": 2**62}


def value(holds, gains, losses, price, rule):
    rows = cover(holds, rule)
    return int(gains[rows].sum()) - int(losses[rows].sum()) - price * (1 + len(rule))


def weights(seed, n, largest):
    random = np.random.default_rng(seed)
    gains = random.integers(1, largest, n) * (random.random(n) < 0.6)
    losses = random.integers(1, largest, n) * (random.random(n) < 0.6)  # some rows have both, some neither
    return gains.astype(np.int64), losses.astype(np.int64)


@pytest.mark.parametrize("largest", [2, 5, 70000])
@pytest.mark.parametrize("max_length", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_exact_pricing_finds_the_best_of_all_rules(seed, max_length, largest):
    holds = table(seed, n_conditions=14, n_rows=150)
    gains, losses = weights(seed, holds.shape[1], largest)
    for price in (0, largest, 4 * largest):
        found, bound, is_complete, is_late, _ = ConditionTable(holds).price(
            gains, losses, price, max_length, n_rules=10, width=0, **UNLIMITED
        )
        values = {rule: value(holds, gains, losses, price, rule) for rule in all_rules(len(holds), max_length) if rule}
        best = max(values.values())
        assert is_complete
        assert not is_late
        assert bound == max(0, best)
        got = [values[tuple(rule)] for rule in found]
        assert got == sorted(got, reverse=True)
        assert all(v > 0 for v in got)
        assert (got[0] == best) if best > 0 else not got


@pytest.mark.parametrize("work", [1, 300, 3000, 30000])
def test_the_bound_of_pricing_that_is_cut_short(work):
    is_ever_cut_short = False
    for seed in range(10):
        holds = table(seed, n_conditions=20, n_rows=300)
        gains, losses = weights(seed, holds.shape[1], 9)
        found, bound, is_complete, is_late, _ = ConditionTable(holds).price(
            gains, losses, 3, 3, n_rules=10, width=0, seconds=60.0, work=work
        )
        best = max(value(holds, gains, losses, 3, rule) for rule in all_rules(len(holds), 3) if rule)
        assert bound >= best
        assert not is_late
        assert all(value(holds, gains, losses, 3, rule) > 0 for rule in found)
        is_ever_cut_short = is_ever_cut_short or not is_complete
    assert is_ever_cut_short or work == 30000


def test_a_beam_finds_rules_that_are_worth_what_they_should():
    holds = table(3, n_conditions=16, n_rows=200)
    gains, losses = weights(3, holds.shape[1], 9)
    found, bound, is_complete, _, _ = ConditionTable(holds).price(gains, losses, 2, 3, n_rules=10, width=5, **UNLIMITED)
    got = [value(holds, gains, losses, 2, rule) for rule in found]
    assert got
    assert got == sorted(got, reverse=True)
    assert got[-1] > 0
    assert len(set(map(tuple, found))) == len(found)
    assert (bound, is_complete) == (0, False)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("max_complexity", [2, 5, 9])
def test_bounds_hold_for_all_rules(seed, max_complexity):
    """By enumeration and SciPy: not above the best selection, and not far below the linear program."""
    max_length = 3
    half = table(seed, n_conditions=10, n_rows=50)[:5].T.astype(float)
    random = np.random.default_rng(seed)
    y = (random.random(len(half)) < 0.3 + 0.4 * half[:, 0] * half[:, 1]).astype(int)
    y[:2] = 0, 1
    sample_weight = random.integers(1, 4, len(y)).astype(float) if seed % 3 == 1 else np.ones(len(y))
    if seed % 3 == 2:
        sample_weight = random.random(len(y)) + 0.1
    rules = BooleanRuleClassifier(max_complexity, max_length=max_length, loss="hamming").fit(half, y, sample_weight)
    assert rules.proved_length_ == max_length
    p, q = sample_weight * y, sample_weight * (1 - y)
    holds = np.array([(half[:, c.column] > 0.5) == (c.operator == ">") for c in rules.conditions_])
    for length in range(1, max_length + 1):
        everything = all_rules(len(holds), length)
        linear, whole = (
            least_hamming_loss(holds, p, q, everything, max_complexity, is_integer) for is_integer in (False, True)
        )
        bound = rules.bounds_by_length_[length - 1]
        assert bound <= whole + 1e-7
        if length == max_length:
            assert bound >= linear - 0.02
            assert rules.lower_bound_ == pytest.approx(bound)
            assert whole - 1e-7 <= rules.hamming_loss_
            # Selected from the rules that the linear program asked for: near to the best of all.
            assert rules.hamming_loss_ <= whole + 0.1 * sample_weight.sum()


def test_bounds_when_time_runs_out():
    """Whatever was reached, the bound is none that a longer fit falls below."""
    random = np.random.default_rng(1)
    X = random.normal(size=(300, 12))
    y = (X[:, :3].sum(axis=1) + 0.5 * random.normal(size=300) > 0).astype(int)
    full = BooleanRuleClassifier(12, max_length=3, loss="hamming", time_limit=600).fit(X, y)
    assert not full.timed_out_
    for limit in (1e-9, 0.01, 0.1):
        cut = BooleanRuleClassifier(12, max_length=3, loss="hamming", time_limit=limit)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cut.fit(X, y)
        assert cut.timed_out_ == bool(caught)
        assert cut.lower_bound_ <= full.hamming_loss_
        assert cut.complexity_ <= 12
    assert full.lower_bound_ <= full.hamming_loss_


@pytest.mark.parametrize("loss", ["zero_one", "hamming"])
def test_the_search_counts_right(loss):
    """What the local search says a selection gains, counted anew."""
    holds = table(5, n_conditions=16, n_rows=200)
    gains, losses = weights(5, holds.shape[1], 9)
    rules = [rule for rule in all_rules(len(holds), 2) if rule]
    for start in ([], [0, 5, 9]):
        chosen, gained, _ = ConditionTable(holds).search(
            gains, losses, rules, 9, loss == "hamming", start, restarts=20, seed=1, **UNLIMITED
        )
        counts = sum((cover(holds, rules[k]).astype(int) for k in chosen), np.zeros(holds.shape[1], dtype=int))
        lost = losses @ (counts if loss == "hamming" else counts > 0)
        assert gained == gains[counts > 0].sum() - lost
        assert sum(1 + len(rules[k]) for k in chosen) <= 9
        single = max(value(holds, gains, losses, 0, rule) for rule in rules)
        assert gained >= single


def test_refusals_of_the_core():
    holds = table(0)
    ok = np.ones(holds.shape[1], dtype=np.int64)
    condition_table = ConditionTable(holds)
    with pytest.raises(ShapeError, match="gains has a wrong shape"):
        condition_table.price(ok[1:], ok, 1, 2, n_rules=1, width=0, **UNLIMITED)
    with pytest.raises(ShapeError, match="losses has a negative weight"):
        condition_table.price(ok, -ok, 1, 2, n_rules=1, width=0, **UNLIMITED)
    with pytest.raises(ShapeError, match="sum is over"):
        condition_table.price(ok * 2**61, ok, 1, 2, n_rules=1, width=0, **UNLIMITED)
    with pytest.raises(ShapeError, match="condition 99"):
        condition_table.search(ok, ok, [(99,)], 5, False, [], restarts=0, seed=0, **UNLIMITED)
    with pytest.raises(ShapeError, match="start has the rule 7"):
        condition_table.search(ok, ok, [(1,)], 5, False, [7], restarts=0, seed=0, **UNLIMITED)
    with pytest.raises(ShapeError, match="expected \\(conditions, rows\\)"):
        ConditionTable(holds[0])
    with pytest.raises(TypeError):
        ConditionTable.__new__(ConditionTable)
