"""The formulas by which most nodes are checked: against ONNX's reference evaluator, and that they find faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_faults import forest, with_fault
from onnx_models import distance, evaluate
from onnx_table import ROWS, Row, identify, row_model, row_point

import fastexpr as fx
from fastexpr.errors import OnnxError
from fastexpr.onnx.check.judges import evaluate_by_runtime
from fastexpr.onnx.check.nodes import TOLERANCE
from fastexpr.onnx.check.references import REFERENCES, by_numpy
from fastexpr.onnx.wire import list_array

node = helper.make_node


def computed(entry: Row) -> tuple[Any, Any]:
    """What the formula and the evaluator give for a row of the table of operators; None where there is no formula."""
    model, shapes = row_model(entry, np.float64)
    point = row_point(entry, shapes)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer} | point
    found = by_numpy(model.graph.node[0], entry.opset, tensors)
    if found is None:
        return None, None
    return np.concatenate([np.asarray(array, np.float64).reshape(-1) for array in found]), evaluate(model, point)


def test_formulas_are_right() -> None:
    tested = set()
    for entry in ROWS:
        ours, theirs = computed(entry)
        if ours is None:
            continue
        tested.add(entry.operator)
        assert distance(ours, theirs) < 1e-13, identify(entry)
    assert {name for domain, name in REFERENCES if domain == ""} - tested == set(WHOLE) - {
        "Add",
        "Sub",
        "Mul",
        "Neg",
        "Abs",
        "Div",
        "Mod",
    }


#: Conditions, lengths and whole numbers; none of the first has a row in the table of operators.
WHOLE: dict[str, tuple[Any, ...]] = {
    "Equal": ([1.0, 2.0], [1.0, 3.0]), "Less": ([1.0, 2.0], [1.0, 3.0]), "LessOrEqual": ([1.0, 4.0], [1.0, 3.0]),
    "Greater": ([1.0, 4.0], [1.0, 3.0]), "GreaterOrEqual": ([1.0, 2.0], [1.0, 3.0]), "Not": ([True, False],),
    "And": ([True, False], [True, True]), "Or": ([True, False], [False, False]), "Xor": ([True, False], [True, True]),
    "Shape": ([[1.0, 2.0, 3.0]],), "Size": ([[1.0, 2.0, 3.0]],), "ConstantOfShape": ([2, 3],), "Range": (2, 9, 3),
    "Add": ([2, -3], [4, 5]), "Sub": ([2, -3], [4, 5]), "Mul": ([2, -3], [4, 5]), "Neg": ([2, -3],), "Abs": ([2, -3],),
    "Div": ([7, -7, 7, -7], [2, 2, -2, -2]), "Mod": ([7, -7, 7, -7], [3, 3, -3, -3]),
}  # fmt: skip


@pytest.mark.parametrize("operator", WHOLE)
def test_formulas_of_conditions_and_whole_numbers(operator: str) -> None:
    given = {f"a{k}": np.array(array) for k, array in enumerate(WHOLE[operator])}
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
ROUNDED = {"Attention", "Celu", "ConvTranspose", "Erf", "Gelu", "GlobalMaxPool", "LpPool"}
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


# ---- long lists


@pytest.mark.parametrize("count", [0, 1, 300, 5000])
@pytest.mark.parametrize("width", [1, 7, 14, 40, 62, 63])
def test_lists_of_integers_are_read_from_their_bytes(count: int, width: int) -> None:
    numbers = np.random.default_rng(width).integers(-(2**width), 2**width - 1, count)
    numbers = numbers if width % 2 else np.abs(numbers)
    for name in ("ids", "a" * 130, "größe"):
        attribute = helper.make_attribute(name, numbers.tolist(), attr_type=onnx.AttributeProto.INTS)
        assert list_array(attribute).tolist() == numbers.tolist()  # type: ignore[union-attr]
        attribute.doc_string = "@@@"
        assert list_array(attribute).tolist() == numbers.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("count", [0, 1, 300])
def test_lists_of_floats_are_read_from_their_bytes(count: int) -> None:
    numbers = np.random.default_rng(0).normal(size=count).astype(np.float32)
    attribute = helper.make_attribute("values", numbers.tolist(), attr_type=onnx.AttributeProto.FLOATS)
    assert list_array(attribute).tolist() == numbers.tolist()  # type: ignore[union-attr]
    attribute.doc_string = "==="
    assert list_array(attribute).tolist() == numbers.tolist()  # type: ignore[union-attr]
    assert list_array(helper.make_attribute("texts", ["a"])) is None


def test_trees_whose_ids_have_gaps() -> None:
    """Ids need not be 0, 1, 2, ...: large ones, and trees in another order."""
    model = forest(7, 4)
    x = np.random.default_rng(0).uniform(-1, 1, (20, 4)).astype(np.float32).astype(np.float64)
    with pytest.warns(fx.errors.DerivativeWarning):
        expected = fx.load_onnx(model)(x)
    for entry in model.graph.node[0].attribute:
        if entry.name.endswith("treeids"):
            entry.ints[:] = [(10 - k) * 10**9 for k in entry.ints]
        elif entry.name.endswith("nodeids"):
            entry.ints[:] = [3 * k + 5 for k in entry.ints]
    with pytest.warns(fx.errors.DerivativeWarning):
        assert fx.load_onnx(model, check=True)(x).tolist() == expected.tolist()
