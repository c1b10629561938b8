"""ONNX files that are nearly right: models of ONNX's own node tests and random networks, changed at random places.

Such a file is a network or is refused by an error of this package, whatever is in it; a network can be evaluated.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx.backend.test.case.node import collect_testcases
from onnx.defs import get_all_schemas
from random_networks import random_network

import fastexpr as fx
from fastexpr.errors import FastexprError

SPECIAL_INTEGERS = (0, 1, -1, 2, 3, 5, 17, 64, 2**16, 2**31, 2**40, -(2**31), 2**63 - 1, -(2**63))
SPECIAL_FLOATS = (0.0, 1.0, -1.0, 1e-30, 1e30, float("inf"), float("nan"))
LARGEST_VALUE = 100_000  # numbers of x and f(x) up to which a network is evaluated


@functools.cache
def seeds() -> list[bytes]:
    models = [case.model for case in collect_testcases(None) if case.model is not None]
    models += [random_network(seed, 20) for seed in range(20)]
    texts = [model.SerializeToString() for model in models]
    return sorted(text for text in texts if len(text) < 50_000)


@functools.cache
def operator_names() -> list[str]:
    return sorted({schema.name for schema in get_all_schemas()})


def graphs_of(model: onnx.ModelProto) -> list[onnx.GraphProto]:
    """The graph and those in attributes of its nodes."""
    found = [model.graph]
    for graph in found:
        found += [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return found


class Mutation:
    """Changes of one model; each takes a random place, or does nothing where the model has none of its kind."""

    def __init__(self, model: onnx.ModelProto, dice: random.Random) -> None:
        self.model, self.dice = model, dice
        self.graph = dice.choice(graphs_of(model))

    def node(self) -> onnx.NodeProto | None:
        return self.dice.choice(self.graph.node) if self.graph.node else None

    def integer(self, old: int = 0) -> int:
        near = old + self.dice.choice((-1, 1))
        return self.dice.choice((near, *SPECIAL_INTEGERS)) if -(2**62) < old < 2**62 else 0

    def change_attribute(self) -> None:
        node = self.node()
        if node is None or not node.attribute:
            return
        a = self.dice.choice(node.attribute)
        if a.HasField("i"):
            a.i = self.integer(a.i)
        elif a.HasField("f"):
            a.f = self.dice.choice(SPECIAL_FLOATS)
        elif a.ints:
            self.change_list(a.ints, self.integer)
        elif a.floats:
            self.change_list(a.floats, lambda _: self.dice.choice(SPECIAL_FLOATS))
        elif a.HasField("s"):
            a.s = self.dice.choice((b"", b"NOTSET", b"SAME_UPPER", b"linear", b"\xff\xfe", a.s * 2))
        elif a.HasField("t"):
            self.change_one_tensor(a.t)
        else:
            a.type = self.dice.randrange(15)

    def change_list(self, numbers: Any, change: Callable[[Any], Any]) -> None:
        place = self.dice.randrange(len(numbers))
        kind = self.dice.randrange(4)
        if kind == 0:
            numbers.append(numbers[place])
        elif kind == 1:
            del numbers[place]
        else:
            numbers[place] = change(numbers[place])

    def drop_attribute(self) -> None:
        node = self.node()
        if node is not None and node.attribute:
            del node.attribute[self.dice.randrange(len(node.attribute))]

    def change_tensor(self) -> None:
        if self.graph.initializer:
            self.change_one_tensor(self.dice.choice(self.graph.initializer))

    def change_one_tensor(self, tensor: onnx.TensorProto) -> None:
        kind = self.dice.randrange(4)
        if kind == 0 and tensor.dims:
            self.change_list(tensor.dims, self.integer)
        elif kind == 1:
            tensor.data_type = self.dice.randrange(30)
        elif kind == 2 and tensor.raw_data:
            data = bytearray(tensor.raw_data)
            data[self.dice.randrange(len(data))] = self.dice.randrange(256)
            tensor.raw_data = bytes(data[: self.dice.choice((len(data), len(data) - 1))])
        else:
            tensor.name = self.dice.choice(self.tensor_names())

    def tensor_names(self) -> list[str]:
        names = [name for node in self.graph.node for name in (*node.input, *node.output)]
        return [*names, *(i.name for i in self.graph.input), "", "nowhere"]

    def change_input(self) -> None:
        node = self.node()
        if node is None:
            return
        kind = self.dice.randrange(3)
        if kind == 0 or not node.input:
            node.input.append(self.dice.choice(self.tensor_names()))
        elif kind == 1:
            del node.input[self.dice.randrange(len(node.input))]
        else:
            node.input[self.dice.randrange(len(node.input))] = self.dice.choice(self.tensor_names())

    def change_output(self) -> None:
        node = self.node()
        if node is not None and node.output:
            node.output[self.dice.randrange(len(node.output))] = self.dice.choice(self.tensor_names())

    def change_operator(self) -> None:
        node = self.node()
        if node is not None:
            node.op_type = self.dice.choice(operator_names())

    def copy_node(self) -> None:
        node = self.node()
        if node is not None:
            self.graph.node.append(node)

    def drop_node(self) -> None:
        if self.graph.node:
            del self.graph.node[self.dice.randrange(len(self.graph.node))]

    def change_shape(self) -> None:
        ports = [*self.graph.input, *self.graph.output]
        if not ports:
            return
        kind = self.dice.choice(ports).type.tensor_type
        if self.dice.randrange(3) == 0:
            kind.elem_type = self.dice.randrange(25)
        elif kind.shape.dim:
            dimension = self.dice.choice(kind.shape.dim)
            if self.dice.randrange(2):
                dimension.dim_value = self.integer(dimension.dim_value)
            else:
                dimension.dim_param = self.dice.choice(("N", "", "?"))
        else:
            kind.shape.dim.add().dim_value = self.integer()

    def change_opset(self) -> None:
        if self.model.opset_import:
            self.model.opset_import[0].version = self.dice.choice((1, 6, 9, 11, 13, 18, 21, 23, 99, -1, 2**62))

    def change_output_list(self) -> None:
        if self.graph.output and self.dice.randrange(2):
            del self.graph.output[0]
        elif self.graph.input:
            self.graph.output.append(self.graph.input[0])


CHANGES = tuple(getattr(Mutation, name) for name in dir(Mutation) if name.startswith(("change_", "copy_", "drop_")))
CHANGES = tuple(c for c in CHANGES if c.__name__ not in ("change_list", "change_one_tensor"))


def mutated(seed: int) -> bytes:
    dice = random.Random(seed)
    text = dice.choice(seeds())
    if dice.randrange(10) == 0:  # bytes, whatever they mean
        data = bytearray(text)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data)
    model = onnx.ModelProto.FromString(text)
    mutation = Mutation(model, dice)
    for _ in range(dice.randrange(1, 5)):
        dice.choice(CHANGES)(mutation)
        mutation.graph = dice.choice(graphs_of(model))
    return bytes(model.SerializeToString())


def case(seed: int) -> None:
    try:
        net = fx.load_onnx(mutated(seed))
    except FastexprError:
        return
    n, m = net.n_inputs, net.n_outputs
    if max(n, m) <= LARGEST_VALUE and n * (n + m) <= LARGEST_VALUE:
        value, jacobian, hessian = net.evaluate(np.full(n, 0.25), np.ones(m))
        assert value.shape == (m,)
        assert jacobian.shape == (m, n)
        assert hessian.shape == (n, n)
