"""Turns a model into the core's list of nodes, one ONNX node after the other. Nothing is fused here: the core does
that.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

import fastexpr.onnx.converters  # noqa: F401  (registers them)
from fastexpr._core import Function
from fastexpr.errors import FastexprError, GraphError, OnnxError, ShapeError
from fastexpr.expression import component_names
from fastexpr.function.variants import checked_names
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.definitions import definition
from fastexpr.onnx.element_types import typed
from fastexpr.onnx.empties import RANDOM_OPERATORS, empty_results
from fastexpr.onnx.folding import FOLDED, fold, size_of
from fastexpr.onnx.functions import inlined
from fastexpr.onnx.handle import Handle, Tensors, Value
from fastexpr.onnx.inputs import Fixed, Shapes, read_inputs
from fastexpr.onnx.metadata import read_metadata
from fastexpr.onnx.model_file import NEWEST_OPSET, ModelFile
from fastexpr.onnx.node import OnnxNode, RunGraph, node_title, operator_domain, operator_schema
from fastexpr.onnx.ordering import WITH_GRAPHS, evaluation_order, reads
from fastexpr.onnx.ports import Output
from fastexpr.onnx.registry import ML, find_converter, listed, operator_names
from fastexpr.onnx.scope import Scope, Subgraph, inner_block
from fastexpr.onnx.signatures import MICROSOFT
from fastexpr.onnx.sizes import Budget, check_ports

KNOWN_DOMAINS = {schema.domain for schema in onnx.defs.get_all_schemas()} | {MICROSOFT}
DIVERGED = "The training has probably diverged: train and export again."
FEW = 1000  # numbers that are looked at one by one
LARGEST_UNROLLING = 30_000  # nodes of graphs inside If, Loop and Scan
#: What chooses, compares or only moves numbers: the infinite ones may be left out later.
MAY_BE_INFINITE = {
    "Clip", "Max", "Min", "Where", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "IsNaN", "IsInf",
    "Cast", "CastLike", "Identity", "Constant",
    "Compress", "Concat", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "OneHot", "Pad", "Reshape",
    "ScatterElements", "ScatterND", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze",
    "Imputer", "TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor",  # NaN is "missing"
}  # fmt: skip
#: What a mask is given to: -inf leaves a key of an attention out.
MAY_BE_MASKED = {"Add", "Attention"}


class Importer:
    """One run over a model.

    `like` is an importer of the same model with other lengths: constants that are the same are taken from there.

    Attributes
    ----------
    inputs : the ports that make up x
    fixed : the inputs that are constants
    beside_x : what another evaluator must be given for the other inputs
    outputs : what is computed, and the tensors that hold it
    nodes : those of the model's graph
    order : positions of the nodes that were converted
    values : every tensor of the model's own graph that was computed, by its name in the file
    graph : the core nodes
    """

    def __init__(
        self,
        model: ModelFile,
        shapes: Shapes | None = None,
        outputs: Sequence[Output] | None = None,
        fixed: Fixed | None = None,
        like: Importer | None = None,
    ) -> None:
        self.model = model
        self.proto: onnx.ModelProto = like.proto if like else inlined(model.proto)
        weights = model.weights
        declared = [Output(str(info.name), str(info.name)) for info in self.proto.graph.output]
        self.outputs = declared if outputs is None else list(outputs)
        self.has_all_outputs = len(self.outputs) == len(declared)
        infos = [info for info in self.proto.graph.input if info.name not in weights or info.name in (fixed or {})]
        sources = [output.source for output in self.outputs]
        self.nodes = list(self.proto.graph.node)
        read = [reads(node) for node in self.nodes]
        given = {*weights, *(str(info.name) for info in infos)}
        self.order = evaluation_order(self.proto.graph, given, sources, nodes=self.nodes, read=read)
        used = set(sources).union(*[read[position] for position in self.order])
        self.inputs, self.fixed, constants, self.beside_x = read_inputs(infos, used, shapes or {}, fixed or {})
        check_ports("Input", {port.name: port.size for port in self.inputs})
        self.graph: GraphBuilder = GraphBuilder(
            sum(port.size for port in self.inputs),
            n_weights=sum(array.size for array in weights.values()),
            like=like.graph if like else None,
        )
        self._scope = Scope(weights, model.opsets)
        self.values = self._scope.values
        self.values |= constants
        self._blocks: dict[tuple[int, str], tuple[onnx.NodeProto, Subgraph]] = {}  # a kept node's id stays its own
        self._constant_results: dict[int, tuple[list[Any], Sequence[Any]]] = {}  # of the model's own nodes
        self._known_results = like._constant_results if like else {}
        self._n_unrolled = 0
        self._budget = Budget(sum(array.nbytes for array in weights.values()))

    def run(self) -> None:
        """Converts every node that the outputs need."""
        self._split_x()
        with np.errstate(all="ignore"):  # constants that are not finite are refused where they are used
            for position in self.order:
                self._convert(self.nodes[position], position, self._scope)

    @property
    def folding_work(self) -> int:
        """Operations that computing with constants took."""
        return self._budget.work_done

    def append(self, proto: onnx.NodeProto, position: int) -> None:
        """Converts one more node, whose inputs are among `values`, which get its outputs."""
        with np.errstate(all="ignore"):
            self._convert(proto, position, self._scope)

    def function(self, input_names: Sequence[str] | None, output_names: Sequence[str] | None) -> Function:
        """The function from the joined inputs to the joined outputs."""
        if not self.inputs and self.fixed:
            raise OnnxError(
                "[load_onnx] fixed: all inputs of the model are constants, so there is nothing to differentiate. Leave "
                "one out."
            )
        if not self.inputs or not self.outputs:
            raise OnnxError(
                f"The model has {len(self.inputs)} inputs and {len(self.outputs)} outputs, expected at least one of "
                "each. Export the model again."
            )
        return self.function_of(self.outputs, input_names, output_names, keep_metadata=True)

    def function_of(
        self,
        outputs: Sequence[Output],
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        keep_metadata: bool = False,
    ) -> Function:
        """The function from the joined inputs to these tensors."""
        handles = [self.output_handle(output) for output in outputs]
        inputs = [(port.name, port.shape) for port in self.inputs]
        ports = [(output.name, handle.shape) for output, handle in zip(outputs, handles, strict=True)]
        check_ports("Output", {name: math.prod(shape) for name, shape in ports})
        n_inputs, n_outputs = self.graph.x.shape[0], sum(math.prod(handle.shape) for handle in handles)
        extra = {}
        if keep_metadata:
            extra = read_metadata(self.proto, n_inputs, n_outputs if self.has_all_outputs else None)
        names_in, names_out = (
            stated_names(f"[load_onnx] {what}", chosen, extra.get(what), named)
            for what, chosen, named in (("input_names", input_names, inputs), ("output_names", output_names, ports))
        )
        ids = [handle.id for handle in handles]
        return Function._from_nodes(
            n_inputs,
            self.graph.nodes,
            ids,
            inputs,
            ports,
            names_in,
            names_out,
            extra.get("lower"),
            extra.get("upper"),
            extra.get("input_units"),
            extra.get("output_units"),
        )

    def _split_x(self) -> None:
        """The ports as slices of x."""
        start = 0
        for port in self.inputs:
            self.graph.label = port.name
            self.values[port.name] = self.graph.part_of_x(start, port.size).reshape(port.shape)
            start += port.size

    def _convert(self, proto: onnx.NodeProto, position: int, scope: Scope) -> None:
        title = scope.node_title(proto, position)
        domain, opset = checked_opset(proto, title, scope.opsets)
        inputs, depends = self._inputs(proto, title, scope)
        found = find_converter(proto.op_type, opset, domain)
        self.graph.label = scope.node_label(proto, position)
        results: Sequence[Any] | None = empty_results(proto, inputs, scope.opsets, title)
        is_constant = not depends and scope is self._scope and proto.op_type not in WITH_GRAPHS
        known = self._known_results.get(position) if is_constant else None
        if not depends and not known:
            self._budget.spend_work(sum(map(size_of, inputs)), title)
        is_folded = not depends and not (found and found.takes_constants) and (found or proto.op_type in FOLDED)
        if results is not None:
            pass
        elif known and all(a is b for a, b in zip(known[0], inputs, strict=True)):
            results = known[1]
        elif found is None and not is_folded:
            results = self._expand(proto, inputs, opset, title, scope)
        else:
            if not (not depends and (is_folded or found.takes_constants)):  # type: ignore[union-attr]
                refuse_strings(proto, inputs)
            node = OnnxNode(proto, title, opset, inputs, self.graph, self._inner_graphs(proto, title, scope))
            try:
                convert = found and found.convert
                converted: Any = fold(node, convert, self._budget) if is_folded else convert(node)  # type: ignore[misc]
            except (GraphError, ShapeError) as error:  # the core knows operators, not nodes
                raise type(error)(f"{title} {without_title(str(error))}") from error
            except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
                if isinstance(error, FastexprError):
                    raise
                raise OnnxError(f"{title} cannot be converted: {error}. Export the model again.") from error
            results = typed(listed(converted), inputs, proto.op_type, opset, domain)
        if is_constant and not any(isinstance(value, (Handle, Tensors)) for value in results):
            self._constant_results[position] = inputs, results
        self._budget.spend(results, title)
        self._keep_results(proto, title, results, scope)

    def _expand(
        self, proto: onnx.NodeProto, inputs: list[Value | None], opset: int, title: str, outer: Scope
    ) -> list[Value | None]:
        """The outputs of an operator without a converter, by the definition that the standard gives of it."""
        float_type = self.inputs[0].data_type if self.inputs else onnx.TensorProto.DOUBLE
        is_random = proto.op_type in RANDOM_OPERATORS
        try:
            body = None if is_random else definition(proto, opset, inputs, float_type)
        except (RuntimeError, ValueError) as error:  # what ONNX itself says of a node that its definition does not fit
            raise OnnxError(f"{title} has no definition that fits: {error}. Export the model again.") from error
        if body is None and inputs and not is_random and all(isinstance(value, np.ndarray | None) for value in inputs):
            raise OnnxError(
                f"{title} has constant inputs only, and {proto.op_type} is not evaluated while a file is read. Export "
                "the model with constants folded."
            )
        if body is None:
            raise OnnxError(unknown_operator(proto, title, opset))
        stated = {str(entry.domain): int(entry.version) for entry in body.opset_import}
        scope = Scope({}, {"": NEWEST_OPSET} | outer.opsets | stated, title=title, label=self.graph.label)
        scope.values.update(zip(body.input, [*inputs, *[None] * (len(body.input) - len(inputs))], strict=False))
        for position, node in enumerate(body.node):
            self._convert(node, position, scope)
        return [scope.values.get(name) for name in body.output]

    def _inner_graphs(self, proto: onnx.NodeProto, title: str, scope: Scope) -> RunGraph:
        """What a converter calls to have a graph inside its node converted."""
        label = self.graph.label

        def run_graph(attribute: str, inputs: Sequence[Value], part: str) -> list[Value]:
            block = self._block(proto, attribute, title, scope)
            if len(inputs) != len(block.inputs):
                raise OnnxError(
                    f"{title} The graph {attribute!r} has {len(block.inputs)} inputs, expected {len(inputs)}. Export "
                    "the model again."
                )
            self._n_unrolled += len(block.order) + 1
            if self._n_unrolled > LARGEST_UNROLLING:
                raise OnnxError(
                    f"{title} is written out, and gives more than {LARGEST_UNROLLING} nodes with the others like it. "
                    "Export the model with fewer steps."
                )
            run = scope.inside(block.weights, f"{label}[{part}]")
            run.values.update(zip(block.inputs, inputs, strict=True))
            for position in block.order:
                self._convert(block.nodes[position], position, run)
            self.graph.label = label
            return [run.find(name) for name in block.outputs]  # type: ignore[misc]

        return run_graph

    def _block(self, proto: onnx.NodeProto, attribute: str, title: str, scope: Scope) -> Subgraph:
        """The graph that is this attribute, prepared once."""
        key = (id(proto), attribute)
        if key not in self._blocks:
            graph = next(entry.g for entry in proto.attribute if entry.name == attribute)
            self._blocks[key] = (proto, inner_block(graph, title, scope))
        return self._blocks[key][1]

    def _inputs(self, proto: onnx.NodeProto, title: str, scope: Scope) -> tuple[list[Value | None], bool]:
        """The node's inputs, and whether any of them depends on x. Weights must be finite, and so must constants where
        they meet x; in between, infinities may come and go.
        """
        inputs = [scope.find(name) if name else None for name in proto.input]
        depends = any(isinstance(value, (Handle, Tensors)) for value in inputs)
        if scope.title or proto.op_type in MAY_BE_INFINITE:
            return inputs, depends
        for name, value in zip(proto.input, inputs, strict=True):
            if not isinstance(value, np.ndarray):
                continue
            holder = scope.holder(name)
            is_weight = name not in holder.values
            if (depends or is_weight) and name not in holder.checked:
                owner = f"[Initializer {name!r}]" if is_weight else f"{title} The constant {name!r}"
                advice = DIVERGED
                if any(port.name == name for port in self.fixed):
                    owner, advice = f"{title} The input {name!r}, which is fixed,", "Fix it at finite numbers."
                if check_finite(value, owner, proto.op_type in MAY_BE_MASKED, advice):
                    holder.checked.add(name)
        return inputs, depends

    def _keep_results(self, proto: onnx.NodeProto, title: str, results: Sequence[Value | None], scope: Scope) -> None:
        """Puts the node's outputs where other nodes find them. One that a converter does not give must not be read."""
        for k, name in enumerate(proto.output):
            result = results[k] if k < len(results) else None
            if name and result is None and self._is_read(name, scope):
                raise OnnxError(
                    f"{title} has an output {k} ({name!r}), which is not supported. Export the model without it."
                )
            if name and result is not None:
                scope.values[name] = result

    def _is_read(self, name: str, scope: Scope) -> bool:
        """Whether something that is converted reads the tensor; inside of loops and definitions, that is assumed."""
        if scope is not self._scope:
            return True
        return any(name == output.source for output in self.outputs) or any(
            name in reads(self.nodes[position]) for position in self.order
        )

    def inputs_behind(self, value: Handle) -> set[str]:
        """Names of the inputs that the value depends on."""
        nodes = self.graph.nodes_behind(value)
        ports = {port.name: self.values[port.name] for port in self.inputs}
        return {name for name, part in ports.items() if isinstance(part, Handle) and part.id in nodes}

    def value(self, name: str) -> Value:
        """A tensor that was computed, or a weight."""
        value = self._scope.find(name)
        assert value is not None
        return value

    def maker_of(self, name: str) -> str:
        """How messages name the node that gives the tensor, or the input that it is."""
        for position in self.order:
            if name in self.nodes[position].output:
                return node_title(self.nodes[position], position)
        return f"[Input {name!r}]"

    def output_handle(self, output: Output) -> Handle:
        """The declared output as a node."""
        value = self.value(output.source)
        if isinstance(value, Handle):
            return value
        if isinstance(value, Tensors):
            raise OnnxError(f"[Output {output.name!r}] is a sequence, expected a tensor. Leave it out.")
        if value.dtype.kind != "f":
            raise OnnxError(
                f"[Output {output.name!r}] is a constant with elements {value.dtype}, expected float or double. Leave "
                "it out."
            )
        if value.size == 0:
            raise OnnxError(
                f"[Output {output.name!r}] has the shape {value.shape}, which holds no numbers. Leave it out."
            )
        check_finite(value, f"[Output {output.name!r}]")
        self.graph.label = output.name
        return self.graph.handle(value)


