"""Which output of a classifier is meant by a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import NotFoundError
from fastexpr.formulations.heads import without_head


class Classes(NamedTuple):
    """What has to hold for a label.

    Attributes
    ----------
    logits : Function or None
        The network up to its logits; None where its outputs are compared as they are.
    position : int
        Of the label; of a network with one output 0 or 1: whether it has to be above the threshold.
    threshold : float
        Of a network with one output.
    factor : float
        By which a margin in logits is multiplied; see `Head`.
    """

    logits: Function | None
    position: int
    threshold: float
    factor: float


def classes_of(net: Function, label: Any, classes: Sequence[Any] | None = None) -> Classes:
    """How a network says a label: the largest output, or, with one output, on which side of its threshold that is.

    Parameters
    ----------
    net : Function
    label
        One of `classes_`, where the names of outputs hold them (``y[setosa]``), or of `classes`; else a position.
    classes : sequence, optional
        All labels, in order.

    Raises
    ------
    fastexpr.errors.NotFoundError
        There is no such label.
    """
    head = without_head(net)
    position = position_of(net, label, classes)
    threshold = 0.0
    if net.n_outputs == 1 and head is None:
        low, high = net.output_bounds(np.full(net.n_inputs, -np.inf), np.full(net.n_inputs, np.inf))
        threshold = 0.5 if low[0] >= -1e-9 and high[0] <= 1.0 + 1e-9 else 0.0  # a probability, or a decision function
    if head is None:
        return Classes(None, position, threshold, 1.0)
    return Classes(head.body, position, threshold, head.factor)


def position_of(net: Function, label: Any, classes: Sequence[Any] | None) -> int:
    """The place of a label among the classes."""
    n_classes = max(2, net.n_outputs)
    if classes is not None:
        known = [entry.item() if isinstance(entry, np.generic) else entry for entry in classes]
        if len(known) != n_classes:
            raise NotFoundError(f"[ClassifiedAs] got {len(known)} classes, expected {n_classes}.")
        if label in known:
            return known.index(label)
        raise NotFoundError(f"[ClassifiedAs] there is no label {label!r}: expected one of {known}.")
    names = [inner(name) for name in net.output_names]
    if net.n_outputs > 1:
        text = str(label)
        for spelled in (names, list(net.output_names)):
            if text in spelled:
                return spelled.index(text)
        is_place = isinstance(label, int | np.integer) and not isinstance(label, bool) and 0 <= label < n_classes
        if is_place and not any(is_number(name) for name in names):
            return int(label)
        raise NotFoundError(
            f"[ClassifiedAs] there is no label {label!r}: the network's are {', '.join(names)}. What to do: one of "
            "these, or a position with classes=range(n)."
        )
    if names[0] != net.output_names[0] and str(label) == names[0]:  # y[label] is the second of two classes
        return 1
    is_open = names[0] == net.output_names[0] or names[0] in ("1", "True")
    if is_open and str(label) in ("0", "1", "False", "True"):
        return int(str(label) in ("1", "True"))
    raise NotFoundError(
        f"[ClassifiedAs] which of two classes {label!r} is, is not known: the network names only "
        f"'{net.output_names[0]}'. What to do: pass both, in order, classes=[first, second] (the model's classes_)."
    )


def inner(name: str) -> str:
    """`setosa` of `y[setosa]`."""
    return name[name.index("[") + 1 : -1] if "[" in name and name.endswith("]") else name


def is_number(text: str) -> bool:
    """Whether a label is one."""
    try:
        float(text)
    except ValueError:
        return False
    return True
