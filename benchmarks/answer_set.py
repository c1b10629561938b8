"""The set of problems: what people put networks into, from seeds. One half is for tuning, the other stays unseen;
"further" ones are of other kinds (`benchmarks.answer_further`).

A problem states its objective and rows by a function of x and its networks, with +, -, *, sums and indices only: NumPy,
JAX, expressions and arrays of Pyomo variables all take it, so that everybody solves the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.answer_networks import Trained, train

Array = NDArray[Any]
Rows = list[tuple[str, Any, Any, Any]]  # name, expression, lower, upper
Statement = Callable[[Any, Sequence[Callable[[Any], Any]]], tuple[Any, Rows]]
HALVES = ("tuned", "unseen")
FURTHER = "further"
#: Ranges as engineers have them: temperatures, pressures, concentrations, angles, flows.
UNITS = [(300.0, 600.0), (1e5, 3e6), (1e-4, 1e-3), (0.0, 1.0), (-50.0, 50.0), (1e-7, 5e-7), (1e3, 1e7), (-1.0, 1.0)]


@dataclass
class Case:
    """minimize f(x) subject to rows and bounds.

    Attributes
    ----------
    conflict : set of str
        Of an infeasible problem: rows one of which every explanation must name.
    """

    name: str
    half: str
    networks: list[Trained]
    lower: Array
    upper: Array
    state: Statement
    start: Array | None = None
    conflict: set[str] = field(default_factory=set)

    @property
    def is_feasible(self) -> bool:
        return not self.conflict

    @property
    def is_kinked(self) -> bool:
        return any(network.activation == "relu" for network in self.networks)

    @property
    def family(self) -> str:
        return self.name.rsplit(" ", 1)[0]

    @property
    def center(self) -> Array:
        """Where everybody starts who is not told otherwise."""
        return 0.5 * (self.lower + self.upper) if self.start is None else self.start

    def evaluate(self, x: Array) -> tuple[Any, Array, Array, Array]:
        """Objective, rows and their limits, by NumPy alone; x may be complex."""
        objective, rows = self.state(x, self.networks)
        values = [np.zeros(0)] + [np.ravel(entry[1]) for entry in rows]
        sides = [
            np.concatenate([np.zeros(0)] + [np.broadcast_to(entry[k], np.shape(entry[1])).ravel() for entry in rows])
            for k in (2, 3)
        ]
        return objective, np.concatenate(values), sides[0], sides[1]

    def row_names(self) -> list[str]:
        """The name of each row's group."""
        _, rows = self.state(self.center, self.networks)
        return [name for name, values, _, _ in rows for _ in range(np.size(values))]


# ---- data to learn from


def landscape(random: np.random.Generator, n: int, m: int = 1) -> Callable[[Array], Array]:
    """Hills, and waves along a few directions, on the unit box: many local minima, as yields and costs have."""
    centers, widths = random.uniform(0.0, 1.0, (m, 6, n)), random.uniform(0.15, 0.4, (m, 6)) * np.sqrt(n / 2)
    heights, waves = random.normal(0.0, 1.0, (m, 6)), random.normal(0.0, 1.0, (m, 2, n)) * 7.0 / np.sqrt(n)
    phases = random.uniform(0.0, 6.28, (m, 2))

    def value(U: Array) -> Array:
        outputs = []
        for k in range(m):
            distances = ((U[:, None, :] - centers[k]) ** 2).sum(axis=2)
            hills = np.exp(-distances / (2.0 * widths[k] ** 2)) @ heights[k]
            outputs.append(hills + 0.5 * np.sin(U @ waves[k].T + phases[k]).sum(axis=1))
        return np.array(outputs).T

    return value


def ranges(random: np.random.Generator, n: int, is_scaled: bool) -> tuple[Array, Array]:
    """Lower and upper bounds: the unit box, or units of all sizes."""
    if not is_scaled:
        return np.zeros(n), np.ones(n)
    chosen = [UNITS[k] for k in random.integers(0, len(UNITS), n)]
    return np.array([low for low, _ in chosen]), np.array([high for _, high in chosen])


def surrogate(
    key: str, seed: int, n: int, m: int, activation: str, is_scaled: bool, size: float = 1.0
) -> tuple[Trained, Array, Array, Array]:
    """A network of a landscape, its bounds, and points of the data."""
    random = np.random.default_rng(seed)
    value = landscape(random, n, m)
    lower, upper = ranges(random, n, is_scaled)
    U = random.uniform(0.0, 1.0, (max(800, 150 * n), n))
    X = lower + (upper - lower) * U
    network = train(key, lambda: (X, size * value(U)), (24, 24) if n < 8 else (40, 40), activation, seed, 500)
    return network, lower, upper, X


