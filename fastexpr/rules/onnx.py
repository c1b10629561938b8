"""Boolean rules as an ONNX model: comparisons, And, Or, and one choice for each label."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fastexpr.errors import RuleError
from fastexpr.rules.conditions import Condition, Rule

if TYPE_CHECKING:
    from fastexpr.rules.estimator import BooleanRuleClassifier

OPERATOR_SET = 20  # strings can be compared from 19 on
IR_VERSION = 9
OPERATORS = {"<=": "LessOrEqual", ">": "Greater", "==": "Equal", "!=": "Equal"}
ELEMENTS = {
    "double": TensorProto.DOUBLE,
    "string": TensorProto.STRING,
    "bool": TensorProto.BOOL,
    "int64": TensorProto.INT64,
}


def to_onnx(rules: BooleanRuleClassifier, path: str | os.PathLike[str] | None = None) -> onnx.ModelProto:
    """Fitted rules as an ONNX model (operator set 20), whose output "label" is what `predict` gives.

    Parameters
    ----------
    rules : BooleanRuleClassifier
        Fitted.
    path : path-like, optional
        A file to write, too.

    Returns
    -------
    onnx.ModelProto
        Where all columns are of numbers, its input is "x", double, (rows, columns). Otherwise each column is an input
        of its own, under its name, (rows, 1): double, bool, or string, where the empty string is a missing value. NaN
        is a missing number. Its output is "label", (rows,).

    Raises
    ------
    RuleError
        A column is called "label" or "", where each is an input; categories are bytes.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = fx.rules.BooleanRuleClassifier(max_complexity=2).fit(X, [0, 0, 1, 1]).to_onnx()
    >>> [node.op_type for node in model.graph.node if node.op_type != "Constant"]
    ['Gather', 'Greater', 'Shape', 'ConstantOfShape', 'Where', 'Where', 'Gather', 'Identity']
    """
    graph = RuleGraph(rules)
    model = graph.model()
    onnx.checker.check_model(model, full_check=True)
    if path is not None:
        Path(path).write_bytes(model.SerializeToString())
    return model


class RuleGraph:
    """The nodes of the model; each method gives the name of a tensor."""

    def __init__(self, rules: BooleanRuleClassifier) -> None:
        self.rules = rules
        self.names = rules._names()
        self.kinds = rules.column_kinds_
        self.is_numeric = all(kind == "double" for kind in self.kinds)
        if not self.is_numeric and "label" in self.names:
            raise RuleError("[BooleanRuleClassifier] a column is called 'label', as the model's output is. Rename it.")
        if not self.is_numeric and "" in self.names:
            raise RuleError("[BooleanRuleClassifier] a column has an empty name, which ONNX has not. Rename it.")
        if any(isinstance(condition.value, bytes) for condition in rules.conditions_):
            raise RuleError("[BooleanRuleClassifier] categories are bytes: ONNX has str. Decode them.")
        self.nodes: list[onnx.NodeProto] = []
        self.known: dict[Any, str] = {}

    def model(self) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [self.label()], ["label"], name="label"))
        inputs = [
            helper.make_tensor_value_info(name, ELEMENTS[kind], ["rows", 1])
            for name, kind in zip(self.names, self.kinds, strict=True)
        ]
        if self.is_numeric:
            inputs = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["rows", len(self.names)])]
        output = helper.make_tensor_value_info("label", ELEMENTS[kind_of(self.rules.classes_)], ["rows"])
        graph = helper.make_graph(self.nodes, "rules", inputs, [output])
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPERATOR_SET)],
            ir_version=IR_VERSION,
            producer_name="fastexpr",
            doc_string=str(self.rules),
        )

    def label(self) -> str:
        """The first rule that holds decides: from the last label on, each is chosen where its rules hold."""
        groups: list[list[Rule]] = []
        for rule in self.rules.rules_:
            if not groups or groups[-1][0].label != rule.label:
                groups.append([])
            groups[-1].append(rule)
        held = [self.joined("Or", [self.rule(rule) for rule in group]) for group in groups]
        classes = self.rules.classes_
        positions = {label: self.constant(k) for k, label in enumerate(classes.tolist())}
        default = positions[as_python(self.rules.default_)]
        result = self.node("Where", [self.never(), default, default])  # one for each row
        for group, holds in reversed(list(zip(groups, held, strict=True))):
            result = self.node("Where", [holds, positions[as_python(group[0].label)], result])
        kind = kind_of(classes)
        labels = np.array([str(label) for label in classes], dtype=object) if kind == "string" else classes
        return self.node(
            "Gather", [self.constant(labels if kind == "string" else labels.astype(dtype_of(kind))), result], axis=0
        )

    def rule(self, rule: Rule) -> str:
        if not rule.conditions:
            return self.node("Not", [self.never()])
        return self.joined("And", [self.condition(condition) for condition in rule.conditions])

    def joined(self, operator: str, parts: list[str]) -> str:
        result = parts[0]
        for part in parts[1:]:
            result = self.node(operator, [result, part])
        return result

    def condition(self, condition: Condition) -> str:
        kind, column = self.kinds[condition.column], self.column(condition.column)
        if condition.operator in ("is missing", "is present"):
            missing = self.missing(kind, column)
            return missing if condition.operator == "is missing" else self.node("Not", [missing])
        value: Any = condition.value if kind != "double" else float(condition.value)
        held = self.node(OPERATORS[condition.operator], [column, self.constant(value)])
        if condition.operator != "!=":
            return held
        return self.node("Not", [self.node("Or", [held, self.missing(kind, column)])])

    def missing(self, kind: str, column: str) -> str:
        if kind == "double":
            return self.node("IsNaN", [column])
        return self.never() if kind == "bool" else self.node("Equal", [column, self.constant("")])

    def column(self, position: int) -> str:
        """(rows,)"""
        if self.is_numeric:
            return self.node("Gather", ["x", self.constant(position)], axis=1)
        return self.node("Reshape", [self.names[position], self.constant(np.array([-1]))])

    def never(self) -> str:
        """(rows,): false."""
        false = helper.make_tensor("false", TensorProto.BOOL, [1], [False])
        shape = self.node("Shape", ["x" if self.is_numeric else self.names[0]], start=0, end=1)
        return self.node("ConstantOfShape", [shape], value=false)

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        if array.dtype.kind in "UT":
            array = array.astype(object)
        return self.node("Constant", [], value=numpy_helper.from_array(array))

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        """A new node, or the one that there is."""
        key = (operator, *inputs, *(str(value) for value in attributes.values()))
        if key not in self.known:
            name = f"{operator}_{len(self.nodes)}"
            while name in (*self.names, "x", "label"):
                name += "_"
            self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
            self.known[key] = name
        return self.known[key]


def as_python(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def kind_of(values: np.ndarray[Any, Any]) -> str:
    """The ONNX type for an array: of numbers, bools, or anything as strings."""
    return {"f": "double", "i": "int64", "u": "int64", "b": "bool"}.get(values.dtype.kind, "string")


def dtype_of(kind: str) -> type:
    return {"double": np.float64, "int64": np.int64, "bool": np.bool_}[kind]
