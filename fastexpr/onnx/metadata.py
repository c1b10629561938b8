"""What `to_onnx` adds to a model, because ONNX has no place for it: names of components, units, the inputs' range."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx

from fastexpr.errors import OnnxError

METADATA_KEY = "fastexpr"


def read_metadata(proto: onnx.ModelProto, n_inputs: int, n_outputs: int | None) -> dict[str, Any]:
    """The entries input_names, output_names, input_units, output_units, lower, upper, as far as they are there; none of
    outputs without `n_outputs`.

    Raises OnnxError where they do not fit the model: somebody has changed the one or the other.
    """
    texts = [entry.value for entry in proto.metadata_props if entry.key == METADATA_KEY]
    if not texts:
        return {}
    try:
        extra = json.loads(texts[0])
        if not isinstance(extra, dict):
            raise TypeError(f"got a {type(extra).__name__}, expected an object")
        names: dict[str, Any] = {
            key: [str(name) for name in extra[key]]
            for key in ("input_names", "output_names")
            if key in extra and (key == "input_names" or n_outputs is not None)
        }
        bounds: dict[str, Any] = {key: np.array(extra[key], np.float64) for key in ("lower", "upper") if key in extra}
        units: dict[str, Any] = {
            key: [str(unit) for unit in extra[key]]
            for key in ("input_units", "output_units")
            if key in extra and (key == "input_units" or n_outputs is not None)
        }
        found = {**names, **units, **bounds}
        are_different = all(len(set(value)) == len(value) for value in names.values())
        if are_different and all(
            len(value) == (n_outputs if key.startswith("output") else n_inputs) for key, value in found.items()
        ):
            return found
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise OnnxError(
            f"The model's metadata entry {METADATA_KEY!r} cannot be read: {error}. Remove the entry."
        ) from error
    raise OnnxError(
        f"The model's metadata entry {METADATA_KEY!r} does not fit its {n_inputs} inputs and {n_outputs} outputs. "
        "Remove the entry."
    )
