"""The table of operators: one or more rows for each, which drive every check in test_operators.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mpmath as mp
import numpy as np
import torch
from torch.nn import functional

from fastexpr import _core

Shape = tuple[int, ...]


class Nodes:
    """A node list under construction; node 0 is x, of shape (n,)."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.entries: list[tuple[Any, list[int], str]] = []
        self.shapes: list[Shape] = [(n,)]

    def add(self, name: str, *inputs: int, constants: Sequence[np.ndarray] = (), **attributes: Any) -> int:
        operator = _core.Operator(name, [self.shapes[k] for k in inputs], attributes, list(constants))
        self.entries.append((operator, list(inputs), f"{name.lower()}_{len(self.entries)}"))
        self.shapes.append(tuple(operator.shape))
        return len(self.entries)

    def constant(self, numbers: Any) -> int:
        return self.add("Constant", constants=[np.asarray(numbers, dtype=np.float64)])

    def piece(self, source: int, first: int, shape: Shape) -> int:
        """Numbers first, first + 1, ... of a node's value, as an array of this shape."""
        indices = np.arange(first, first + int(np.prod(shape)), dtype=np.int64)
        return self.add("Select", source, shape=list(shape), constants=[indices])

    def function(self, *outputs: int) -> _core.Function:
        ports = [(f"y{i}", self.shapes[output]) for i, output in enumerate(outputs)]
        names = [f"{name}[{i}]" for name, shape in ports for i in range(int(np.prod(shape)))]
        x_names = [f"x[{i}]" for i in range(self.n)]
        x_port = [("x", (self.n,))]
        return _core.Function._from_nodes(
            self.n, self.entries, list(outputs), x_port, ports, x_names, names, None, None
        )


@dataclass(frozen=True, eq=False)
class Row:
    """One operator for certain shapes and settings."""

    name: str
    reference: Callable[..., Any]  # the formula, in torch, of all inputs
    shapes: Sequence[Shape] = ((2, 3),)
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: Sequence[np.ndarray] = ()
    fixed: dict[int, np.ndarray] = field(default_factory=dict)  # inputs that do not depend on x
    between: tuple[float, float] = (-3.0, 3.0)  # random points come from here
    points: Sequence[np.ndarray] = ()  # points of special interest, besides
    onnx: tuple[Any, ...] | None = None  # ONNX operator, its attributes, and constant inputs after the row's own
    exact: tuple[Callable[[Any], Any], ...] = ()  # value, first and second derivative with mpmath: unary operators
    domain: tuple[float, float] = (-np.inf, np.inf)  # of `exact`
    limits: tuple[float, float] | None = None  # at -inf and inf: unary operators
    at_kinks: dict[float, float] = field(default_factory=dict)  # argument: the derivative promised there
    has_exact_pattern: bool = True  # the sparsity found is what random points show; otherwise it may hold more
    has_poles: bool = False  # unbounded over an interval with one inside: unary operators
    note: str = ""

    def __str__(self) -> str:
        return f"{self.name}{'-' + self.note if self.note else ''}"

    @property
    def variable_inputs(self) -> list[int]:
        return [k for k in range(len(self.shapes)) if k not in self.fixed]

    @property
    def n(self) -> int:
        return sum(int(np.prod(self.shapes[k])) for k in self.variable_inputs)

    def reference_of_x(self, x: Any) -> Any:
        """The formula as a function of the variable inputs, flattened and joined."""
        inputs: list[Any] = []
        first = 0
        for k, shape in enumerate(self.shapes):
            if k in self.fixed:
                inputs.append(torch.tensor(self.fixed[k]))
                continue
            inputs.append(x[first : first + int(np.prod(shape))].reshape(shape))
            first += int(np.prod(shape))
        return self.reference(*inputs).ravel()

    def function(self, matrix: np.ndarray | None = None) -> _core.Function:
        """The operator alone, of x or of matrix @ x."""
        nodes = Nodes(self.n)
        source = 0 if matrix is None else nodes.add("Linear", 0, axis=0, transposed=0, constants=[matrix])
        inputs = []
        first = 0
        for k, shape in enumerate(self.shapes):
            if k in self.fixed:
                inputs.append(nodes.constant(self.fixed[k]))
                continue
            inputs.append(nodes.piece(source, first, shape))
            first += int(np.prod(shape))
        return nodes.function(nodes.add(self.name, *inputs, constants=self.constants, **self.attributes))

    def sample_points(self) -> list[np.ndarray]:
        generator = np.random.default_rng(sum(map(ord, str(self))))
        return [
            generator.uniform(*self.between, self.n),
            *(np.asarray(point, dtype=np.float64) for point in self.points),
        ]


# ---- formulas

SCALES = np.array([1.5, -0.5, 0.0, 2.0, 0.25, 1.0, -3.0, 0.5, 1.25, -1.0, 0.75], np.float32)


def normalization(x: Any, dim: Sequence[int], epsilon: float, constants: Sequence[np.ndarray], is_centred: bool) -> Any:
    """x over its standard deviation, or its root mean square, times the first constant, plus the second."""
    x = x - x.mean(dim=tuple(dim), keepdim=True) if is_centred else x
    x = x / torch.sqrt((x * x).mean(dim=tuple(dim), keepdim=True) + epsilon)
    lane = [x.shape[k] for k in dim] + [1] * (x.ndim - 1 - dim[-1])
    for k, numbers in enumerate(constants):
        array = torch.tensor(np.resize(numbers, lane)).double()
        x = x * array if k == 0 else x + array
    return x


def mp_sigmoid(u: Any) -> Any:
    return 1 / (1 + mp.exp(-u))


def mp_sigmoid_slope(u: Any) -> Any:
    return mp_sigmoid(u) * mp_sigmoid(-u)


def mp_sigmoid_bend(u: Any) -> Any:
    return -mp_sigmoid_slope(u) * mp.tanh(u / 2)


def swish_exact(alpha: float) -> tuple[Callable[[Any], Any], ...]:
    return (
        lambda u: u * mp_sigmoid(alpha * u),
        lambda u: mp_sigmoid(alpha * u) + alpha * u * mp_sigmoid_slope(alpha * u),
        lambda u: alpha * (2 * mp_sigmoid_slope(alpha * u) + alpha * u * mp_sigmoid_bend(alpha * u)),
    )


def elu_exact(gamma: float, alpha: float) -> tuple[Callable[[Any], Any], ...]:
    return (
        lambda u: gamma * (u if u > 0 else alpha * mp.expm1(u)),
        lambda u: gamma * (1 if u > 0 else alpha * mp.exp(u)),
        lambda u: gamma * (0 if u > 0 else alpha * mp.exp(u)),
    )


def gelu_tanh_exact() -> tuple[Callable[[Any], Any], ...]:
    k = 2 * mp.sqrt(2 / mp.pi)
    cubic = mp.mpf("0.044715")

    def q(u: Any) -> Any:
        return k * (u + cubic * u**3)

    def dq(u: Any) -> Any:
        return k * (1 + 3 * cubic * u**2)

    return (
        lambda u: u * mp_sigmoid(q(u)),
        lambda u: mp_sigmoid(q(u)) + u * mp_sigmoid_slope(q(u)) * dq(u),
        lambda u: (
            2 * mp_sigmoid_slope(q(u)) * dq(u)
            + u * (mp_sigmoid_bend(q(u)) * dq(u) ** 2 + mp_sigmoid_slope(q(u)) * 6 * k * cubic * u)
        ),
    )


