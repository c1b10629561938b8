"""The graph as a whole: depth, threads, processes, memory, precision, and what it refuses."""

from __future__ import annotations

import ctypes
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from operator_table import Nodes

import fastexpr as fx
from fastexpr import _core


def dense_network(n: int = 6, width: int = 40, depth: int = 3, m: int = 4, precision: type = np.float32) -> Any:
    """Tanh layers with random weights in the given precision."""
    generator = np.random.default_rng(width)
    nodes = Nodes(n)
    current = 0
    for k, h in [(n, width), *[(width, width)] * (depth - 1), (width, m)]:
        weights = (generator.normal(size=(h, k)) / np.sqrt(k)).astype(precision)
        bias = generator.normal(size=h).astype(precision)
        current = nodes.add("Linear", current, axis=0, transposed=0, constants=[weights, bias])
        if h != m:
            current = nodes.add("Tanh", current)
    return nodes.function(current)


def everything(function: Any, x: np.ndarray) -> list[np.ndarray]:
    weights = np.ones((*x.shape[:-1], function.n_outputs))
    value, jacobian, hessian = function.evaluate(x, weights, order=2)
    return [value, jacobian, hessian, function.vjp(x, weights), function.jvp(x, x), function.hvp(x, weights, x)]


def assert_close(results: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for got, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-12)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = fx.num_threads()
    fx.set_num_threads(2)
    yield
    fx.set_num_threads(before)


# ---- depth


def test_a_chain_of_100_000_operators() -> None:
    half = 50_000
    nodes = Nodes(2)
    current = 0
    for _ in range(half):
        current = nodes.add("Sin", nodes.add("Neg", current))
    function = nodes.function(current)
    x = np.array([0.7, -0.2])

    value, slope, bend = x.copy(), np.ones(2), np.zeros(2)  # of v -> sin(-v), again and again
    for _ in range(half):
        s, c = np.sin(-value), np.cos(-value)
        value, slope, bend = s, -c * slope, -s * slope**2 - c * bend
    weights = np.array([1.0, 2.0])
    assert len(function._nodes()) == 2 * half
    np.testing.assert_allclose(function(x), value, rtol=1e-9)
    np.testing.assert_allclose(function.jacobian(x), np.diag(slope), rtol=1e-9)
    np.testing.assert_allclose(function.vjp(x, weights), weights * slope, rtol=1e-9)
    np.testing.assert_allclose(function.jvp(x, weights), weights * slope, rtol=1e-9)
    np.testing.assert_allclose(function.hessian(x, weights), np.diag(weights * bend), rtol=1e-9)
    np.testing.assert_allclose(function.hvp(x, weights, np.ones(2)), weights * bend, rtol=1e-9)
    jacobian_pattern, hessian_pattern = function.sparsity()
    assert jacobian_pattern.nnz == hessian_pattern.nnz == 2
    lower, upper = function.output_bounds(x - 0.1, x + 0.1)
    assert np.all(lower <= value)
    assert np.all(value <= upper)


# ---- threads and processes


def test_one_function_in_many_threads() -> None:
    function = dense_network()
    points = np.random.default_rng(0).normal(size=(8, 20, function.n_inputs))
    expected = [[everything(function, x) for x in of_thread] for of_thread in points]
    failures: list[BaseException] = []
    start = threading.Barrier(len(points))

    def work(k: int) -> None:
        try:
            start.wait()
            for _ in range(5):
                for x, wanted in zip(points[k], expected[k], strict=True):
                    for got, number in zip(everything(function, x), wanted, strict=True):
                        np.testing.assert_array_equal(got, number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(points))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.usefixtures("two_threads")