def stated_names(
    what: str, chosen: Sequence[str] | None, kept: Sequence[str] | None, ports: Sequence[tuple[str, Sequence[int]]]
) -> list[str] | None:
    """Names that the user or the file gives; None where neither does: they are made of the ports."""
    if chosen is None:
        return list(kept) if kept else None
    return checked_names(what, chosen, component_names([(name, tuple(shape)) for name, shape in ports]))


def checked_opset(proto: onnx.NodeProto, title: str, opsets: dict[str, int]) -> tuple[str, int]:
    """Domain and operator set that the node follows; refuses operators that are not ONNX's, and counts inputs and
    outputs.
    """
    domain = operator_domain(proto)
    if domain not in KNOWN_DOMAINS:
        raise OnnxError(unknown_operator(proto, title, opsets.get(domain)))
    if domain not in opsets:
        whose = "ONNX's own operators" if domain == "" else f"the operators of {domain}"
        raise OnnxError(f"{title} belongs to {whose}, whose operator set the model does not declare. Export again.")
    opset = opsets[domain]
    schema = operator_schema(str(proto.op_type), opset, domain)
    if schema is None:
        raise OnnxError(unknown_operator(proto, title, opset))
    if not schema.min_input <= len(proto.input) <= schema.max_input or len(proto.output) > schema.max_output:
        raise OnnxError(
            f"{title} has {len(proto.input)} inputs and {len(proto.output)} outputs, expected {schema.min_input} "
            f"to {schema.max_input} inputs and at most {schema.max_output} outputs. Export the model again."
        )
    return domain, opset


