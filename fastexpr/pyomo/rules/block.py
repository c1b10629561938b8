"""Boolean rules in a Pyomo model, as a block of binaries and linear rows."""

from __future__ import annotations

from typing import Any

from pyomo.core.base.block import Block, BlockData
from pyomo.environ import value

from fastexpr.errors import ModelError, RuleError
from fastexpr.pyomo.rules.cells import cells
from fastexpr.pyomo.rules.inputs import column_of_entry, given_inputs
from fastexpr.pyomo.rules.rows import RuleRows, as_python


class RuleBlockData(BlockData):  # type: ignore[misc]
    """Rules at one place of a model: `inputs`, `outputs`, and the rows between them."""

    @property
    def rules(self) -> Any:
        """The fitted rules, a :class:`~fastexpr.rules.BooleanRuleClassifier`."""
        return self.parent_component()._rules

    @property
    def require(self) -> Any:
        """The label that the rules have to predict; None where they are free."""
        return self.parent_component()._require

    def check(self) -> Any:
        """What the rules themselves predict at the values of the inputs, whatever the solver's binaries say.

        Returns
        -------
        The label.

        Raises
        ------
        RuleError
            The model says something else than the rules; an input has no value; a variable has wider bounds than when
            the block was built.
        """
        self.check_bounds()
        numbers = [entry for entry in self._entries if entry is not None and entry.scalar is not None]
        if numbers and all(entry.value() is None for entry in numbers):
            raise RuleError(
                f"[RuleBlock '{self.name}'] has no solution yet: its inputs have no values. Solve the model."
            )
        row = [column_of_entry(entry, f"[RuleBlock '{self.name}']") for entry in self._entries]
        label = as_python(self.rules._decide(row, 1)[0])
        claimed = self._claimed()
        if claimed != label:
            raise RuleError(
                f"[RuleBlock '{self.name}'] the rules predict {label!r} at the values of the inputs, the model says "
                f"{claimed!r}: a value lies nearer to a threshold than the solver's tolerance. What to do: solve "
                "again with a larger margin (RuleBlock(..., margin=1e-4)), or a tighter tolerance of the solver."
            )
        return label

    def binaries(self) -> list[Any]:
        """All of them: one for each rule (`choice`), or one for each threshold (`below`)."""
        return [u for name in ("choice", "below") if hasattr(self, name) for u in getattr(self, name).values()]

    def cases(self) -> list[list[tuple[Any, float]]]:
        """The ways to set the free binaries: one for each box that the inputs can lie in."""
        if hasattr(self, "choice"):
            rules = list(self.choice.values())
            found = [[(c, float(c is chosen)) for c in rules] for chosen in rules]
        else:
            found = cells(self)
        fits = [case for case in found if all(not u.fixed or abs(u.value - number) < 0.5 for u, number in case)]
        return [[(u, number) for u, number in case if not u.fixed] for case in fits]

    def _claimed(self) -> Any:
        shares = {label: value(share, exception=False) for label, share in self.outputs.items()}
        if any(share is None for share in shares.values()):
            raise RuleError(
                f"[RuleBlock '{self.name}'] has no solution yet: its variables have no values. Solve the model."
            )
        return max(shares, key=lambda label: shares[label])

    def check_bounds(self) -> None:
        """Looks whether the rows, which were made from the inputs' bounds at that time, still say all of their range.

        Whoever solves or writes the model asks for this, too.

        Raises
        ------
        RuleError
            An input has wider bounds than when the block was built.
        """
        for entry in self._entries:
            if entry is not None and entry.is_wider_than_built():
                raise RuleError(
                    f"[RuleBlock '{self.name}'] the bounds of '{entry.name}' are wider than when the block was built: "
                    f"got {entry.bounds()}, expected them within {entry.built_bounds}. Build the block anew."
                )