def softplus(u: Any) -> Any:
    return torch.logaddexp(u, torch.zeros_like(u))


def softmax(x: Any, dim: Any) -> Any:
    e = torch.exp(x - torch.amax(x, dim, keepdim=True).detach())
    return e / torch.sum(e, dim, keepdim=True)


def log_softmax(x: Any, dim: Any) -> Any:
    shifted = x - torch.amax(x, dim, keepdim=True).detach()
    return shifted - torch.log(torch.sum(torch.exp(shifted), dim, keepdim=True))


def hard_swish(u: Any, alpha: float, beta: float) -> Any:
    return u * torch.clamp(alpha * u + beta, 0, 1)


def piecewise(value: Callable[[Any], Any], slope: Callable[[Any], Any]) -> tuple[Callable[[Any], Any], ...]:
    return value, slope, lambda u: mp.mpf(0)


def constant(*numbers: float, shape: Shape | None = None) -> np.ndarray:
    array = np.array(numbers, dtype=np.float64)
    return array if shape is None else array.reshape(shape)


def indices(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def transposed_indices(shape: Shape, axes: Sequence[int]) -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape).transpose(axes).ravel()


W_32 = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
W_64 = np.random.default_rng(2).normal(size=(4, 3))
W_32_TORCH = torch.tensor(W_32).double()
W_64_TORCH = torch.tensor(W_64)
THREE = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
bias = np.random.default_rng(3).normal(size=4).astype(np.float32)
LEFT = np.random.default_rng(4).normal(size=(2, 2, 3))
ZEROS = np.array([[1.0, 0, 1], [0, 0, 0]])
RIGHT = np.random.default_rng(5).normal(size=(2, 3, 2))
SELU_ALPHA = float(np.float32(1.67326319217681884765625))
SELU_GAMMA = float(np.float32(1.05070102214813232421875))

SPECIAL = [-3.0, -0.5, 0.0, 0.5, 1.5, 4.0]  # for Pow: both signs and zero

