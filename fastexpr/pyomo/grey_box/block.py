"""Many instances of one network as a single grey box of PyNumero, the part of Pyomo whose solvers call Python back.

This module brings SciPy and PyNumero along; `fastexpr.pyomo` imports it at first use.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxModel

from fastexpr._core import Function
from fastexpr.errors import ModelError, ShapeError
from fastexpr.function.arguments import in_order, numbers_of
from fastexpr.function.labels import Names, names_of
from fastexpr.pyomo.grey_box.batch import Instances
from fastexpr.pyomo.grey_box.variables import (
    Instance,
    OutputName,
    check_index,
    set_bounds,
    set_scaling,
    set_values,
    starting_values,
    typical_factors,
)

Array = npt.NDArray[np.float64]


class GreyBox(ExternalGreyBoxModel):  # type: ignore[misc]
    """A network for PyNumero's ``ExternalGreyBoxBlock``: any number of instances of it, evaluated as one batch.

    ``m.egb = ExternalGreyBoxBlock(external_model=GreyBox(net, instances=T))`` has the variables ``m.egb.inputs`` and
    ``m.egb.outputs`` with outputs == network(inputs) in every instance, with exact sparse Jacobians and Hessians.
    Names are the network's (``"flow"``); with `instances` each has its instance's number, counted from 0
    (``"flow[0]"``, ``"flow[1]"``, ...), and all of one instance come before those of the next.

    As the block is made, it gets bounds, starting values and scaling factors. Each block has a GreyBox of its own: if
    one is put into a second block, that gets a copy (``get_external_model()``), which shares the network.

    Parameters
    ----------
    net : Function
    instances : int, optional
        How many; one, under the network's own names, where this is left out.
    bounds : bool
        Whether the range that the network is meant for (``net.with_bounds``) bounds the inputs (also your variables,
        whose own bounds stay where they are tighter) and, by interval arithmetic, the block's own outputs.
    scaling : bool or (n_outputs,) numbers
        Scaling factors, for solvers that are told to use them (Ipopt: ``nlp_scaling_method="user-scaling"``). True:
        one over how much an input or output varies in the network's range, if that is finite, for the block's own
        variables (in its Suffix ``scaling_factor``) and for the outputs' equations. Numbers: for these equations only.

    Raises
    ------
    TypeError
        `net` is not a Function, or `instances` not an integer.
    ModelError
        Names that occur twice, fewer than one instance, factors that are not positive; as a block is made, bounds
        that leave nothing, or variables under other names.
    ShapeError
        The number of factors is wrong.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx, fastexpr.pyomo as fxp
    >>> from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxBlock
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.tanh(x[0] - x[1])).with_names(inputs=["hot", "cold"], outputs=["flow"])
    >>> m = pyo.ConcreteModel()
    >>> m.egb = ExternalGreyBoxBlock(external_model=fxp.GreyBox(net.with_bounds([0, 0], [1, 1]), instances=3))
    >>> m.egb.inputs["hot[2]"].bounds
    (0.0, 1.0)
    >>> m.total = pyo.Objective(expr=sum(m.egb.outputs[f"flow[{t}]"] for t in range(3)))
    >>> instances = m.egb.get_external_model().instances(m.egb)
    >>> instances[2].outputs["flow"] is m.egb.outputs["flow[2]"]
    True
    """

    def __init__(
        self, net: Any, instances: int | None = None, *, bounds: bool = True, scaling: bool | npt.ArrayLike = True
    ) -> None:
        self._owner = "[GreyBox]"
        self._check_network(net)
        self.n_instances = 1 if instances is None else self._checked_count(instances)
        numbers = [""] if instances is None else [f"[{number}]" for number in range(self.n_instances)]
        self._input_names = [name + number for number in numbers for name in net.input_names]
        self._output_names = [name + number for number in numbers for name in net.output_names]
        self._has_bounds = bounds
        self._has_scaling = scaling is True
        self._equation_factors = None if isinstance(scaling, bool) else self._checked_factors(net, scaling)
        self._is_in_a_block = False
        self._batch = Instances(net, self.n_instances, self._owner)

    def _check_network(self, net: Any) -> None:
        if not isinstance(net, Function):
            raise TypeError(
                f"{self._owner} takes a fastexpr.Function: got {type(net).__name__} {net!r}. For an ONNX file use "
                "fastexpr.load_onnx(path), for a saved network fastexpr.load(path)."
            )
        for kind, names in (("input", net.input_names), ("output", net.output_names)):
            if len(set(names)) != len(names):
                raise ModelError(f"{self._owner} {kind} names occur twice. Rename them: net.with_names({kind}s=[...]).")

    def _checked_count(self, instances: Any) -> int:
        if isinstance(instances, bool) or not hasattr(instances, "__index__"):
            raise TypeError(f"{self._owner} instances= takes a number: got {instances!r}, expected an integer.")
        if instances.__index__() < 1:
            raise ModelError(f"{self._owner} too few instances: got {instances}, expected at least 1.")
        return int(instances)

    def _checked_factors(self, net: Any, scaling: Any) -> Array:
        factors = np.array(numbers_of(net, "output", scaling, f"{self._owner} scaling="))
        if factors.shape != (net.n_outputs,):
            raise ShapeError(
                f"{self._owner} wrong shape of scaling=: got {factors.shape}, expected ({net.n_outputs},), one factor "
                "for each output."
            )
        if not (np.isfinite(factors) & (factors > 0)).all():
            raise ModelError(f"{self._owner} wrong scaling factors: got {factors}, expected positive numbers.")
        return np.tile(factors, self.n_instances)

    def _names(self, side: str, names: list[str]) -> Names:
        return Names(names, side, names_of(self.net, side).are_default, self._owner)

    @property
    def net(self) -> Any:
        """The network, a :class:`~fastexpr.Function`."""
        return self._batch.net

    def update(self, net: Any) -> None:
        """Put another network in place of this one. Clones of the model keep theirs.

        The inputs keep the range of the network of before; the bounds of the block's own outputs follow the new one.

        Parameters
        ----------
        net : Function
            With the same inputs and outputs, by number and name.

        Raises
        ------
        TypeError
            `net` is not a Function.
        ModelError
            The inputs or outputs differ.
        """
        self._check_network(net)
        for kind in ("input", "output"):
            before, after = (getattr(network, f"{kind}_names") for network in (self.net, net))
            if before != after:
                raise ModelError(
                    f"{self._owner} the new network has other {kind}s: got {', '.join(after[:10])}, expected "
                    f"{', '.join(before[:10])}. Give it the same names, net.with_names({kind}s=[...]), or build the "
                    "model again."
                )
        self._batch = Instances(net, self.n_instances, self._owner)

    # ---- the block and its variables ---------------------------------------------------------------------------------

    def n_inputs(self) -> int:
        """How many inputs all instances have together."""
        return len(self._input_names)

    def n_outputs(self) -> int:
        """How many outputs all instances have together."""
        return len(self._output_names)

    def input_names(self) -> list[str]:
        """The inputs' names, instance by instance."""
        return list(self._input_names)

    def output_names(self) -> list[str]:
        """The outputs' names, instance by instance."""
        # plain for the keys of the block's variables, which are made first; then for the names of its equations
        return [(OutputName if self._is_in_a_block else str)(name) for name in self._output_names]

    def instances(self, block: Any) -> list[Instance]:
        """The variables of a block that has this GreyBox, by instance and by the network's names.

        Parameters
        ----------
        block : ExternalGreyBoxBlock
            One, without index.

        Returns
        -------
        list of Instance
            Each with `inputs` and `outputs`, dicts from the network's names to variables.
        """
        inputs, outputs = iter(block.inputs.values()), iter(block.outputs.values())
        net = self.net
        return [
            Instance(
                {name: next(inputs) for name in net.input_names}, {name: next(outputs) for name in net.output_names}
            )
            for _ in range(self.n_instances)
        ]

    def initialize(self, block: Any) -> None:
        """Set the outputs of a block to the network's values at the inputs.

        Inputs without a value get one first: the middle of their bounds, or what is nearest to zero within them.

        Parameters
        ----------
        block : ExternalGreyBoxBlock
            One, without index, that has this GreyBox.

        Raises
        ------
        EvaluationError
            An input or an output is not finite.
        """
        self.set_input_values(starting_values(block.inputs))
        set_values(block.outputs.values(), self.evaluate_outputs())

    def finalize_block_construction(self, pyomo_block: Any) -> None:
        """Set bounds, starting values and scaling factors: PyNumero calls this when a block has its variables."""
        if self._is_in_a_block:  # each block is solved at a point of its own
            pyomo_block._ex_model = copy.deepcopy(self)
            pyomo_block._ex_model._construct(pyomo_block)
        else:
            self._construct(pyomo_block)

    def _construct(self, block: Any) -> None:
        self._is_in_a_block = True
        self._owner = self._batch.owner = f"[GreyBox '{block.name}']"
        check_index(self._owner, "input", block.inputs, self._input_names)
        check_index(self._owner, "output", block.outputs, self._output_names)
        if self._has_bounds:
            set_bounds(block, self, self.instances(block))
        unset = [variable.value is None for variable in block.outputs.values()]
        start = self.net(starting_values(block.inputs).reshape(self.n_instances, -1)).ravel()
        set_values(block.outputs.values(), np.where(unset, start, np.nan))
        factors = typical_factors(self.net) if self._has_scaling else None
        if factors is not None:
            inputs, outputs = (np.tile(each, self.n_instances) for each in factors)
            set_scaling(block, [(block.inputs, inputs), (block.outputs, outputs)])
            self._equation_factors = outputs

    def get_output_constraint_scaling_factors(self) -> Array | None:
        """Factors of the equations outputs == network(inputs), None where there are none."""
        return self._equation_factors

    # ---- what a solver asks for --------------------------------------------------------------------------------------

    def set_input_values(self, input_values: npt.ArrayLike) -> None:
        """Choose the point: (T * n,) numbers, instance by instance; labels are matched with `input_names`.

        One that is not finite makes the evaluations fail, from where solvers step back.

        Raises
        ------
        ShapeError
            The number of values is wrong, or labels do not match.
        """
        names = partial(self._names, "input", self._input_names)
        self._batch.set_point(in_order(input_values, names, "input values"))

    def set_output_constraint_multipliers(self, output_con_multiplier_values: npt.ArrayLike) -> None:
        """Choose the outputs' weights in the Hessian: (T * m,) numbers, instance by instance."""
        names = partial(self._names, "output", self._output_names)
        self._batch.set_multipliers(in_order(output_con_multiplier_values, names, "multipliers"))

    def evaluate_outputs(self) -> Array:
        """All instances' outputs at the chosen point.

        Returns
        -------
        (T * m,) array

        Raises
        ------
        EvaluationError
            The point or a result is not finite, here and below. It is a PyNumeroEvaluationError, too.
        """
        return self._batch.values()

    def evaluate_jacobian_outputs(self) -> Any:
        """The outputs' derivatives at the chosen point.

        Returns
        -------
        (T * m, T * n) SciPy coo_matrix
            Always with the same places: the network's pattern once for every instance.
        """
        return self._batch.jacobian()

    def evaluate_hessian_outputs(self) -> Any:
        """The lower triangle of the second derivatives of multipliers @ outputs at the chosen point.

        Returns
        -------
        (T * n, T * n) SciPy coo_matrix
            Always with the same places: the network's pattern once for every instance; at least one, a zero, as
            PyNumero cannot add up Hessians without any entry.
        """
        return self._batch.hessian()