def holds_texts(value: Value | None) -> bool:
    """Whether it is a constant of texts."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "OUS"


def refuse_strings(proto: onnx.NodeProto, inputs: Sequence[Value | None]) -> None:
    """Refuses to compute with texts."""
    for name, value in zip(proto.input, inputs, strict=True):
        if holds_texts(value):
            raise OnnxError(
                f"[Initializer {name!r}] holds elements string, expected floats, integers or bool. Export the model "
                "with float or double weights."
            )


def unknown_operator(proto: onnx.NodeProto, title: str, opset: int | None) -> str:
    """The message about an operator without a converter."""
    domain, name = operator_domain(proto), str(proto.op_type)
    if name in RANDOM_OPERATORS and not domain:
        return (
            f"{title} is random: got operator {name}, expected a function of the inputs. Call model.eval() before "
            "exporting, or leave it out of the model."
        )
    if domain.startswith(f"{MICROSOFT}."):
        return (
            f"{title} is laid out for one kind of CPU by ONNX Runtime: got domain {domain!r}, expected operators of "
            "the standard. Take the model before optimization, or save it with graph_optimization_level = "
            "ORT_ENABLE_EXTENDED."
        )
    if domain == MICROSOFT:
        return (
            f"{title} unknown operator: got {name} of domain {domain!r}, in which ONNX Runtime writes what it has "
            f"optimized, expected one of {', '.join(nearest(name, operator_names(MICROSOFT)))}, or the standard's. "
            "Take the model before optimization, or save it with graph_optimization_level = ORT_ENABLE_BASIC."
        )
    listed = ML if domain == ML else ""
    names = operator_names(listed)
    if name in names:
        return (
            f"{title} operator {name} of domain {domain or 'ai.onnx'!r}, operator set {opset}: the installed onnx "
            f"{onnx.__version__} does not know it. Update the onnx package."
        )
    return (
        f"{title} unknown operator: got {name} of domain {domain or 'ai.onnx'!r}, operator set {opset}, expected one "
        f"of the {len(names)} of domain {listed or 'ai.onnx'!r} that are known, e.g. {', '.join(nearest(name, names))} "
        "(all: fastexpr.onnx.operator_names()). Write it in terms of these, or leave it out of the model."
    )


def nearest(name: str, names: Sequence[str]) -> list[str]:
    """The few names that are most like this one."""
    by_lower = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.0)
    return [by_lower[key] for key in found]


def check_finite(
    array: Array,
    owner: str,
    may_be_masked: bool = False,
    advice: str = DIVERGED,
) -> bool:
    """Refuses NaN and infinity, or all of them but -inf; returns whether all numbers are finite."""
    if array.dtype.kind != "f":
        return True
    if array.size <= FEW:
        if np.isfinite(array).all():
            return True
    else:
        with np.errstate(all="ignore"):
            if math.isfinite(np.add.reduce(array, axis=None)):  # much faster; a sum hides nothing that is not finite
                return True
    finite = np.isfinite(array)
    fits = finite | (array == -np.inf) if may_be_masked else finite
    if not fits.all():
        where = tuple(int(k) for k in np.argwhere(~fits)[0])
        count = int(fits.size - np.count_nonzero(fits))
        raise OnnxError(
            f"{owner} holds {count} numbers that are not finite: got {array[where]} at {list(where)}, expected finite "
            f"numbers. {advice}"
        )
    return bool(finite.all())


def without_title(message: str) -> str:
    """A message of the core without its "[Linear] "."""
    return message.partition("] ")[2] if message.startswith("[") and "] " in message else message