UNARY = [
    Row(
        "Neg",
        lambda u: -u,
        limits=(np.inf, -np.inf),
        onnx=("Neg", {}),
        exact=piecewise(lambda u: -u, lambda u: mp.mpf(-1)),
    ),
    Row(
        "Abs", torch.abs, limits=(np.inf, np.inf), onnx=("Abs", {}), exact=piecewise(abs, mp.sign), at_kinks={0.0: 0.0}
    ),
    Row(
        "Relu",
        torch.relu,
        limits=(0, np.inf),
        onnx=("Relu", {}),
        exact=piecewise(lambda u: max(u, mp.mpf(0)), lambda u: mp.mpf(u > 0)),
        at_kinks={0.0: 0.0},
    ),
    *(
        Row(
            "LeakyRelu",
            partial(lambda u, alpha: torch.where(u > 0, u, alpha * u), alpha=alpha),
            attributes={"alpha": alpha},
            limits=(alpha * -np.inf, np.inf),
            onnx=("LeakyRelu", {"alpha": alpha}),
            exact=piecewise(
                partial(lambda u, alpha: u if u > 0 else alpha * u, alpha=alpha),
                partial(lambda u, alpha: mp.mpf(1) if u > 0 else mp.mpf(alpha), alpha=alpha),
            ),
            at_kinks={0.0: alpha},
            note=f"alpha={alpha}",
        )
        for alpha in (0.125, -0.5)
    ),
    *(
        Row(
            "PRelu",
            lambda u, w: torch.where(u > 0, u, w * u),
            shapes,
            fixed=fixed,
            onnx=("PRelu", {}) if shapes[0] == (2, 3) else None,
            points=[np.concatenate([[1.0, -2.0, 0.0, -0.0, 1e200, -1e-200], np.ones(n - 6)])],
            has_exact_pattern=bool(fixed),
            note=note,
        )
        for note, shapes, n, fixed in (
            ("slopes of units", [(2, 3), (2, 3)], 6, {1: np.array([[0.25, -0.5, 0.0], [1.0, 2.0, 0.1]])}),
            ("one slope", [(2, 3), ()], 6, {1: np.array(0.25)}),
            ("slopes of channels", [(2, 3), (2, 1)], 6, {1: np.array([[0.25], [-0.5]])}),
            ("slopes of x", [(2, 3), (3,)], 9, {}),
            ("stretched u", [(3,), (2, 3)], 9, {}),
        )
    ),
    *(
        Row(
            "Elu",
            partial(lambda u, alpha: torch.where(u > 0, u, alpha * torch.expm1(torch.clamp(u, max=0))), alpha=alpha),
            attributes={"alpha": alpha},
            limits=(-alpha, np.inf),
            onnx=("Elu", {"alpha": alpha}),
            exact=elu_exact(1.0, alpha),
            at_kinks={0.0: alpha},
            note=f"alpha={alpha}",
        )
        for alpha in (1.0, 0.5, -0.5)
    ),
    Row(
        "Selu",
        lambda u: SELU_GAMMA * torch.where(u > 0, u, SELU_ALPHA * torch.expm1(torch.clamp(u, max=0))),
        attributes={"alpha": SELU_ALPHA, "gamma": SELU_GAMMA},
        limits=(-SELU_ALPHA * SELU_GAMMA, np.inf),
        onnx=("Selu", {}),
        exact=elu_exact(SELU_GAMMA, SELU_ALPHA),
        at_kinks={0.0: SELU_GAMMA * SELU_ALPHA},
    ),
    Row(
        "Sigmoid",
        torch.sigmoid,
        limits=(0, 1),
        onnx=("Sigmoid", {}),
        exact=(mp_sigmoid, mp_sigmoid_slope, mp_sigmoid_bend),
    ),
    Row(
        "Tanh",
        torch.tanh,
        limits=(-1, 1),
        onnx=("Tanh", {}),
        exact=(mp.tanh, lambda u: mp.sech(u) ** 2, lambda u: -2 * mp.tanh(u) * mp.sech(u) ** 2),
    ),
    Row(
        "Matern",
        lambda u: (1 + torch.sqrt(3 * u)) * torch.exp(-torch.sqrt(3 * u)),
        attributes={"nu": 1.5},
        between=(0.01, 4.0),
        limits=(np.nan, 0.0),
        exact=(
            lambda u: (1 + mp.sqrt(3 * u)) * mp.exp(-mp.sqrt(3 * u)),
            lambda u: -1.5 * mp.exp(-mp.sqrt(3 * u)),
            lambda u: 2.25 * mp.exp(-mp.sqrt(3 * u)) / mp.sqrt(3 * u),
        ),
        domain=(0.0, np.inf),
        note="1.5",
    ),
    Row(
        "Matern",
        lambda u: (1 + torch.sqrt(5 * u) + 5 * u / 3) * torch.exp(-torch.sqrt(5 * u)),
        attributes={"nu": 2.5},
        between=(0.01, 4.0),
        limits=(np.nan, 0.0),
        exact=(
            lambda u: (1 + mp.sqrt(5 * u) + 5 * u / 3) * mp.exp(-mp.sqrt(5 * u)),
            lambda u: -mp.mpf(5) / 6 * (1 + mp.sqrt(5 * u)) * mp.exp(-mp.sqrt(5 * u)),
            lambda u: mp.mpf(25) / 12 * mp.exp(-mp.sqrt(5 * u)),
        ),
        domain=(0.0, np.inf),
        note="2.5",
    ),
    Row(
        "Softplus",
        softplus,
        limits=(0, np.inf),
        onnx=("Softplus", {}),
        exact=(lambda u: max(u, mp.mpf(0)) + mp.log1p(mp.exp(-abs(u))), mp_sigmoid, mp_sigmoid_slope),
    ),
    Row(
        "Softsign",
        functional.softsign,
        limits=(-1, 1),
        onnx=("Softsign", {}),
        exact=(
            lambda u: u / (1 + abs(u)),
            lambda u: (1 + abs(u)) ** -2,
            lambda u: -2 * mp.sign(u) * (1 + abs(u)) ** -3,
        ),
    ),
    Row(
        "Gelu",
        functional.gelu,
        limits=(0, np.inf),
        onnx=("Gelu", {}),
        exact=(lambda u: u * mp.ncdf(u), lambda u: mp.ncdf(u) + u * mp.npdf(u), lambda u: (2 - u * u) * mp.npdf(u)),
        domain=(-1e5, 1e5),  # mpmath's own
    ),
    Row(
        "GeluTanh",
        partial(functional.gelu, approximate="tanh"),
        limits=(0, np.inf),
        onnx=("Gelu", {"approximate": "tanh"}),
        exact=gelu_tanh_exact(),
    ),
    *(
        Row(
            "Swish",
            partial(lambda u, alpha: u * torch.sigmoid(alpha * u), alpha=alpha),
            attributes={"alpha": alpha},
            limits={1.0: (0, np.inf), 1.75: (0, np.inf), -0.5: (-np.inf, 0)}.get(alpha),
            exact=swish_exact(alpha),
            has_exact_pattern=alpha != 0,
            note=f"alpha={alpha}",
        )
        for alpha in (1.0, 1.75, -0.5, 0.0)
    ),
    Row(
        "HardSigmoid",
        lambda u: torch.clamp(0.25 * u + 0.5, 0, 1),
        attributes={"alpha": 0.25, "beta": 0.5},
        limits=(0, 1),
        onnx=("HardSigmoid", {"alpha": 0.25, "beta": 0.5}),
        exact=piecewise(
            lambda u: min(max(u / 4 + 0.5, mp.mpf(0)), mp.mpf(1)), lambda u: mp.mpf(0.25) if abs(u) < 2 else mp.mpf(0)
        ),
        at_kinks={-2.0: 0.0, 2.0: 0.0},
    ),
    *(
        Row(
            "HardSwish",
            partial(hard_swish, alpha=alpha, beta=0.5),
            attributes={"alpha": alpha, "beta": 0.5},
            between=(-4.0, 4.0),
            limits=(0, np.inf) if alpha > 0 else (-np.inf, 0),
            at_kinks={-0.5 / alpha: 0.0, 0.5 / alpha: 1.0},
            note=f"alpha={alpha}",
        )
        for alpha in (0.25, -0.25)
    ),
    Row("Exp", torch.exp, limits=(0, np.inf), onnx=("Exp", {}), exact=(mp.exp, mp.exp, mp.exp)),
    Row(
        "Log",
        torch.log,
        between=(0.1, 4.0),
        limits=(np.nan, np.inf),
        onnx=("Log", {}),
        exact=(mp.log, lambda u: 1 / u, lambda u: -1 / u**2),
        domain=(0.0, np.inf),
    ),
    Row(
        "Sqrt",
        torch.sqrt,
        between=(0.1, 4.0),
        limits=(np.nan, np.inf),
        onnx=("Sqrt", {}),
        exact=(mp.sqrt, lambda u: 0.5 / mp.sqrt(u), lambda u: -0.25 * u ** mp.mpf(-1.5)),
        domain=(0.0, np.inf),
    ),
    Row("Square", torch.square, limits=(np.inf, np.inf), exact=(lambda u: u * u, lambda u: 2 * u, lambda u: mp.mpf(2))),
    Row(
        "Erf",
        torch.erf,
        limits=(-1, 1),
        onnx=("Erf", {}),
        exact=(
            mp.erf,
            lambda u: 2 / mp.sqrt(mp.pi) * mp.exp(-u * u),
            lambda u: -4 * u / mp.sqrt(mp.pi) * mp.exp(-u * u),
        ),
    ),
    Row("Sin", torch.sin, limits=(np.nan, np.nan), onnx=("Sin", {}), exact=(mp.sin, mp.cos, lambda u: -mp.sin(u))),
    Row(
        "Cos",
        torch.cos,
        limits=(np.nan, np.nan),
        onnx=("Cos", {}),
        exact=(mp.cos, lambda u: -mp.sin(u), lambda u: -mp.cos(u)),
    ),
    Row(
        "Clip",
        lambda u: torch.clamp(u, -1, 2),
        attributes={"lower": -1.0, "upper": 2.0},
        limits=(-1, 2),
        onnx=("Clip", {}, constant(-1, shape=()), constant(2, shape=())),
        exact=piecewise(lambda u: min(max(u, mp.mpf(-1)), mp.mpf(2)), lambda u: mp.mpf(-1 < u < 2)),
        at_kinks={-1.0: 0.0, 2.0: 0.0},
    ),
    Row("Clip", lambda u: torch.clamp(u, min=1), attributes={"lower": 1.0}, at_kinks={1.0: 0.0}, note="lower"),
    Row("Clip", lambda u: torch.clamp(u, max=1), attributes={"upper": 1.0}, at_kinks={1.0: 0.0}, note="upper"),
    Row("Clip", lambda u: u, note="no limits"),
    Row(
        "Clip",
        lambda u: 0 * u - 1,
        attributes={"lower": 1.0, "upper": -1.0},
        onnx=("Clip", {}, constant(1, shape=()), constant(-1, shape=())),
        has_exact_pattern=False,
        note="crossed",
    ),
    Row(
        "Tan",
        torch.tan,
        limits=(np.nan, np.nan),
        onnx=("Tan", {}),
        exact=(mp.tan, lambda u: 1 + mp.tan(u) ** 2, lambda u: 2 * mp.tan(u) * (1 + mp.tan(u) ** 2)),
        between=(-1.4, 1.4),
        has_poles=True,
    ),
    *(
        Row(
            name,
            formula,
            limits=(np.nan, np.nan),
            onnx=(name, {}),
            exact=(
                value,
                partial(lambda u, sign: sign / mp.sqrt(1 - u * u), sign=sign),
                partial(lambda u, sign: sign * u / (1 - u * u) ** mp.mpf(1.5), sign=sign),
            ),
            between=(-0.9, 0.9),
            domain=(-1.0, 1.0),
        )
        for name, formula, value, sign in (("Asin", torch.asin, mp.asin, 1), ("Acos", torch.acos, mp.acos, -1))
    ),
    Row(
        "Atan",
        torch.atan,
        limits=(-np.pi / 2, np.pi / 2),
        onnx=("Atan", {}),
        exact=(mp.atan, lambda u: 1 / (1 + u * u), lambda u: -2 * u / (1 + u * u) ** 2),
    ),
    Row("Sinh", torch.sinh, limits=(-np.inf, np.inf), onnx=("Sinh", {}), exact=(mp.sinh, mp.cosh, mp.sinh)),
    Row("Cosh", torch.cosh, limits=(np.inf, np.inf), onnx=("Cosh", {}), exact=(mp.cosh, mp.sinh, mp.cosh)),
    Row(
        "Asinh",
        torch.asinh,
        limits=(-np.inf, np.inf),
        onnx=("Asinh", {}),
        exact=(mp.asinh, lambda u: 1 / mp.sqrt(1 + u * u), lambda u: -u / mp.sqrt(1 + u * u) ** 3),
    ),
    Row(
        "Acosh",
        torch.acosh,
        limits=(np.nan, np.inf),
        onnx=("Acosh", {}),
        exact=(mp.acosh, lambda u: 1 / mp.sqrt(u * u - 1), lambda u: -u / mp.sqrt(u * u - 1) ** 3),
        between=(1.2, 4.0),
        domain=(1.0, np.inf),
    ),
    Row(
        "Atanh",
        torch.atanh,
        limits=(np.nan, np.nan),
        onnx=("Atanh", {}),
        exact=(mp.atanh, lambda u: 1 / (1 - u * u), lambda u: 2 * u / (1 - u * u) ** 2),
        between=(-0.9, 0.9),
        domain=(-1.0, 1.0),
    ),
    Row(
        "Sign",
        lambda u: 0 * u + torch.sign(u.detach()),
        limits=(-1, 1),
        onnx=("Sign", {}),
        exact=piecewise(mp.sign, lambda u: mp.mpf(0)),
        at_kinks={0.0: 0.0},
    ),
    *(
        Row(
            name,
            partial(lambda u, formula: 0 * u + formula(u.detach()), formula=formula),
            limits=(-np.inf, np.inf),
            onnx=(name, {}),
            exact=piecewise(value, lambda u: mp.mpf(0)),
            points=[constant(-1.5, -0.5, 0.5, 1.5, 2.0, 2.5)],
        )
        for name, formula, value in (
            ("Floor", torch.floor, mp.floor),
            ("Ceil", torch.ceil, mp.ceil),
            ("Round", torch.round, mp.nint),
        )
    ),
]

