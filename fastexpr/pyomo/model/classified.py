"""A network's input has to be classified as a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyomo.core.base.block import ScalarBlock
from pyomo.environ import Constraint

from fastexpr.errors import ModelError
from fastexpr.formulations.labels import classes_of
from fastexpr.formulations.margins import usual_margin
from fastexpr.pyomo.model.block import NetworkBlock, NetworkBlockData


class ClassifiedAs(ScalarBlock):  # type: ignore[misc]
    """Rows by which a classifier in a model has to give a label: its logit is the largest, by a margin.

    ``m.is3 = ClassifiedAs(m.nn, 3, margin=0.1)``. Softmax and sigmoid do not change the order of what they are given:
    where a network ends with them, the rows are about what comes before, in every formulation, also where the network
    stays a function (then it is called once more, without its end).

    Parameters
    ----------
    block : NetworkBlock
        Or a member of an indexed one.
    label
        Where the names of outputs hold classes (``y[setosa]``: networks from scikit-learn, XGBoost, LightGBM), one of
        them; else a position. A network with one output has two classes: sigmoid(z) is above 1/2 where z > 0; without
        sigmoid, an output between 0 and 1 is compared with 1/2, another one with 0.
    margin : float, optional
        By how much, in logits, or in outputs where there is neither softmax nor sigmoid. By default a little more than
        solvers' tolerances.
    classes : sequence, optional
        All labels in order, where the network does not know them.
    **kwargs
        As of :class:`pyomo.environ.Block`: name, doc.

    Raises
    ------
    NotFoundError
        There is no such label.
    ModelError
        A margin that is no number, or negative; something that is no NetworkBlock.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, [x[0], np.maximum(x[1], 0.0)]).with_names(outputs=["near", "far"]).with_bounds(-1, 1)
    >>> m = pyo.ConcreteModel()
    >>> m.nn = fxp.NetworkBlock(net, formulation="bigm")
    >>> m.is_far = fxp.ClassifiedAs(m.nn, "far", margin=0.25)
    >>> m.cost = pyo.Objective(expr=m.nn.inputs[1] - m.nn.inputs[0])
    >>> _ = pyo.SolverFactory("appsi_highs").solve(m)
    >>> float(round(m.nn.outputs["far"].value - m.nn.outputs["near"].value, 6))
    0.25
    """

    def __init__(
        self,
        block: Any,
        label: Any,
        margin: float | None = None,
        classes: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(block, NetworkBlockData):
            raise ModelError(f"[ClassifiedAs] needs a NetworkBlock, or a member of one: got {type(block).__name__}.")
        if margin is not None and not (isinstance(margin, int | float) and 0.0 <= margin < float("inf")):
            raise ModelError(f"[ClassifiedAs] margin must be a number, not negative: got {margin!r}.")
        net = block.parent_component()._file.net
        self._told = {"block": block, "classes": classes_of(net, label, classes), "margin": margin}
        super().__init__(rule=_build, **kwargs)


def _build(block: Any) -> None:
    """The rows."""
    network, classes, margin = (block._told[key] for key in ("block", "classes", "margin"))
    block._told = {}
    if classes.logits is None:
        z = list(network._results.values())
    elif network._body_is_logits:
        z = list(network.logits.values())
    else:
        formulation = None if network._formulation == "external" else network._formulation
        inputs = list(network.inputs.values())
        block.nn = NetworkBlock(classes.logits, inputs=inputs, formulation=formulation or "external", bounds=False)
        z = list(block.nn.outputs.values())
    units = [None if v.is_expression_type() else v.parent_component().get_units() for v in z]
    if margin is None:
        bounds = [bound for variable in z for bound in variable.bounds if bound is not None]
        margin = usual_margin(bounds)
    margin = margin * classes.factor
    z = [v if unit is None else v / unit for v, unit in zip(z, units, strict=True)]
    if len(z) == 1:
        body = z[0] - classes.threshold
        block.order = Constraint(expr=body >= margin if classes.position else body <= -margin)
        return
    others = [k for k in range(len(z)) if k != classes.position]
    block.order = Constraint(others)
    for k in others:
        block.order[k] = z[classes.position] - z[k] >= margin
