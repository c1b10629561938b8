"""Networks as surrogates of IDAES: in a SurrogateBlock of a flowsheet, without Keras, OMLT or equations for each unit.

Importing this takes idaes-pse, ``pip install "fastexpr[idaes]"``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np

from fastexpr import _core
from fastexpr._core import Function
from fastexpr.errors import FileError, FrameworkError
from fastexpr.frameworks.libraries import library

library("fastexpr.idaes", "idaes", ["idaes-pse"])

import pandas as pd  # noqa: E402  (IDAES brings it)
from idaes.core.surrogate.base.surrogate_base import SurrogateBase  # noqa: E402

from fastexpr.pyomo import NetworkBlock  # noqa: E402

FORMAT = "fastexpr surrogate 1"


class NetworkSurrogate(SurrogateBase):  # type: ignore[misc]
    """A network as a surrogate of IDAES.

    Parameters
    ----------
    net : Function
        From `load_onnx`, `from_keras`, `from_torch`, `from_sklearn`, ...
    input_labels, output_labels : sequence of str, optional
        Names of the inputs and outputs, in their order. By default those of the network.
    input_bounds : dict, optional
        (lower, upper) by input label: the range that the network was trained on. By default that of the network.
    input_scaler, output_scaler : OffsetScaler of IDAES, optional
        What the training data went through. They become part of the network.

    Raises
    ------
    fastexpr.errors.FrameworkError
        A scaler for other labels.
    ValueError
        Labels that occur twice, or bounds for other labels.

    Examples
    --------
    >>> import numpy as np, pyomo.environ as pyo, fastexpr as fx
    >>> from fastexpr.idaes import NetworkSurrogate
    >>> from idaes.core.surrogate.surrogate_block import SurrogateBlock
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.tanh(x[0]) * x[1])
    >>> surrogate = NetworkSurrogate(net, ["T", "p"], ["rate"], {"T": (0, 2), "p": (1, 3)})
    >>> m = pyo.ConcreteModel()
    >>> m.reactor = SurrogateBlock()
    >>> m.reactor.build_model(surrogate)
    >>> m.goal = pyo.Objective(expr=m.reactor.outputs["rate"], sense=pyo.maximize)
    >>> results = pyo.SolverFactory("fastexpr").solve(m)
    >>> round(pyo.value(m.reactor.outputs["rate"]), 3)
    2.892
    """

    def __init__(
        self,
        net: Function,
        input_labels: Sequence[str] | None = None,
        output_labels: Sequence[str] | None = None,
        input_bounds: Mapping[str, tuple[float, float]] | None = None,
        input_scaler: Any = None,
        output_scaler: Any = None,
    ) -> None:
        named = net.with_names(
            inputs=None if input_labels is None else list(input_labels),
            outputs=None if output_labels is None else list(output_labels),
        )
        scaled = named.scaled(
            *numbers_of(input_scaler, named.input_names, "input_scaler"),
            *numbers_of(output_scaler, named.output_names, "output_scaler"),
        )
        if input_bounds is None and scaled.lower is not None and scaled.upper is not None:
            limits = zip(scaled.lower.tolist(), scaled.upper.tolist(), strict=True)
            input_bounds = dict(zip(scaled.input_names, limits, strict=True))
        super().__init__(list(scaled.input_names), list(scaled.output_names), input_bounds)
        if input_bounds is not None:
            scaled = scaled.with_bounds(*np.transpose([input_bounds[label] for label in scaled.input_names]))
        self._net = scaled

    @property
    def net(self) -> Function:
        """The network, with labels, bounds and scalers."""
        return self._net

    def populate_block(self, block: Any, additional_options: dict[str, Any] | None = None) -> None:
        """Put the network between the block's inputs and outputs, as ``block.nn``.

        Parameters
        ----------
        block : SurrogateBlock
        additional_options : dict, optional
            What `build_model` was given besides: ``formulation``, as :class:`~fastexpr.pyomo.NetworkBlock` takes it.
        """
        options = {} if additional_options is None else additional_options
        block.nn = NetworkBlock(
            self._net,
            inputs=list(block.input_vars_as_dict().values()),
            outputs=list(block.output_vars_as_dict().values()),
            formulation=options.pop("formulation", None),
        )

    def evaluate_surrogate(self, dataframe: pd.DataFrame) -> pd.DataFrame:
        """The outputs at each row of inputs; further columns are not read.

        Raises
        ------
        KeyError
            A column is missing.
        """
        values = self._net(dataframe[self.input_labels()].to_numpy(dtype=float).reshape(-1, self.n_inputs()))
        return pd.DataFrame(values, columns=self.output_labels(), index=dataframe.index)

    def save(self, strm: IO[str]) -> None:
        """Write the surrogate to a text stream, as IDAES' `save_to_file` opens it."""
        content = {"format": FORMAT, "network": base64.b64encode(_core.to_bytes(self._net)).decode("ascii")}
        json.dump(content, strm)

    @classmethod
    def load(cls, strm: IO[str]) -> NetworkSurrogate:
        """The surrogate that `save` wrote.

        Raises
        ------
        fastexpr.errors.FileError
            The stream holds something else.
        """
        try:
            content = json.load(strm)
            if content["format"] != FORMAT:
                raise FileError(f"[NetworkSurrogate] format: got {content['format']!r}, expected {FORMAT!r}.")
            data = base64.b64decode(content["network"], validate=True)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"[NetworkSurrogate] this is no saved surrogate: {error!r}.") from error
        return cls(_core.from_bytes(data))


def numbers_of(scaler: Any, labels: Sequence[str], name: str) -> tuple[Any, Any]:
    """Offset and factor of an OffsetScaler, in the order of the labels."""
    if scaler is None:
        return 0.0, 1.0
    columns = list(scaler.expected_columns())
    if columns != list(labels):
        raise FrameworkError(
            f"[NetworkSurrogate] {name} is for other labels: got {columns}, expected {list(labels)}. What to do: make "
            "it from a data frame with these columns."
        )
    return scaler.offset_series()[columns].to_numpy(), scaler.factor_series()[columns].to_numpy()