class RuleBlock(Block):  # type: ignore[misc]
    """Boolean rules in a Pyomo model: which class they predict for the inputs is required, or a variable of the model.

    ``m.r = RuleBlock(rules, inputs=m.x, require=1)`` keeps the inputs where `rules` predict 1. Without `require`,
    ``m.r.outputs[label]`` is 1 where they predict the label, and 0 elsewhere, for use in objective and constraints.

    Where a rule has to hold, the inputs lie in one of several boxes: a binary for each rule, and for each column two
    rows that describe the convex hull, without big-M. Where no rule may hold, or the prediction is free, there is a
    binary for each threshold, in order along each column, and rows over these.

    Parameters
    ----------
    *index
        Index sets: ``RuleBlock(m.t, rules=rules, inputs=lambda m, t: ...)``.
    rules : BooleanRuleClassifier
        Fitted. Also as the first argument.
    inputs
        What the rules are applied to, one entry for each column: an indexed Var, Expression or Reference, a slice, a
        list, an array or a dict by name, which may leave out columns that no rule looks at. For an indexed block a
        function of the parent block and the index, or a dict of these by index. An entry is a number, a variable or an
        expression. For a column of categories it is a category, or a dict of binaries by category, of which one is 1;
        for a column of bools also a binary.
    require : optional
        One of the classes.
    margin : float or dict by name, optional
        How far inputs keep away from thresholds, on both sides. By default a little more than solvers' tolerances: 5e-6
        of the largest bound or threshold of the column, at least 5e-6, and at most a quarter of the distance to the
        next threshold. Integer variables need none.
    **kwargs
        As of :class:`pyomo.environ.Block`: name, doc, dense.

    Raises
    ------
    ShapeError
        A wrong number of inputs.
    ModelError
        Names that do not match.
    RuleError
        The rules are not fitted, or `require` is none of their classes; an input without the finite bounds that a row
        needs; no rule can hold within the bounds.

    Notes
    -----
    Rows are made from the bounds that variables have when the block is built. Tighter bounds later are fine; wider ones
    need a new block: a model that has them is refused when it is solved or written.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> X = np.random.default_rng(0).uniform(0, 10, (200, 2))
    >>> rules = fx.rules.BooleanRuleClassifier(max_complexity=3).fit(X, (X[:, 0] > 4) & (X[:, 1] <= 7))
    >>> m = pyo.ConcreteModel()
    >>> m.x = pyo.Var([0, 1], bounds=(0, 10))
    >>> m.safe = fxp.RuleBlock(rules, inputs=m.x, require=True)
    >>> m.cost = pyo.Objective(expr=m.x[0] - m.x[1])
    >>> results = pyo.SolverFactory("appsi_highs").solve(m)
    >>> m.safe.check()
    True
    """

    _ComponentDataClass = RuleBlockData

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Choose the class, as Pyomo does: with or without index."""
        if cls is not RuleBlock:
            return super().__new__(cls)
        has_index = any(not _is_rules(argument) for argument in args)
        return super().__new__(IndexedRuleBlock if has_index else ScalarRuleBlock)

    def __init__(
        self, *index: Any, rules: Any = None, inputs: Any = None, require: Any = None, margin: Any = None, **kwargs: Any
    ) -> None:
        found = [argument for argument in index if _is_rules(argument)] + ([] if rules is None else [rules])
        if len(found) != 1:
            raise ModelError(
                f"[RuleBlock] got {len(found)} rules, expected 1: RuleBlock(rules, inputs=...), or rules=rules."
            )
        if "rule" in kwargs or "concrete" in kwargs:
            raise ModelError("[RuleBlock] builds itself: got rule= or concrete=. Put the rest of your block around it.")
        if not hasattr(found[0], "rules_"):
            raise RuleError("[RuleBlock] the rules are not fitted, or no BooleanRuleClassifier. Call their fit first.")
        if inputs is None:
            raise ModelError(
                "[RuleBlock] has no inputs: pass inputs=, one entry for each column that the rules look at."
            )
        self._rules = found[0]
        labels = self._rules.classes_.tolist()
        if require is not None and require not in labels:
            raise RuleError(f"[RuleBlock] require is none of the classes: got {require!r}, expected one of {labels}.")
        self._require = None if require is None else labels[labels.index(require)]
        self._given = {"inputs": inputs}  # in a dict: a block takes components for its own
        self._margin = margin
        super().__init__(*(argument for argument in index if not _is_rules(argument)), rule=_build, **kwargs)


class ScalarRuleBlock(RuleBlockData, RuleBlock):
    """A RuleBlock without index."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        RuleBlockData.__init__(self, component=self)  # type: ignore[call-arg]
        RuleBlock.__init__(self, *args, **kwargs)
        self._data[None] = self
        self._index = None

    display = Block.display


class IndexedRuleBlock(RuleBlock):
    """A RuleBlock for every member of an index set."""

    def check(self) -> dict[Any, Any]:
        """What the rules predict, by index; see :meth:`RuleBlockData.check`."""
        return {index: block.check() for index, block in self.items()}


def _is_rules(argument: Any) -> bool:
    return hasattr(type(argument), "decision_path")  # asked of the type: a slice answers yes to every name


def _build(block: Any, *index: Any) -> None:
    """Fill one block: the rule of every RuleBlock."""
    container = block.parent_component()
    block._entries = given_inputs(block, container._given["inputs"], container._rules, index)
    if not container.is_indexed():  # later members of an index set still need what was given
        container._given = {}
    rows = RuleRows(block, container._rules, block._entries, container._require, container._margin)
    rows.build()
    block._intervals = rows.intervals
