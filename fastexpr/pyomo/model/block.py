"""A network in a Pyomo model as a block of variables and equations: the usual form."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.core.base.block import Block, BlockData
from pyomo.core.base.var import VarData

from fastexpr.errors import EvaluationError, ModelError
from fastexpr.formulations.names import formulation_named
from fastexpr.pyomo.external.files import NetworkFile
from fastexpr.pyomo.inputs.units import refuse_units, units_of
from fastexpr.pyomo.model.building import Memory, build_block, set_starts, starting_value
from fastexpr.pyomo.model.signs import check_signs

if TYPE_CHECKING:
    from fastexpr.formulations.repair import Repair


class NetworkBlockData(BlockData):  # type: ignore[misc]
    """One network with its variables: `inputs`, `outputs`, and `equations`, outputs == network(inputs).

    A linear formulation of a classifier has `logits` instead of `outputs`: what comes before softmax or sigmoid.
    """

    @property
    def net(self) -> Any:
        """The network, a :class:`~fastexpr.Function`; of a block with `logits`, the part that gives these."""
        return self.network.net if self._formulation == "external" else self._net

    def summary(self) -> Any:
        """Which formulation was taken, and what it consists of.

        Returns
        -------
        fastexpr.formulations.summary.Summary
            With units, stable, columns, binaries, rows, nonzeros, pairs, functions, widths, notes.
        """
        if self._formulation == "external":
            from fastexpr.formulations.summary import Summary  # brings SciPy along
            from fastexpr.pyomo.formulation.formulating import n_units

            return Summary("external", units=n_units(self.net))
        return self._summary

    def repair(self) -> Repair:
        """Move a solution away from the thresholds of trees, so that the trees themselves say what the model says.

        A solver's point is often within its tolerance of a threshold, where the trees may say something else than the
        model. With all integers as they are, the model's continuous variables move to where the inputs of all trees
        keep the largest distance from the walls of their cells, among the points that satisfy the model's linear
        constraints and have no worse objective. Variables that something nonlinear reads stay.

        Returns
        -------
        fastexpr.formulations.repair.Repair
            With success, message, distance, moved. Without success nothing was changed.

        Raises
        ------
        ModelError
            The model has no solution yet.
        """
        from fastexpr.pyomo.model.repairing import repair

        return repair(self)

    def check_bounds(self) -> None:
        """Looks whether the rows, which were made from the inputs' bounds at that time, still say all of their range.

        Whoever solves or writes the model asks for this, too.

        Raises
        ------
        ModelError
            An input has wider bounds than when the block was built.
        """
        if self._box is not None:
            self._box.check(f"[NetworkBlock '{self.name}']")
        if self._formulation == "epigraph" and not self._builder.relax:
            check_signs(self, *self._builder.curvature_of_outputs)

    def __getattr__(self, name: str) -> Any:
        if name == "outputs" and self.__dict__.get("logits") is not None:
            raise AttributeError(
                f"[NetworkBlock '{self.name}'] has no outputs in this formulation: softmax and sigmoid are not linear. "
                "What to do: ClassifiedAs(block, label, margin=), limits on block.logits, whose order is that of the "
                "outputs, or formulation='full-space'."
            )
        return super().__getattr__(name)

    @property
    def _body_is_logits(self) -> bool:
        """Whether softmax or sigmoid was dropped."""
        return "logits" in self.__dict__

    @property
    def _results(self) -> Any:
        """What the equations define."""
        return self.logits if self._body_is_logits else self.outputs

    def initialize(self) -> None:
        """Set the outputs to the network's values at the inputs.

        Inputs without a value get one first: the centre of the network's data where it has some (`with_data`), else the
        middle of their bounds, or what is nearest to zero within them.

        Raises
        ------
        EvaluationError
            The network's value there is not finite.
        """
        set_starts(self.parent_component()._file.net, self.inputs.values())
        results = self._evaluate()
        if not np.isfinite(results).all():
            raise EvaluationError(
                f"[NetworkBlock '{self.name}'] the network is not finite at its inputs' values: got {results}. Give "
                "the inputs other values."
            )
        self._set_outputs(results, overwrite=True)

    def update(self, net: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Put another network in place of this one, as :meth:`ExternalNetwork.update`.

        The inputs keep their range; the bounds of the block's own outputs follow the new network.
        """
        if self._formulation != "external":
            raise ModelError(
                f"[NetworkBlock '{self.name}'] formulation='{self._formulation}' is made of this network's numbers: "
                "another network needs another block. Delete this one, and build it anew."
            )
        self.network.update(net, path)

    def _evaluate(self) -> Any:
        """The network's outputs where a solver would start: inputs without a value are zero within their bounds."""
        return np.asarray(self.net(np.array([starting_value(scalar) for scalar in self.inputs.values()])))

    def _set_outputs(self, results: Any, overwrite: bool) -> None:
        pairs = list(zip(self._results.values(), results, strict=True))
        if self._formulation not in ("external", "reduced-space"):
            x = np.array([starting_value(scalar) for scalar in self.inputs.values()])
            pairs += list(zip(self._columns[x.size :], self._builder.algebra.completed(x)[x.size :], strict=True))
        for scalar, result in pairs:
            if isinstance(scalar, VarData) and not scalar.fixed and (overwrite or scalar.value is None):
                scalar.set_value(float(result), skip_validation=True)