BINARY_SHAPES: dict[str, list[Shape]] = {
    "same shapes": [(2, 3), (2, 3)],
    "row": [(2, 3), (3,)],
    "column": [(2, 1), (2, 3)],
    "both": [(3, 1), (1, 2)],
    "number": [(), (2, 2)],
    "inner": [(2, 1, 2), (1, 3, 1)],
}
BINARY: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Pow": torch.pow,
}
BINARY_ROWS = [
    *(
        Row(
            name,
            formula,
            shapes,
            between=(0.3, 2.0) if name in ("Div", "Pow") else (-3.0, 3.0),
            onnx=(name, {}),
            note=note,
        )
        for name, formula in BINARY.items()
        for note, shapes in BINARY_SHAPES.items()
    ),
    *(
        Row(
            name,
            formula,
            [(2, 3), (3,)],
            fixed={k: np.linspace(0.5, 1.5, 3) if k else np.linspace(-1, 2, 6).reshape(2, 3)},
            between=(0.3, 2.0),
            onnx=(name, {}),
            has_exact_pattern=name != "Pow",
            note=f"constant {'ab'[k]}",
        )
        for name, formula in BINARY.items()
        for k in (0, 1)
        if (name, k) != ("Pow", 0)
    ),
    Row(
        "Pow",
        torch.pow,
        [(3,), (2, 3)],
        fixed={0: constant(0.5, 1.0, 3.0)},
        between=(-2.0, 2.0),
        onnx=("Pow", {}),
        has_exact_pattern=False,
        note="constant a",
    ),
    Row(
        "Pow",
        lambda _, b: torch.cat([0 * b[:4], 2 ** b[4:]]),
        [(5,), (5,)],
        fixed={0: constant(0, 0, 0, 0, 2)},
        points=[constant(1, 2, 0.5, 3, 0)],
        between=(0.5, 3.0),
        has_exact_pattern=False,
        note="base zero",
    ),
    *(
        Row(
            "Pow",
            partial(lambda u, _, exponent: 0 * u + 1 if exponent == 0 else u ** int(exponent), exponent=exponent),
            [(6,), ()],
            fixed={1: constant(exponent, shape=())},
            between=(-3.0, -0.5),
            points=[np.array(SPECIAL) if exponent >= 0 else np.array(SPECIAL) + 0.25],
            onnx=("Pow", {}),
            has_exact_pattern=exponent > 1 or exponent < 0,
            note=f"exponent {exponent}",
        )
        for exponent in (0, 1, 2, 3, 4, 5, -1, -2)
    ),
    Row(
        "Pow",
        lambda u, _: torch.stack([u[0] ** 3, u[1] ** 2, 1 / u[2], u[3], 0 * u[4] + 1, u[5] ** -2]),
        [(6,), (6,)],
        fixed={1: constant(3, 2, -1, 1, 0, -2)},
        points=[constant(-1, 0, -2, 0, 0, -1.5)],
        onnx=("Pow", {}),
        has_exact_pattern=False,
        note="mixed integer exponents",
    ),
    Row(
        "Pow",
        lambda u, _: torch.sqrt(u),
        [(3,), (1,)],
        fixed={1: constant(0.5)},
        between=(0.1, 4.0),
        onnx=("Pow", {}),
        note="square root",
    ),
]


def first_maximum(x: Any, axis: int, n_axes: int, keepdims: bool) -> Any:
    """The maximum; where several share it, the first one's derivative."""
    shape = (*x.shape[:axis], -1, *x.shape[axis + n_axes :])
    flat = x.reshape(shape)
    first = torch.tensor(np.argmax(flat.detach().numpy(), axis, keepdims=True))
    kept = (*x.shape[:axis], *(1,) * (n_axes if keepdims else 0), *x.shape[axis + n_axes :])
    return torch.gather(flat, axis, first).reshape(kept)


def conv_row(
    note: str,
    shape: Shape,
    weights: np.ndarray,
    pads: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    bias: np.ndarray | None = None,
    axis: int = 1,
) -> Row:
    """A convolution, by padding and PyTorch's own."""
    rank = weights.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    attributes = {"group": group, "strides": list(strides), "dilations": list(dilations), "pads": list(pads)}
    constants = [weights] if bias is None else [weights, bias]
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    W, b = torch.tensor(weights).double(), None if bias is None else torch.tensor(bias).double()

    def formula(x: Any) -> Any:
        ends = [end for k in reversed(range(rank)) for end in (pads[k], pads[k + rank])]
        image = functional.pad(x.reshape(-1, *x.shape[axis:]), ends)
        y = convolve(image, W, b, stride=tuple(strides), dilation=tuple(dilations), groups=group)
        return y.reshape(*x.shape[:axis], *y.shape[1:])

    return Row(
        "Conv",
        formula,
        [shape],
        {**attributes, "axis": axis, "transposed": 0},
        constants,
        onnx=("Conv", attributes, *constants) if axis == 1 and min(pads) >= 0 else None,
        note=note,
    )