def test_threads_of_ours_inside_threads_of_the_caller() -> None:
    function = dense_network(n=100, width=300)
    x = np.random.default_rng(1).normal(size=(3, function.n_inputs))
    expected = everything(function, x)
    results: list[list[np.ndarray]] = []
    threads = [threading.Thread(target=lambda: results.append(everything(function, x))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(threads)
    for result in results:
        assert_close(result, expected)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_answers_are_the_same_to_the_last_bit_whoever_is_busy(precision: type) -> None:
    """Layers so large that all kinds of work are shared: products, vectors either way, small and large rank updates."""
    functions = [dense_network(n, 700, 2, 3, precision) for n in (40, 300)]
    points = [np.random.default_rng(3).normal(size=(2, function.n_inputs)) for function in functions]
    alone = [everything(f, x[0]) + everything(f, x) for f, x in zip(functions, points, strict=True)]
    differing: list[int] = []

    def work(k: int) -> None:
        for turn in range(3):
            f, x, wanted = (kind[(k + turn) % 2] for kind in (functions, points, alone))
            got = everything(f, x[0]) + everything(f, x)
            differing.extend(i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if not np.array_equal(a, b))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differing == []


def test_the_number_of_threads_does_not_change_the_answer() -> None:
    function = dense_network(n=100, width=300)
    x = np.random.default_rng(2).normal(size=function.n_inputs)
    before = fx.num_threads()
    try:
        fx.set_num_threads(1)
        one = everything(function, x)
        fx.set_num_threads(4)
        four = everything(function, x)
    finally:
        fx.set_num_threads(before)
    assert_close(four, one)


def test_the_number_of_threads_must_be_positive() -> None:
    with pytest.raises(ValueError, match="0"):
        fx.set_num_threads(0)


def in_child(function: Any, x: np.ndarray, results: Any) -> None:
    results.put(everything(function, x))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.filterwarnings("ignore:.*fork")  # Python 3.12 warns beside threads, JAX always
def test_a_forked_process_evaluates_too() -> None:
    function = dense_network(n=100, width=300)
    x = np.random.default_rng(3).normal(size=function.n_inputs)
    expected = everything(function, x)  # threads have started
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=in_child, args=(function, x, results))
    child.start()
    got = results.get()
    child.join(30)
    assert child.exitcode == 0
    assert_close(got, expected)
    assert_close(everything(function, x), expected)


# ---- memory


class MallocState(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


def bytes_in_use() -> int:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallocState
    state = mallinfo2()
    return int(state.uordblks + state.hblkhd)


@pytest.mark.parametrize(
    "call",
    [
        lambda f, x, w, J, H: f(x, out=w),
        lambda f, x, w, J, H: f.jacobian(x, out=J),
        lambda f, x, w, J, H: f.hessian(x, w, out=H),
    ],
    ids=["value", "Jacobian", "Hessian"],
)
def test_evaluation_keeps_no_memory(call: Callable[..., Any]) -> None:
    function = dense_network(n=20, width=64)
    x, w = np.linspace(-1, 1, 20), np.ones(4)
    J, H = np.empty((4, 20)), np.empty((20, 20))
    for _ in range(10):
        call(function, x, w, J, H)
    before = bytes_in_use()
    for _ in range(500):
        call(function, x, w, J, H)
    assert bytes_in_use() - before < 10_000  # a buffer kept at every call would be 50 times that


def test_functions_give_their_memory_back() -> None:
    x = np.linspace(-1, 1, 6)

    def build_and_use() -> None:
        everything(dense_network(width=200), x)

    build_and_use()
    before = bytes_in_use()
    for _ in range(20):
        build_and_use()
    assert bytes_in_use() - before < 300_000  # the weights of one are 340,000 bytes


# ---- precision


def test_weights_stay_float32_and_lose_nothing() -> None:
    narrow, wide = dense_network(precision=np.float32), dense_network(precision=np.float64)
    constants = [tensor for operator, _, _ in narrow._nodes() for tensor in operator.constants]
    assert constants
    assert all(tensor.dtype == np.float32 for tensor in constants)
    assert narrow.n_parameters == wide.n_parameters == sum(tensor.size for tensor in constants)

    nodes = Nodes(narrow.n_inputs)
    for operator, inputs, _ in narrow._nodes():
        widened = [tensor.astype(np.float64) for tensor in operator.constants]
        nodes.add(operator.name, *inputs, constants=widened, **operator.attributes)
    widened_network = nodes.function(*narrow._output_ids())
    x = np.random.default_rng(4).normal(size=(3, narrow.n_inputs))
    for got, wanted in zip(everything(narrow, x), everything(widened_network, x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-13)


def test_read_only_weights_are_shared_not_copied() -> None:
    weights = np.ones((3, 2), dtype=np.float32)
    weights.flags.writeable = False
    operator = _core.Operator("Linear", [(2,)], {"axis": 0, "transposed": 0}, [weights])
    assert np.shares_memory(operator.constants[0], weights)


@pytest.mark.parametrize("is_writable", [True, False])
@pytest.mark.parametrize("rows", [127, 128, 300, 1100])  # small pages; large ones; by itself
def test_large_weights_are_copied_once(rows: int, is_writable: bool) -> None:
    weights = np.random.default_rng(7).normal(size=(rows, 128 if rows < 1000 else 1024)).astype(np.float32)
    original = weights.copy()
    weights.flags.writeable = is_writable
    nodes = Nodes(weights.shape[1])
    function = nodes.function(nodes.add("Linear", 0, axis=0, transposed=0, constants=[weights]))
    own = function._nodes()[0][0].constants[0]
    assert np.shares_memory(own, weights) == (not is_writable and not 64 << 10 <= weights.nbytes < 4 << 20)
    again = _core.Operator("Linear", [(weights.shape[1],)], {"axis": 0, "transposed": 0}, [own])
    assert np.shares_memory(own, again.constants[0])  # as when networks are spliced
    if is_writable:
        weights[:] = 7
    np.testing.assert_array_equal(own, original)
    x = np.linspace(-1, 1, weights.shape[1])
    np.testing.assert_allclose(function(x), original.astype(float) @ x, rtol=1e-12, atol=1e-12)


def test_large_weights_of_many_networks_stay_apart() -> None:
    tables = [np.full((k, 128), k, dtype=np.float32) for k in range(128, 1128, 100)]
    operators = [_core.Operator("Linear", [(128,)], {"axis": 0, "transposed": 0}, [table]) for table in tables]
    kept = [operator.constants[0] for operator in operators[::2]]
    del operators
    for array, table in zip(kept, tables[::2], strict=True):
        np.testing.assert_array_equal(array, table)


def test_changing_an_array_afterwards_changes_no_network() -> None:
    weights = np.ones((3, 2))
    nodes = Nodes(2)
    function = nodes.function(nodes.add("Linear", 0, axis=0, transposed=0, constants=[weights]))
    weights[:] = 7
    np.testing.assert_array_equal(function([1.0, 2.0]), [3, 3, 3])
    with pytest.raises(ValueError, match="read-only"):
        function._nodes()[0][0].constants[0][0, 0] = 7


@pytest.mark.parametrize("name", ["Linear", "Select"])
def test_changing_what_a_read_only_view_shows_changes_no_network(name: str) -> None:
    nodes = Nodes(3)
    owner: np.ndarray = np.arange(3, dtype=np.int64) if name == "Select" else np.eye(3)
    view = owner.view()
    view.flags.writeable = False
    settings: dict[str, Any] = {"shape": [3]} if name == "Select" else {"axis": 0, "transposed": 0}
    function = nodes.function(nodes.add(name, 0, constants=[view], **settings))
    owner[:] = 2  # for indices it could be any number, far outside of x
    np.testing.assert_array_equal(function([1.0, 2.0, 3.0]), [1, 2, 3])


def test_indices_that_become_writable_again_are_not_shared() -> None:
    indices = np.arange(2, dtype=np.int64)
    indices.flags.writeable = False
    operator = _core.Operator("Select", [(2,)], {"shape": [2]}, [indices])
    own = operator.constants[0]
    assert not np.shares_memory(own, indices)
    again = _core.Operator("Select", [(2,)], {"shape": [2]}, [own])  # as when networks are spliced
    assert np.shares_memory(again.constants[0], own)


# ---- tensors without numbers


@pytest.mark.parametrize("name", ["Pow", "Div"])
def test_an_output_without_units_adds_no_curvature(name: str) -> None:
    nodes = Nodes(1)
    nothing = nodes.constant(np.zeros(0))
    empty = nodes.add(name, 0, nothing) if name == "Pow" else nodes.add(name, nothing, 0)
    function = nodes.function(empty, nodes.add("Tanh", 0))
    value = np.tanh(0.5)
    bend = -2 * value * (1 - value**2)
    assert function.n_outputs == 1
    np.testing.assert_allclose(function.hessian([0.5], [1.0]), [[bend]], rtol=1e-14)
    np.testing.assert_allclose(function.hvp([0.5], [1.0], [1.0]), [bend], rtol=1e-14)


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_lanes_without_members_touch_no_other_numbers(name: str) -> None:
    nodes = Nodes(2)
    rows = nodes.add("Select", 0, shape=[3, 0], constants=[np.zeros(0, dtype=np.int64)])
    empty = nodes.add(name, rows, axis=1, n_axes=1)
    function = nodes.function(empty, nodes.add("Exp", 0))
    x = np.array([0.0, np.log(2.0)])
    for result in (
        function(x),
        np.diag(function.jacobian(x)),
        function.vjp(x, [1, 1]),
        function.hvp(x, [1, 1], [1, 1]),
    ):
        np.testing.assert_allclose(result, [1, 2], rtol=1e-14)


# ---- results that are not finite


def test_results_that_are_not_finite_are_returned() -> None:
    nodes = Nodes(2)
    function = nodes.function(nodes.add("Log", 0))
    np.testing.assert_array_equal(function([0.0, 1.0]), [-np.inf, 0])
    assert np.isnan(function([-1.0, 1.0])[0])
    np.testing.assert_array_equal(np.diag(function.jacobian([0.0, 1.0])), [np.inf, 1])


def test_an_input_that_is_not_finite_is_refused_with_its_name() -> None:
    nodes = Nodes(3)
    function = nodes.function(nodes.add("Tanh", 0))
    for call in (function, function.jacobian, lambda x: function.hessian(x, np.ones(3))):
        with pytest.raises(ValueError, match=r"x\[1\]"):
            call([0.0, np.nan, 0.0])


# ---- what a graph refuses


def graph(n: int, entries: list[tuple[Any, list[int], str]], outputs: list[int]) -> Any:
    return _core.Function._from_nodes(
        n, entries, outputs, [("x", (n,))], [("y", (n,))], ["x"] * n, ["y"] * n, None, None
    )


def test_a_node_must_come_after_what_it_reads() -> None:
    tanh = _core.Operator("Tanh", [(2,)], {}, [])
    for reads in ([1], [2], [-1], [7]):
        with pytest.raises(fx.errors.GraphError, match=r"Tanh 'late'.*before"):
            graph(2, [(tanh, reads, "late"), (tanh, [0], "first")], [1, 2])


def test_shapes_must_fit_between_nodes() -> None:
    tanh = _core.Operator("Tanh", [(3,)], {}, [])
    with pytest.raises(fx.errors.ShapeError, match=r"Tanh 'wide'.*got 2.*\(3,\)"):
        graph(2, [(tanh, [0], "wide")], [1])


def test_nodes_need_all_their_inputs() -> None:
    add = _core.Operator("Add", [(2,), (2,)], {}, [])
    with pytest.raises(fx.errors.GraphError, match=r"Add 'sum'.*got 1, expected 2"):
        graph(2, [(add, [0], "sum")], [1])


def test_outputs_must_exist() -> None:
    tanh = _core.Operator("Tanh", [(2,)], {}, [])
    with pytest.raises(fx.errors.GraphError, match="5"):
        graph(2, [(tanh, [0], "only")], [5])


def test_an_infinite_slope_stays_with_the_outputs_that_have_it() -> None:
    """sqrt and x ** 0.5 at 0: infinite where they are asked for, nothing to outputs that do not depend on them."""
    nodes = Nodes(3)
    parts = [nodes.add("Select", 0, shape=[1], constants=[np.array([k])]) for k in range(3)]
    half = nodes.constant([0.5])
    outputs = [nodes.add("Sqrt", parts[0]), nodes.add("Tanh", parts[1]), nodes.add("Pow", parts[2], half)]
    function = nodes.function(*outputs)
    x = np.array([0.0, 1.0, 0.0])
    slope = 1 - np.tanh(1.0) ** 2
    expected = np.diag([np.inf, slope, np.inf])
    np.testing.assert_allclose(function.jacobian(x), expected)
    np.testing.assert_allclose(function.jacobian(x, sparse=True).toarray(), expected)
    np.testing.assert_allclose(function.jacobian(np.array([x, x])), [expected, expected])
    np.testing.assert_allclose(function.evaluate(x, [0, 1, 0])[1], expected)  # by columns
    np.testing.assert_allclose(function.vjp(x, [0, 1, 0]), [0, slope, 0])
    np.testing.assert_allclose(function.jvp(x, [0, 1, 0]), [0, slope, 0])
    curvature = np.zeros((3, 3))
    curvature[1, 1] = -2 * np.tanh(1.0) * slope
    np.testing.assert_allclose(function.hessian(x, [0, 1, 0]), curvature)
    np.testing.assert_allclose(function.hvp(x, [0, 1, 0], [0, 1, 0]), curvature[1])