class NetworkBlock(Block):  # type: ignore[misc]
    """A network in a Pyomo model: variables for its inputs and outputs, and one equation per output.

    ``m.nn = NetworkBlock(net, inputs=m.x)`` has ``m.nn.inputs`` and ``m.nn.outputs``, by name
    (``m.nn.outputs["CO2"]``) or position (``m.nn.outputs[0]``), and ``m.nn.equations``. It starts from the network's
    values at the inputs.

    Parameters
    ----------
    *index
        Index sets: ``NetworkBlock(m.t, network=net)`` is a block for every member of ``m.t``.
    network : Function
        Also as the first argument.
    inputs : optional
        What the network is applied to: an indexed Var, Expression, Param or Reference, a slice, a list, a NumPy array
        or a dict; for an indexed block a function of the parent block and the index that returns one of these
        (``lambda m, t: m.x[:, t]``), or a dict of them by index. Without it the block has variables of its own.
    outputs : optional
        Likewise, for the left sides of the equations.
    input_units, output_units : optional
        One unit for all, or one per entry (a list, or a dict by name); else the network's own (``net.with_units``).
    formulation : {None, "external", "bigm", "sos1", "epigraph", "partition", "complementarity", "full-space", \
            "reduced-space"}, optional
        How the solver sees the network; case and hyphens aside. None takes what fits: "external" for smooth networks
        and networks with kinks, "bigm" for trees.

        - "external": a function with exact derivatives that the solver calls; the model does not grow.
        - "bigm": mixed-integer linear. A binary for each ReLU whose sign the inputs' bounds leave open (others cost
          none), for each kink of other piecewise-linear units, and for each threshold of trees.
        - "sos1": the same with SOS constraints in place of binaries, but for trees.
        - "epigraph": without binaries: outputs that are convex in the inputs are bounded from below, concave ones from
          above. Exact where the model pushes against that side; with ``relax=True``, a relaxation of any network.
        - "partition": "bigm" with tighter rows and more of them: a ReLU's argument is split in two (Tsay et al. 2021).
        - "complementarity": "sos1" as Pyomo's Complementarity, for `mpec.simple_nonlinear` and other transformations.
        - "full-space": units that are smooth have a variable and an equation each, others as in "bigm".
        - "reduced-space": one nested expression for each output, for small networks.
    relax : bool
        Whether an "epigraph" may be a relaxation.
    margin : float, optional
        How far the inputs of trees keep away from thresholds; by default a little more than solvers' tolerances, as in
        :class:`RuleBlock`.
    bounds : bool
        Whether the range that the network is meant for (``net.with_bounds``) bounds the input variables (also yours,
        whose own bounds stay where they are tighter, as long as the block is in the model and active) and, by interval
        arithmetic over the bounds that the inputs have at each solve, the block's own output variables.
    path : path-like, optional
        Where the network's file shall be; see :class:`ExternalNetwork`.
    **kwargs
        As of :class:`pyomo.environ.Block`: name, doc, dense.

    Raises
    ------
    ShapeError
        The number of inputs, outputs or units is wrong.
    ModelError
        Names that do not match, an index set without order, bounds that leave nothing.
    FormulationError
        An operator that the formulation does not know; bounds that it needs, and that are not finite.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.tanh(x[0] - x[1])).with_names(inputs=["hot", "cold"], outputs=["flow"])
    >>> m = pyo.ConcreteModel()
    >>> m.nn = fxp.NetworkBlock(net.with_bounds([0.0, 0.0], [1.0, 1.0]))
    >>> m.nn.inputs["cold"].fix(0.5)
    >>> m.best = pyo.Objective(expr=m.nn.outputs["flow"], sense=pyo.maximize)
    >>> m.nn.inputs["hot"].bounds
    (0.0, 1.0)
    """

    _ComponentDataClass = NetworkBlockData

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Choose the class, as Pyomo does: with or without index."""
        if cls is not NetworkBlock:
            return super().__new__(cls)
        has_index = any(not _is_network(argument) for argument in args)
        return super().__new__(IndexedNetworkBlock if has_index else ScalarNetworkBlock)

    def __init__(
        self,
        *index: Any,
        network: Any = None,
        inputs: Any = None,
        outputs: Any = None,
        input_units: Any = None,
        output_units: Any = None,
        formulation: str | None = None,
        relax: bool = False,
        margin: float | None = None,
        bounds: bool = True,
        path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        networks = [argument for argument in index if _is_network(argument)] + ([] if network is None else [network])
        if len(networks) != 1:
            raise ModelError(
                f"[NetworkBlock] got {len(networks)} networks, expected 1: NetworkBlock(net), or network=net. "
                "fastexpr.load_onnx(path) makes one of an ONNX file."
            )
        refuse_units("NetworkBlock", kwargs)
        if "rule" in kwargs or "concrete" in kwargs:
            raise ModelError(
                "[NetworkBlock] builds itself: got rule= or concrete=. Put the rest of your block around it."
            )
        net = networks[0]
        self._file = NetworkFile(net, path)
        for kind, names in (("input", net.input_names), ("output", net.output_names)):
            if len(set(names)) != len(names):
                raise ModelError(
                    f"[NetworkBlock] {kind} names occur twice. Rename them: net.with_names({kind}s=[...])."
                )
        self._given = {"input": inputs, "output": outputs}
        self._units = {
            "input": units_of(net, "input", input_units),
            "output": units_of(net, "output", output_units),
        }
        self._has_bounds = bounds
        self._formulation = formulation_named(formulation)
        self._settings = {"relax": relax, "margin": margin}
        self._memory = Memory()
        super().__init__(*(argument for argument in index if not _is_network(argument)), rule=build_block, **kwargs)


class ScalarNetworkBlock(NetworkBlockData, NetworkBlock):
    """A NetworkBlock without index."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        NetworkBlockData.__init__(self, component=self)  # type: ignore[call-arg]
        NetworkBlock.__init__(self, *args, **kwargs)
        self._data[None] = self
        self._index = None

    display = Block.display


class IndexedNetworkBlock(NetworkBlock):
    """A NetworkBlock for every member of an index set."""

    def initialize(self) -> None:
        """Set the outputs of every block to the network's values at its inputs."""
        for block in self.values():
            block.initialize()

    def update(self, net: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Put another network in place in every block; see :meth:`ExternalNetwork.update`."""
        for block in self.values():
            block.update(net, path)
        self._file.replace(net, path)


def _is_network(argument: Any) -> bool:
    return callable(getattr(type(argument), "jacobian", None))  # asked of the type: a slice answers yes to every name