def conv_transpose_row(
    note: str,
    shape: Shape,
    weights: np.ndarray,
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int = 1,
    bias: np.ndarray | None = None,
) -> Row:
    """A transposed convolution, by PyTorch's own, cut off or grown at the ends."""
    rank = weights.ndim - 2
    transpose = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[rank - 1]
    W = torch.tensor(weights).double()

    def formula(x: Any) -> Any:
        y = transpose(x, W, stride=tuple(strides), dilation=tuple(dilations), groups=group)
        y = functional.pad(y, [-end for k in reversed(range(rank)) for end in (pads[k], pads[k + rank])])
        return y if bias is None else y + torch.tensor(bias).double().reshape(-1, *[1] * rank)

    attributes = {"group": group, "strides": list(strides), "dilations": list(dilations), "pads": list(pads)}
    constants = [weights] if bias is None else [weights, bias]
    return Row("Conv", formula, [shape], {**attributes, "axis": 1, "transposed": 1}, constants, note=note)


def sparse_row(note: str, matrix: np.ndarray, shape: Shape, axis: int) -> Row:
    """A sparse matrix along an axis."""
    rows, columns = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1)).astype(np.int64)
    W = torch.tensor(matrix).double()
    return Row(
        "SparseLinear",
        lambda x: torch.moveaxis(torch.tensordot(W, x, ([1], [axis])), 0, axis),
        [shape],
        {"axis": axis},
        [starts, columns.astype(np.int64), matrix[rows, columns]],
        note=note,
    )