# ---- families


def minimum(name: str, half: str, seed: int, n: int, activation: str, is_scaled: bool) -> Case:
    """The least value of a surrogate on its box."""
    network, lower, upper, _ = surrogate(key_of(name), seed, n, 1, activation, is_scaled)
    return Case(name, half, [network], lower, upper, lambda x, nets: (nets[0](x)[0], []))


def limited(
    name: str, half: str, seed: int, n: int, activation: str, is_scaled: bool, size: float = 1.0, width: float = np.inf
) -> Case:
    """The cheapest point whose first output reaches a value, and whose second one stays below one; or within a band."""
    network, lower, upper, X = surrogate(key_of(name), seed, n, 2, activation, is_scaled, size)
    random = np.random.default_rng(seed + 1)
    values = network(X)
    reached = np.flatnonzero(values[:, 0] >= np.quantile(values[:, 0], 0.85))
    here = values[reached[values[reached, 1].argsort()[len(reached) // 3]]]  # a point that holds both limits
    costs, wished = random.uniform(0.2, 1.0, n), random.uniform(0.0, 1.0, n)
    scale = 1.0 / (upper - lower)
    band = width * np.ptp(values[:, 0])

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        u = (x - lower) * scale - wished
        y = nets[0](x)
        return (costs * u * u).sum(), [("reached", y[0], here[0], here[0] + band), ("kept", y[1], -np.inf, here[1])]

    return Case(name, half, [network], lower, upper, state)


def digits(name: str, half: str, seed: int, side: int, activation: str, hidden: tuple[int, ...]) -> Case:
    """The smallest change of an image that makes a classifier see another digit, by a margin of its logits."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    if side != 8:
        images = np.clip(zoom(images.reshape(-1, 8, 8), (1, side / 8, side / 8), order=1), 0.0, 16.0)
    X = images.reshape(len(images), -1) / 16.0
    network = train(key_of(name), lambda: (X, labels), hidden, activation, seed, 40, is_classifier=True)
    index = int(np.random.default_rng(seed).integers(len(X)))
    image, logits = X[index], network(X[index])
    order = logits.argsort()
    target = int(order[-3])
    others = np.array([k for k in range(10) if k != target])
    outputs = network(X)
    reached = (outputs[:, [target]] - outputs[:, others]).min(axis=1).max()  # by some image of the data
    margin = min(1.0, 0.5 * float(reached))

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        difference, z = x - image, nets[0](x)
        return (difference * difference).sum(), [("margin", z[target] - z[others], margin, np.inf)]

    return Case(name, half, [network], np.zeros(X.shape[1]), np.ones(X.shape[1]), state, image.copy())


def wide(name: str, half: str, seed: int, n: int, activation: str) -> Case:
    """The best prediction near a point of the data, with a budget for what may change."""
    random = np.random.default_rng(seed)
    factors = random.normal(0.0, 1.0, (12, n)) / np.sqrt(12)
    inner = landscape(random, 12)
    T = random.uniform(0.0, 1.0, (1500, 12))
    X = T @ factors + 0.05 * random.normal(0.0, 1.0, (1500, n))
    network = train(key_of(name), lambda: (X, inner(T)), (32, 32), activation, seed, 150)
    here, prices = X[0], random.uniform(0.0, 1.0, n)

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        d = x - here
        rows = [("near", (d * d).sum(), -np.inf, 0.02 * n), ("budget", (prices * d).sum(), -np.inf, 0.5)]
        return -nets[0](x)[0], rows

    return Case(name, half, [network], X.min(axis=0) - 0.1, X.max(axis=0) + 0.1, state, here.copy())


def plant(random: np.random.Generator, n_states: int, n_inputs: int) -> Callable[[Array], Array]:
    """The next state of coupled tanks with a saturating drain, from state and input."""
    couple = random.uniform(0.0, 0.3, (n_states, n_states)) * (random.uniform(0.0, 1.0, (n_states, n_states)) < 0.5)
    enter = random.uniform(0.0, 1.0, (n_states, n_inputs))

    def step(Z: Array) -> Array:
        S, U = Z[:, :n_states], Z[:, n_states:]
        flows = S @ couple.T - S * couple.sum(axis=0) - 0.8 * S / (1.0 + 2.0 * S * S) + U @ enter.T
        return np.asarray(S + 0.2 * flows)

    return step


def control(
    name: str,
    half: str,
    seed: int,
    n_states: int,
    n_inputs: int,
    steps: int,
    hidden: tuple[int, ...],
    final: Any = None,
) -> Case:
    """Predictive control: the network is the model of each step; inputs may change so much a step."""
    random = np.random.default_rng(seed)
    step, width = plant(random, n_states, n_inputs), n_states + n_inputs
    Z = random.uniform(-1.5, 1.5, (2000, width))
    network = train(key_of(name), lambda: (Z, step(Z)), hidden, "tanh", seed, 300)
    first, target = random.uniform(-1.0, 1.0, n_states), random.uniform(-0.8, 0.8, n_states)

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        z = x.reshape((steps + 1, width))
        states, inputs = z[:, :n_states], z[:, n_states:]
        miss, change = states - target, inputs[1:] - inputs[:-1]
        rows: Rows = [
            ("model", states[1:] - nets[0](z[:-1]), 0.0, 0.0),
            ("first", states[0], first, first),
            ("rate", change, -0.4, 0.4),
        ]
        if final is not None:
            rows.append(("final", states[steps, 0], final(network), np.inf))
        return (miss * miss).sum() + 0.1 * (inputs * inputs).sum(), rows

    n, conflict = (steps + 1) * width, {"final", "model"} if final is not None else set()
    lower, upper = np.full(n, -1.5), np.full(n, 1.5)
    if final is not None:
        lower, upper = 1e3 * lower, 1e3 * upper  # or bounds would be in conflict, too
    return Case(name, half, [network], lower, upper, state, np.zeros(n), conflict)


def recycle(name: str, half: str, seed: int, activation: str) -> Case:
    """A recycle: what leaves the unit enters it again with the feed; the best feed and temperature."""
    random = np.random.default_rng(seed)
    value = landscape(random, 5, 3)
    U = random.uniform(0.0, 1.0, (1200, 5))
    network = train(key_of(name), lambda: (U, 0.5 + 0.25 * np.tanh(value(U))), (24, 24), activation, seed, 400)

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        y = nets[0](x[:5])  # the first three are the recycle's
        rows = [("recycle", x[:3] - (0.6 * y + 0.2 * x[5]), 0.0, 0.0), ("purge", y[2] + x[5], -np.inf, 1.0)]
        return -y[0] * y[1] + 0.1 * (x[3:] * x[3:]).sum(), rows

    return Case(name, half, [network], np.zeros(6), np.ones(6), state)


def inverse(name: str, half: str, seed: int, n: int, m: int, activation: str, is_scaled: bool) -> Case:
    """Inputs that explain outputs that were measured, with noise."""
    network, lower, upper, X = surrogate(key_of(name), seed, n, m, activation, is_scaled)
    random = np.random.default_rng(seed + 1)
    measured = network(X[0]) + 0.02 * random.normal(0.0, 1.0, m)
    scale, guess = 1.0 / (upper - lower), X[1]

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        miss, far = nets[0](x) - measured, (x - guess) * scale
        return (miss * miss).sum() + 1e-3 * (far * far).sum(), []

    return Case(name, half, [network], lower, upper, state)


def chained(name: str, half: str, seed: int, activation: str) -> Case:
    """Two units in a row, the second one fed by the first; quality at the end, cost along the way."""
    random = np.random.default_rng(seed)
    first, second = landscape(random, 4, 2), landscape(random, 4, 2)
    U = random.uniform(0.0, 1.0, (1000, 4))
    nets = [
        train(f"{key_of(name)}-{k}", lambda value=value: (U, 0.5 + 0.3 * np.tanh(value(U))), (20, 20), activation, seed)
        for k, value in enumerate((first, second))
    ]
    X = random.uniform(0.0, 1.0, (500, 6))

    def both(x: Any, nets: Any) -> tuple[Any, Any]:
        """The first unit's outputs are x[6:]."""
        return nets[0](x[:4]), nets[1](x[4:])

    finals = nets[1](np.hstack([X[:, 4:6], nets[0](X[:, :4])]))
    goal = float(np.quantile(finals[:, 0], 0.8))

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        between, last = both(x, nets)
        rows = [("between", x[6:] - between, 0.0, 0.0), ("quality", last[0], goal, np.inf)]
        return (x[:6] * x[:6]).sum() - last[1], rows

    return Case(name, half, nets, np.zeros(8), np.ones(8), state)


# ---- what cannot be


def beyond(name: str, half: str, seed: int, n: int, activation: str, is_scaled: bool) -> Case:
    """An output must be above what its last layer can give."""
    case = limited(name, half, seed, n, activation, is_scaled)
    low, high = case.networks[0].reach(0)
    limit, plain = high + 0.05 * (high - low), case.state

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        objective, rows = plain(x, nets)
        return objective, [("reached", rows[0][1], limit, np.inf), rows[1]]

    return Case(name, half, case.networks, case.lower, case.upper, state, conflict={"reached"})


def contradicting(name: str, half: str, seed: int, n: int) -> Case:
    """A budget below what is to be spent at least, beside limits that could be held."""
    case = limited(name, half, seed, n, "tanh", True)
    scale, plain = 1.0 / (case.upper - case.lower), case.state

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        objective, rows = plain(x, nets)
        u = (x - case.lower) * scale
        spent = [("budget", u.sum(), -np.inf, 0.3 * n), ("least", u[: n - 1].sum(), 0.4 * n, np.inf)]
        return objective, [*rows, *spent]

    return Case(name, half, case.networks, case.lower, case.upper, state, conflict={"budget", "least"})


def unreachable(network: Trained) -> float:
    """A final state beyond what the last layer can give."""
    low, high = network.reach(0)
    return high + 0.05 * (high - low)


def key_of(name: str) -> str:
    return name.replace(" ", "-")


def make_half(half: str) -> list[Case]:
    """The problems of a half; families are the same, seeds, sizes and networks others. Or the further ones."""
    if half == FURTHER:
        from benchmarks.answer_further import make_further

        return make_further()
    is_tuned = half == "tuned"
    seed, rest = (100, "a") if is_tuned else (900, "b")
    cases: list[Case] = []

    def add(family: Callable[..., Case], name: str, *arguments: Any, **others: Any) -> None:
        number = sum(case.family == name for case in cases)
        cases.append(family(f"{name} {rest}{number}", half, seed + len(cases), *arguments, **others))

    smooth = [("tanh", False), ("logistic", True), ("tanh", True)]
    for n, (activation, is_scaled) in zip(
        [2, 3, 5, 2, 8, 10] if is_tuned else [3, 2, 4, 6, 7, 10], smooth * 2, strict=True
    ):
        add(minimum, "minimum", n, activation, is_scaled)
    for n, is_scaled in zip([2, 4, 8] if is_tuned else [3, 5, 10], (False, True, True), strict=True):
        add(minimum, "minimum with kinks", n, "relu", is_scaled)
    for n, (activation, is_scaled) in zip(
        [2, 4, 6, 10] if is_tuned else [3, 5, 8, 10], [*smooth, smooth[1]], strict=True
    ):
        add(limited, "limited", n, activation, is_scaled)
    for n, is_scaled in zip([2, 5, 10] if is_tuned else [3, 4, 8], (False, True, True), strict=True):
        add(limited, "limited with kinks", n, "relu", is_scaled)
    for n, (activation, is_scaled) in zip([3, 4, 6] if is_tuned else [2, 5, 8], smooth, strict=True):
        add(limited, "band", n, activation, is_scaled, width=1e-5)
    for n, size in zip([3, 4, 5] if is_tuned else [2, 5, 6], (1e-7, 1e9, 1e-7 if is_tuned else 1e9), strict=True):
        add(limited, "tiny" if size < 1.0 else "huge", n, "tanh", True, size=size)
    for activation, hidden in [("tanh", (30, 30)), ("relu", (40,)), ("logistic" if is_tuned else "tanh", (20, 20, 20))]:
        add(digits, "digit", 8, activation, hidden)
    for activation in ("tanh", "relu"):
        add(digits, "image", 28, activation, (40, 20) if is_tuned else (50,))
    for n, activation in zip([200, 400] if is_tuned else [300, 800], ("tanh", "logistic"), strict=True):
        add(wide, "wide", n, activation)
    add(control, "control", 4, 2, 20 if is_tuned else 30, (24, 24))
    add(control, "control", *((10, 2, 40) if is_tuned else (8, 3, 25)), (24,) * 6 if is_tuned else (20, 20))
    for activation in ("tanh", "logistic"):
        add(recycle, "recycle", activation)
    for n, m, (activation, is_scaled) in zip([3, 5, 8], [4, 6, 8] if is_tuned else [3, 7, 6], smooth, strict=True):
        add(inverse, "inverse", n, m, activation, is_scaled)
    for activation in ("tanh", "relu" if is_tuned else "logistic"):
        add(chained, "chained", activation)
    add(beyond, "infeasible: beyond reach", 3 if is_tuned else 4, "tanh", False)
    add(beyond, "infeasible: beyond reach", 5 if is_tuned else 6, "logistic", True)
    add(contradicting, "infeasible: budget", 4 if is_tuned else 6)
    add(control, "infeasible: control", 3, 1, 8 if is_tuned else 12, (16, 16), final=unreachable)
    return cases


def make(halves: Sequence[str] = HALVES) -> list[Case]:
    """All problems, trained where they are not in the folder yet."""
    return [case for half in halves for case in make_half(half)]
