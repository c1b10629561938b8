"""The formulas by which most nodes are checked: against ONNX's reference evaluator, and that they find faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx_models import distance, evaluate
from onnx_table import ROWS, Row, identify, row_model, row_point
from test_onnx_check import forest, with_fault

import fastexpr as fx
from fastexpr.errors import OnnxError
from fastexpr.onnx.check import TOLERANCE
from fastexpr.onnx.judges import evaluate_by_runtime
from fastexpr.onnx.references import REFERENCES, by_numpy

node = helper.make_node


def computed(entry: Row) -> tuple[Any, Any]:
    """What the formula and the evaluator give for a row of the table of operators; None where there is no formula."""
    model, shapes = row_model(entry, np.float64)
    point = row_point(entry, shapes)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer} | point
    found = by_numpy(model.graph.node[0], entry.opset, tensors)
    return (None, None) if found is None else (found[0], evaluate(model, point))


def test_formulas_are_right() -> None:
    tested = set()
    for entry in ROWS:
        ours, theirs = computed(entry)
        if ours is None:
            continue
        tested.add(entry.operator)
        assert distance(np.asarray(ours, np.float64).reshape(-1), theirs[: ours.size]) < 1e-13, identify(entry)
    others = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "And", "Or", "Xor", "Shape"}
    assert {name for domain, name in REFERENCES if domain == ""} - tested == others


CONDITIONS: dict[str, tuple[Any, ...]] = {
    "Equal": ([1.0, 2.0], [1.0, 3.0]), "Less": ([1.0, 2.0], [1.0, 3.0]), "LessOrEqual": ([1.0, 4.0], [1.0, 3.0]),
    "Greater": ([1.0, 4.0], [1.0, 3.0]), "GreaterOrEqual": ([1.0, 2.0], [1.0, 3.0]), "Not": ([True, False],),
    "And": ([True, False], [True, True]), "Or": ([True, False], [False, False]), "Xor": ([True, False], [True, True]),
    "Shape": ([[1.0, 2.0, 3.0]],),
}  # fmt: skip


@pytest.mark.parametrize("operator", CONDITIONS)
def test_formulas_of_conditions(operator: str) -> None:
    given = {f"a{k}": np.array(array) for k, array in enumerate(CONDITIONS[operator])}
    entry = node(operator, list(given), ["y"])
    expected = evaluate_by_runtime(entry, {f"given {name}": array for name, array in given.items()} | given, {"": 17})
    found = by_numpy(entry, 17, given)
    assert found is not None
    assert expected is not None
    assert found[0].tolist() == expected[0].tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("opset", [7, 11, 12, 13])
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_softmax_of_every_version(opset: int, axis: int | None) -> None:
    """Old versions took all axes from one on; ONNX Runtime knows them."""
    attributes = {} if axis is None else {"axis": axis}
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    for operator in ("Softmax", "LogSoftmax"):
        entry = node(operator, ["x"], ["y"], **attributes)
        expected = evaluate_by_runtime(entry, {"x": x, "given x": x}, {"": opset})
        assert expected is not None
        np.testing.assert_allclose(by_numpy(entry, opset, {"x": x})[0], expected[0], 1e-12)  # type: ignore[index, arg-type]


# ---- what is wrong is found


def scaled_after(factor: float) -> Any:
    def fault(entry: Any, convert: Any) -> Any:
        found = convert(entry)
        values = found if isinstance(found, (list, tuple)) else [found]
        changed = [value and value * factor for value in values]
        return changed if len(changed) > 1 else changed[0]

    return fault


#: Operators with a formula, and where x is taken from.
FAULTY = sorted(
    {
        (entry.operator, k)
        for k, entry in enumerate(ROWS)
        if computed(entry)[0] is not None and not entry.outputs > 1 and any(isinstance(i, tuple) for i in entry.inputs)
    }
)
FIRST = dict(reversed(FAULTY))
#: Judged once more in float32: by ONNX Runtime, or by an evaluator that rounds.
ROUNDED = {"Celu", "ConvTranspose", "Erf", "Gelu", "GlobalMaxPool", "LpPool"}
NOT_FINITE = {"Acosh"}  # at the points of the check
MOVED = {"Flatten", "Identity", "Reshape", "Dropout", "Cast", "Sign", "Floor", "Ceil", "Round"}


@pytest.mark.parametrize("operator", sorted(set(FIRST) - MOVED - NOT_FINITE))
def test_small_faults_are_found(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = row_model(ROWS[FIRST[operator]], np.float64)
    fx.load_onnx(model, check=True)
    with_fault(monkeypatch, operator, scaled_after(1.001 if operator in ROUNDED else 1 + 100 * TOLERANCE))
    with pytest.raises(OnnxError, match=rf"The first node that differs is \[{operator} 'it'\]"):
        fx.load_onnx(model, check=True)


TABLES = ("nodes_featureids", "nodes_values", "nodes_truenodeids", "nodes_falsenodeids", "target_weights")


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
@pytest.mark.parametrize(
    ("table", "aggregate"),
    [*((table, "SUM") for table in TABLES), *(("target_weights", name) for name in ("AVERAGE", "MIN", "MAX"))],
)
def test_faults_in_tables_of_trees_are_found(table: str, aggregate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = forest(12, 3)
    model.graph.node[0].attribute.append(helper.make_attribute("aggregate_function", aggregate))
    fx.load_onnx(model, check=True)

    def fault(entry: Any, convert: Any) -> Any:
        numbers = list(entry.attribute(table))
        if table == "target_weights":
            numbers = [1.01 * number for number in numbers]
        elif table == "nodes_values":
            numbers = [number + 0.5 for number in numbers]
        else:
            numbers = numbers[:1] + numbers[1:][::-1] if table == "nodes_featureids" else numbers
        entry._attributes = entry._attributes | {table: numbers}
        if table.endswith("nodeids"):
            names = ("nodes_truenodeids", "nodes_falsenodeids")
            yes, no = (entry.attribute(name) for name in names)
            entry._attributes = entry._attributes | dict(zip(names, (no, yes), strict=True))
        return convert(entry)

    with_fault(monkeypatch, "TreeEnsembleRegressor", fault)
    with pytest.raises(OnnxError, match=r"The first node that differs is \[TreeEnsembleRegressor 'it'\]"):
        fx.load_onnx(model, check=True)
