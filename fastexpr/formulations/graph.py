"""Which nodes of a graph matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastexpr.formulations.affine import is_affine


def needed_nodes(nodes: Sequence[Any], outputs: Sequence[int]) -> set[int]:
    """Those that some output depends on."""
    needed, stack = set(outputs), list(outputs)
    while stack:
        k = stack.pop()
        if k == 0:
            continue
        for source in nodes[k - 1][1]:
            if source not in needed:
                needed.add(source)
                stack.append(source)
    return needed


def bounded_nodes(nodes: Sequence[Any], needed: set[int], depends: Sequence[bool]) -> list[int]:
    """Those whose bounds are asked for: nodes that are not affine, and their inputs."""
    found = set()
    for number, (operator, sources, _) in enumerate(nodes, start=1):
        if number in needed and depends[number] and not is_affine(operator.name, [depends[k] for k in sources]):
            found |= {number, *(k for k in sources if depends[k])}
    return sorted(found - {0})