def sample(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


CONVOLUTIONS = [
    conv_row("1-D", (1, 2, 6), sample(3, 2, 3), [0, 0]),
    conv_row("1-D, pads, strides, bias", (2, 2, 5), sample(2, 2, 3, dtype=np.float32), [2, 1], [2], bias=sample(2)),
    conv_row("1-D, dilations", (1, 1, 7), sample(2, 1, 3), [1, 3], [2], [2]),
    conv_row("1-D, one tap", (1, 3, 4), sample(2, 3, 1, dtype=np.float32), [0, 0]),
    conv_row("1-D, strides wider than the kernel", (1, 1, 8), sample(2, 1, 2), [0, 1], [3]),
    conv_row("1-D, negative pads", (1, 1, 8), sample(1, 1, 2), [-1, -2]),
    conv_row("2-D", (1, 2, 4, 3), sample(2, 2, 2, 2, dtype=np.float32), [0, 0, 0, 0], bias=sample(2)),
    conv_row("2-D, pads", (1, 1, 3, 4), sample(2, 1, 3, 3), [1, 2, 1, 0], [2, 1]),
    conv_row("2-D, kernel larger than the image", (1, 1, 2, 2), sample(1, 1, 4, 4), [2, 2, 2, 2]),
    conv_row("2-D, groups", (1, 4, 3, 2), sample(4, 2, 2, 1), [0, 1, 0, 0], group=2, bias=sample(4)),
    conv_row("2-D, depthwise", (1, 3, 3, 2), sample(6, 1, 2, 2, dtype=np.float32), [1, 1, 0, 0], group=3),
    conv_row("3-D", (1, 2, 2, 3, 2), sample(2, 2, 2, 2, 1), [0, 1, 0, 1, 0, 0], [1, 2, 1]),
    conv_row(
        "1-D, weights of 0", (1, 2, 5), sample(2, 2, 3) * [[[1, 0, 1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]]], [1, 1]
    ),
    conv_row("no batch", (2, 4), sample(2, 2, 2), [0, 0], axis=0),
    conv_row("two axes in front", (2, 1, 1, 4), sample(2, 1, 2), [1, 0], axis=2, bias=sample(2)),
    conv_transpose_row("transposed 1-D", (1, 2, 4), sample(2, 3, 3), [0, 0], [1], [1], bias=sample(3)),
    conv_transpose_row("transposed 1-D, strides", (2, 1, 3), sample(1, 2, 3, dtype=np.float32), [1, 0], [2], [1]),
    conv_transpose_row("transposed 1-D, grown", (1, 1, 3), sample(1, 1, 2), [0, -1], [3], [2]),
    conv_transpose_row(
        "transposed 2-D", (1, 2, 2, 3), sample(2, 2, 2, 3), [1, 0, 0, 1], [2, 1], [1, 2], bias=sample(2)
    ),
    conv_transpose_row("transposed 2-D, groups", (1, 4, 2, 2), sample(4, 1, 2, 2), [0, 0, 1, 1], [2, 2], [1, 1], 2),
    conv_transpose_row("transposed 3-D", (1, 1, 2, 1, 2), sample(1, 2, 2, 2, 2), [0] * 6, [1, 2, 1], [1, 1, 1]),
]

# Two trees on three features, for two targets: (mode, feature or first, yes or last, no, where NaN goes).
TREE_NODES = np.array(
    [
        [1, 0, 1, 2, 0], [0, 0, 2, 0, 0], [4, 2, 3, 4, 1], [0, 2, 3, 0, 0], [0, 3, 5, 0, 0],  # u_0 <= 0.5, u_2 > -1
        [2, 1, 8, 6, 0], [3, 1, 7, 8, 0], [0, 5, 6, 0, 0], [0, 6, 8, 0, 0],  # u_1 < -0.75, then u_1 >= 1.25
    ]
)  # fmt: skip
TREE_TABLES = [
    TREE_NODES,
    np.array([0.5, 0, -1, 0, 0, -0.75, 1.25, 0, 0]),
    indices(0, 1, 0, 0, 1, 1, 0, 1),
    np.array([1.0, -2.0, 3.0, 0.5, 4.0, -1.5, 2.5, 0.25]),
    indices(0, 5),
]


def tree_reference(u: Any, aggregate: str) -> Any:
    """The same trees by hand; the derivative is 0."""
    rows = []
    for row in u.reshape(-1, 3).tolist():
        first = {0: 1.0, 1: -2.0} if row[0] <= 0.5 else {0: 3.0} if row[2] > -1 else {0: 0.5, 1: 4.0}
        second = {1: -1.5} if row[1] >= 1.25 else {0: 2.5, 1: 0.25}
        said = [[leaf[target] for leaf in (first, second) if target in leaf] for target in (0, 1)]
        combine = {"sum": sum, "mean": lambda values: sum(values) / 2, "min": min, "max": max}[aggregate]
        rows.append([combine(values) if values else 0.0 for values in said])  # type: ignore[operator]
    return torch.tensor(rows, dtype=torch.float64).reshape(*u.shape[:-1], 2) + 0 * u.sum()


PIECEWISE = [
    Row(
        "Quantize",
        lambda u: u + (torch.round(u) - u).detach(),
        onnx=("Round", {}),
        points=[[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], [1e300, -1e300, 4503599627370495.5, -0.49999999999999994, 0.0, 3.0]],
    ),
    *(
        Row(
            "TreeEnsemble",
            partial(tree_reference, aggregate=aggregate),
            shapes=[shape],
            attributes={"n_targets": 2, "aggregate": aggregate},
            constants=TREE_TABLES,
            points=[[0.5, -0.75, -1.0] * (size // 3), [0.6, 1.25, -1.1] * (size // 3), [9.0, 1.3, -0.9] * (size // 3)],
            note=f"{aggregate}-{len(shape)}",
        )
        for aggregate in ("sum", "mean", "min", "max")
        for shape, size in (((2, 3), 6), ((3,), 3))
    ),
]


def product_over(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    for axis in reversed(dim):
        x = torch.prod(x, axis, keepdim=keepdim)
    return x


def cumulative_sum(x: Any, axis: int, exclusive: int, reverse: int) -> Any:
    x = torch.flip(x, (axis,)) if reverse else x
    total = torch.cumsum(x, axis) - (x if exclusive else 0)
    return torch.flip(total, (axis,)) if reverse else total


def step_of(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula as numbers, whose derivative is zero."""
    return lambda a, b: 0 * (a + b) + formula(a.detach(), b.detach()).to(torch.float64)


def python_mod(a: Any, b: Any) -> Any:
    return a - b * torch.floor((a / b).detach())


def c_mod(a: Any, b: Any) -> Any:
    return a - b * torch.trunc((a / b).detach())


CHOICES = [
    *(
        Row(
            name,
            formula,
            shapes,
            fixed=fixed,
            onnx=(name, {}),
            note=note,
        )
        for name, formula in (("Max", torch.maximum), ("Min", torch.minimum))
        for note, shapes, fixed in (
            *((note, shapes, {}) for note, shapes in BINARY_SHAPES.items()),
            ("constant a", [(3,), (2, 3)], {0: constant(-1.0, 0.0, 1.0)}),
            ("constant b", [(2, 3), (3,)], {1: constant(-1.0, 0.0, 1.0)}),
        )
    ),
    *(
        Row(name, step_of(formula), shapes, points=[np.resize([1.0, 2.0], n)], note=note)
        for name, formula in (("Less", torch.lt), ("LessOrEqual", torch.le), ("Equal", torch.eq))
        for note, shapes, n in (("same shapes", [(2, 3), (2, 3)], 12), ("both", [(3, 1), (1, 2)], 5))
    ),
    *(
        Row(
            "Mod",
            formula,
            shapes,
            {"fmod": fmod},
            fixed=fixed,
            between=(0.5, 3.0),
            onnx=("Mod", {"fmod": fmod}),
            has_exact_pattern=False,
            note=f"fmod={fmod} {note}",
        )
        for fmod, formula in ((0, python_mod), (1, c_mod))
        for note, shapes, fixed in (
            ("same shapes", [(2, 3), (2, 3)], {}),
            ("constant b", [(2, 3), (3,)], {1: constant(-0.7, 0.3, 1.1)}),
            ("constant a", [(3,), (2, 3)], {0: constant(-7.3, 0.3, 11.1)}),
        )
    ),
    *(
        Row(
            "Where",
            lambda c, a, b: torch.where(c != 0, a, b),
            shapes,
            fixed=fixed,
            has_exact_pattern=False,
            note=note,
        )
        for note, shapes, fixed in (
            ("constant condition", [(2, 3), (2, 3), (2, 3)], {0: np.array([[0.0, 1, 0], [1, 1, 0]])}),
            ("broadcast", [(3, 1), (1, 2), (2, 1, 1)], {0: np.array([[0.0], [1], [0]])}),
            ("condition of x", [(2, 3), (3,), (2, 1)], {}),
            ("constant sides", [(2,), (2,), (2,)], {0: constant(1, 0), 1: constant(2, -np.inf)}),
        )
    ),
    *(
        Row(
            "Hardmax",
            partial(
                lambda x, dim: 0 * x + torch.zeros_like(x).scatter(dim, x.detach().argmax(dim, keepdim=True), 1.0),
                dim=dim,
            ),
            [(2, 3, 2)],
            {"axis": dim, "n_axes": 1},
            points=[np.tile([1.0, 2.0, 2.0], 4)],
            onnx=("Hardmax", {"axis": dim}),
            note=f"axis {dim}",
        )
        for dim in (0, 1, 2)
    ),
]

OTHERS = [
    *PIECEWISE,
    *CONVOLUTIONS,
    sparse_row("vector", np.array([[1.0, 0, 2], [0, 0, 0], [0, -3, 0.5], [1, 1, 1]]), (3,), 0),
    sparse_row("last axis", np.array([[0.5, 0.5, 0], [0, 0.25, 0.75]], np.float32), (2, 3), 1),
    sparse_row("middle axis", np.array([[0, 1.0], [2, 0], [0.5, -1]]), (2, 2, 2), 1),
    *(
        Row(
            "ReduceMax",
            partial(first_maximum, axis=axis, n_axes=n_axes, keepdims=bool(keepdims)),
            [shape],
            {"axis": axis, "n_axes": n_axes, "keepdims": keepdims},
            points=ties,
            onnx=("ReduceMax", {"keepdims": keepdims}, indices(*range(axis, axis + n_axes))),
            note=f"{shape} axis {axis} n_axes {n_axes} keepdims {keepdims}",
        )
        for shape, axis, n_axes, keepdims, ties in (
            ((3,), 0, 1, 0, [constant(1, 2, 2), constant(2, 2, 1), constant(-1, -1, -1)]),
            ((2, 3, 2), 0, 1, 0, []),
            ((2, 3, 2), 1, 1, 1, [constant(0, 0, 1, 0, 1, 0, -2, 3, -2, 3, -2, 3)]),
            ((2, 2), 0, 2, 0, []),
            ((2, 2, 2), 1, 2, 1, []),
            ((2, 1), 1, 1, 0, []),
        )
    ),
    *(
        Row(
            name,
            partial(formula, dim=tuple(range(axis, axis + n_axes)), keepdim=bool(keepdims)),
            [(2, 3, 2)],
            {"axis": axis, "n_axes": n_axes, "keepdims": keepdims},
            points=points,
            onnx=(name, {"keepdims": keepdims}, indices(*range(axis, axis + n_axes))) if name != "ReduceProd" else None,
            note=f"axis {axis} n_axes {n_axes} keepdims {keepdims}",
        )
        for name, formula, points in (
            ("ReduceLogSumExp", torch.logsumexp, [np.resize([1e4, -1e4, 9999.5, 0.0, -800.0], 12)]),
            ("ReduceL2", torch.linalg.vector_norm, [1e-3 * np.arange(1.0, 13.0)]),
            ("ReduceProd", product_over, [np.resize([0.0, 1.0, -2.0, 3.0, 0.5], 12), np.zeros(12)]),
        )
        for axis, n_axes, keepdims in ((0, 1, 0), (1, 1, 1), (2, 1, 0), (0, 3, 0), (1, 2, 1))
    ),
    *(
        Row(
            name,
            formula,
            [(2, 1)],
            {"axis": 1, "n_axes": 1, "keepdims": 0},
            note="one member",
        )
        for name, formula in (
            ("ReduceLogSumExp", lambda x: x[:, 0]),
            ("ReduceL2", lambda x: x[:, 0].abs()),
            ("ReduceProd", lambda x: x[:, 0]),
        )
    ),
    *(
        Row(
            "CumSum",
            partial(cumulative_sum, axis=axis, exclusive=exclusive, reverse=reverse),
            [(2, 3, 2)],
            {"axis": axis, "n_axes": 1, "exclusive": exclusive, "reverse": reverse},
            onnx=("CumSum", {"exclusive": exclusive, "reverse": reverse}, np.array(axis, np.int64)),
            note=f"axis {axis} exclusive {exclusive} reverse {reverse}",
        )
        for axis, exclusive, reverse in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0))
    ),
    *(
        Row(
            "Linear",
            partial(lambda x, W, b: W @ x + b[:, None], W=torch.tensor(W).double(), b=torch.tensor(b).double()),
            [(3, 2)],
            {"axis": 0, "transposed": 0},
            [W, b],
            note=f"{W.dtype}, bias",
        )
        for W, b in ((W_32, bias), (W_64, bias))
    ),
    Row(
        "Linear",
        lambda x: x @ W_32_TORCH.T,
        [(2, 3)],
        {"axis": 1, "transposed": 0},
        [W_32],
        onnx=("Gemm", {"transB": 1}, W_32),
        note="last axis",
    ),
    Row(
        "Linear",
        lambda x: x @ W_64_TORCH,
        [(2, 4)],
        {"axis": 1, "transposed": 1},
        [W_64],
        onnx=("MatMul", {}, W_64),
        note="last axis, transposed",
    ),
    Row(
        "Linear",
        lambda x: torch.einsum("hk,okc->ohc", W_32_TORCH, x),
        [(2, 3, 2)],
        {"axis": 1, "transposed": 0},
        [W_32],
        note="middle axis",
    ),
    Row(
        "Linear",
        lambda x: W_32_TORCH.T @ x + 1,
        [(4,)],
        {"axis": 0, "transposed": 1},
        [W_32, np.ones(3)],
        note="vector, transposed",
    ),
    *(
        Row("MatMul", torch.matmul, shapes, onnx=("MatMul", {}), fixed=fixed, note=f"{shapes} {note}")
        for shapes, fixed, note in (
            ([(2, 3), (3, 4)], {}, ""),
            ([(1, 3), (3, 2)], {}, "row"),
            ([(2, 3), (3, 1)], {}, "column"),
            ([(2, 1), (1, 3)], {}, "outer"),
            ([(1, 4), (4, 1)], {}, "inner"),
            ([(2, 2, 3), (2, 3, 2)], {}, "stacks"),
            ([(2, 2, 2), (2, 3)], {}, "one right side"),
            ([(2, 3), (2, 3, 2)], {}, "one left side"),
            ([(2, 1, 1, 2), (2, 2, 2)], {}, "both stretched"),
            ([(2, 2, 2), (1, 1, 2, 2)], {}, "leading ones"),
            ([(2, 2, 3), (2, 3, 2)], {0: LEFT}, "constant a"),
            ([(2, 2, 3), (2, 3, 2)], {0: LEFT * ZEROS}, "zeros in a"),
            ([(2, 2, 3), (2, 3, 2)], {1: (LEFT * ZEROS).reshape(2, 3, 2)}, "zeros in b"),
            ([(1, 2, 3), (2, 3, 2)], {1: RIGHT}, "constant b"),
            ([(1, 9), (9, 9)], {}, "wide"),
        )
    ),
    *(
        Row(
            name,
            partial(formula, dim=tuple(range(axis, axis + n_axes))),
            [shape],
            {"axis": axis, "n_axes": n_axes},
            points=extreme,
            onnx=(name, {"axis": axis}) if n_axes == 1 else None,
            has_exact_pattern=shape[axis] > 1,
            note=f"{shape} axis {axis} n_axes {n_axes}",
        )
        for name, formula in (("Softmax", softmax), ("LogSoftmax", log_softmax))
        for shape, axis, n_axes, extreme in (
            ((4,), 0, 1, [constant(1e4, -1e4, 0, 9999.5), constant(800, 0, -800, 799), constant(5, 5, 5, 5)]),
            ((1, 5), 1, 1, []),
            ((2, 3), 0, 1, []),
            ((2, 3, 2), 1, 1, []),
            ((2, 3, 2), 1, 2, []),
            ((3, 1), 1, 1, []),
        )
    ),
    *(
        Row(
            name,
            partial(
                normalization,
                dim=tuple(range(axis, axis + n_axes)),
                epsilon=epsilon,
                constants=[SCALES[: int(np.prod(shape[axis : axis + n_axes]))], SCALES[::-1]][:n_constants],
                is_centred=name == "LayerNormalization",
            ),
            [shape],
            {"axis": axis, "n_axes": n_axes, "epsilon": epsilon},
            [
                np.resize(numbers, shape[axis : axis + n_axes])
                for numbers in (SCALES[: int(np.prod(shape[axis : axis + n_axes]))], SCALES[::-1])[:n_constants]
            ],
            points=points,
            has_exact_pattern=shape[axis] > 2 or name == "RMSNormalization",
            note=f"{shape} axis {axis} n_axes {n_axes} epsilon {epsilon} constants {n_constants}",
        )
        for name in ("LayerNormalization", "RMSNormalization")
        for shape, axis, n_axes, epsilon, n_constants, points in (
            ((4,), 0, 1, 1e-5, 0, [constant(5, 5, 5, 5), constant(1, 1, 1, 1 + 1e-9), constant(1e3, -1e3, 0, 999.5)]),
            ((11,), 0, 1, 1e-5, 2, [np.arange(11.0) + 1e6, np.zeros(11)]),
            ((2, 5), 1, 1, 0.5, 1, []),
            ((2, 3), 0, 1, 1e-3, 2, []),
            ((2, 3, 2), 1, 1, 1e-5, 2, []),
            ((2, 3, 2), 1, 2, 0.0, 1, []),
            ((3, 1), 1, 1, 0.1, 0, []),
        )
    ),
    *(
        Row(
            name,
            partial(formula, dim=tuple(range(axis, axis + n_axes)), keepdim=bool(keepdims)),
            [(2, 3, 2)],
            {"axis": axis, "n_axes": n_axes, "keepdims": keepdims},
            onnx=(name, {"keepdims": keepdims}, indices(*range(axis, axis + n_axes))),
            note=f"axis {axis} n_axes {n_axes} keepdims {keepdims}",
        )
        for name, formula in (("ReduceSum", torch.sum), ("ReduceMean", torch.mean))
        for axis, n_axes, keepdims in ((0, 1, 0), (1, 1, 1), (2, 1, 0), (0, 3, 0), (1, 2, 1), (0, 3, 1))
    ),
    Row(
        "Reshape", lambda x: x.reshape(3, 2, 1), attributes={"shape": [3, 2, 1]}, onnx=("Reshape", {}, indices(3, 2, 1))
    ),
    Row("Reshape", lambda x: x.reshape(()), [(1, 1)], {"shape": []}, note="to a number"),
    Row(
        "Select",
        lambda x: x.permute(2, 0, 1),
        [(2, 2, 3)],
        {"shape": [3, 2, 2]},
        [transposed_indices((2, 2, 3), (2, 0, 1))],
        onnx=("Transpose", {"perm": [2, 0, 1]}),
        note="transpose",
    ),
    Row(
        "Select",
        lambda x: x.ravel()[torch.tensor([4, 1, 1, 0])].reshape(2, 2),
        attributes={"shape": [2, 2]},
        constants=[indices(4, 1, 1, 0)],
        note="repeated",
    ),
    Row(
        "Select",
        lambda x: x.expand(3, 2),
        [(2,)],
        {"shape": [3, 2]},
        [indices(0, 1, 0, 1, 0, 1)],
        onnx=("Expand", {}, indices(3, 2)),
        note="expand",
    ),
    *(
        Row(
            "Concat",
            partial(lambda *inputs, axis: torch.cat(inputs, axis), axis=axis),
            shapes,
            {"axis": axis},
            onnx=("Concat", {"axis": axis}),
            fixed=fixed,
            note=note,
        )
        for axis, shapes, fixed, note in (
            (0, [(2, 3), (1, 3)], {}, "axis 0"),
            (1, [(2, 1), (2, 2), (2, 1)], {}, "axis 1"),
            (1, [(2, 2, 2), (2, 1, 2)], {1: np.ones((2, 1, 2))}, "constant branch"),
            (0, [(3,)], {}, "one input"),
        )
    ),
]

ROWS = [*UNARY, *BINARY_ROWS, *CHOICES, *OTHERS]


# ---- several operators together: what a single one cannot show


@dataclass(frozen=True, eq=False)
class GraphRow:
    """A small graph."""

    note: str
    n: int
    build: Callable[[Nodes], Sequence[int]]  # adds nodes and returns the outputs
    reference_of_x: Callable[[Any], Any]
    between: tuple[float, float] = (-2.0, 2.0)
    points: Sequence[np.ndarray] = ()
    has_exact_pattern: bool = True

    def __str__(self) -> str:
        return self.note

    def function(self) -> _core.Function:
        nodes = Nodes(self.n)
        return nodes.function(*self.build(nodes))

    def sample_points(self) -> list[np.ndarray]:
        generator = np.random.default_rng(sum(map(ord, self.note)))
        return [generator.uniform(*self.between, self.n), *self.points]


def squared_matrix(nodes: Nodes) -> list[int]:
    grid = nodes.add("Reshape", 0, shape=[2, 2])
    return [nodes.add("MatMul", grid, grid)]


def zeros_kept(nodes: Nodes) -> list[int]:
    """Zeros that are joined, moved and multiplied; their exponentials are not 0."""
    zeros = nodes.constant([0.0, 0.0])
    joined = nodes.add("Concat", 0, zeros, axis=0)
    left = nodes.add("Reshape", nodes.add("Select", joined, shape=[4], constants=[indices(0, 2, 3, 1)]), shape=[2, 2])
    right = nodes.add("Reshape", joined, shape=[2, 2])
    powers = nodes.add("Exp", left)
    return [
        nodes.add("MatMul", left, right),
        nodes.add("Mul", left, right),
        nodes.add("MatMul", powers, right),
        nodes.add("MatMul", powers, left),
    ]


def zeros_kept_reference(x: Any) -> Any:
    zeros = torch.zeros(2, dtype=x.dtype)
    left, right = torch.stack([x[0], *zeros, x[1]]).reshape(2, 2), torch.cat([x, zeros]).reshape(2, 2)
    powers = torch.exp(left)
    return torch.cat([y.ravel() for y in (left @ right, left * right, powers @ right, powers @ left)])


def shared_node(nodes: Nodes) -> list[int]:
    shared = nodes.add("Tanh", 0)
    return [nodes.add("Mul", nodes.add("Sin", shared), nodes.add("Exp", shared))]


def two_outputs(nodes: Nodes) -> list[int]:
    hidden = nodes.add("Sigmoid", nodes.add("Linear", 0, axis=0, transposed=0, constants=[W_32]))
    return [nodes.add("Softmax", hidden, axis=0, n_axes=1), nodes.piece(hidden, 1, (2,))]


def output_read_again(nodes: Nodes) -> list[int]:
    first = nodes.add("Sin", 0)
    return [first, nodes.add("Mul", first, first), first]


def constant_branch(nodes: Nodes) -> list[int]:
    scale = nodes.add("Exp", nodes.constant([0.5, -1.0, 2.0]))
    return [nodes.add("Mul", nodes.add("Div", nodes.add("Tanh", 0), scale), nodes.add("Log", scale)), scale]


def negative_base(nodes: Nodes) -> list[int]:
    return [
        nodes.add(
            "Pow", nodes.add("Sub", 0, nodes.constant(5.0)), nodes.add("Add", nodes.constant(1.0), nodes.constant(2.0))
        )
    ]


def residual(nodes: Nodes) -> list[int]:
    current = 0
    for _ in range(3):
        hidden = nodes.add("Tanh", nodes.add("Linear", current, axis=0, transposed=0, constants=[W_64]))
        current = nodes.add("Add", current, nodes.add("Linear", hidden, axis=0, transposed=1, constants=[W_64]))
    return [current]


def residual_reference(x: Any) -> Any:
    for _ in range(3):
        x = x + W_64_TORCH.T @ torch.tanh(W_64_TORCH @ x)
    return x


def views(nodes: Nodes) -> list[int]:
    grid = nodes.add("Reshape", 0, shape=[2, 3])
    joined = nodes.add("Concat", grid, nodes.add("Reshape", nodes.add("Exp", grid), shape=[2, 3]), axis=0)
    flat = nodes.add("Reshape", nodes.add("Reshape", joined, shape=[12]), shape=[3, 4])
    return [nodes.add("Mul", flat, flat), flat, grid]


def views_reference(x: Any) -> Any:
    joined = torch.cat([x, torch.exp(x)])
    return torch.cat([joined**2, joined, x])


GRAPHS = [
    GraphRow("shared node", 3, shared_node, lambda x: torch.sin(torch.tanh(x)) * torch.exp(torch.tanh(x))),
    GraphRow("zeros", 2, zeros_kept, zeros_kept_reference),
    GraphRow("same input twice: Mul", 3, lambda nodes: [nodes.add("Mul", 0, 0)], lambda x: x * x),
    GraphRow("same input twice: Add", 3, lambda nodes: [nodes.add("Add", 0, 0)], lambda x: x + x),
    GraphRow("same input twice: MatMul", 4, squared_matrix, lambda x: (x.reshape(2, 2) @ x.reshape(2, 2)).ravel()),
    GraphRow("same input twice: Pow", 3, lambda nodes: [nodes.add("Pow", 0, 0)], lambda x: x**x, between=(0.5, 2.0)),
    GraphRow(
        "same input twice: broadcasting against itself",
        3,
        lambda nodes: [nodes.add("Mul", nodes.add("Reshape", 0, shape=[3, 1]), 0)],
        lambda x: (x[:, None] * x).ravel(),
    ),
    GraphRow(
        "same input twice: Concat",
        2,
        lambda nodes: [nodes.add("Exp", nodes.add("Concat", 0, 0, axis=0))],
        lambda x: torch.exp(torch.cat([x, x])),
    ),
    GraphRow(
        "two outputs",
        3,
        two_outputs,
        lambda x: (lambda s: torch.cat([softmax(s, 0), s[1:3]]))(torch.sigmoid(W_32_TORCH @ x)),
    ),
    GraphRow(
        "an output that is read again",
        2,
        output_read_again,
        lambda x: torch.cat([torch.sin(x), torch.sin(x) ** 2, torch.sin(x)]),
    ),
    GraphRow(
        "constant branch",
        3,
        constant_branch,
        lambda x: torch.cat([torch.tanh(x) / torch.exp(THREE) * THREE, torch.exp(THREE)]),
    ),
    GraphRow(
        "constant only",
        2,
        lambda nodes: [nodes.add("Sqrt", nodes.constant([4.0, 9.0]))],
        lambda x: 0 * x + torch.tensor([2.0, 3.0]),
    ),
    GraphRow("x itself", 2, lambda nodes: [0], lambda x: x),
    GraphRow("negative base, constant exponent from a node", 2, negative_base, lambda x: (x - 5) ** 3),
    GraphRow("residual", 3, residual, residual_reference),
    GraphRow("views", 6, views, views_reference),
    GraphRow(
        "a kink on every unit",
        4,
        lambda nodes: [nodes.add("Relu", nodes.add("Mul", 0, 0))],
        lambda x: x * x,
        points=[np.array([1.0, -2.0, 0.5, 3.0])],
    ),
]
