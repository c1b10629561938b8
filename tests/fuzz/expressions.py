"""Random NumPy expressions against the same ones in sixty digits: values, and derivatives by differences."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import scipy.special

import fastexpr as fx

Array = Any  # an expression, or an array of mpmath's numbers

mpmath.mp.dps = 60
STEP = mpmath.mpf(10) ** -18
TOLERANCE = 1e-9  # of the largest entry
LARGEST = 1e5  # where intermediate numbers are larger, digits are lost that no fault has taken


def everywhere(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    return np.vectorize(function, otypes=[object])


class Digits:
    """What NumPy and SciPy do, on arrays of mpmath's numbers."""

    tanh, exp, sin, cos, arctan = map(everywhere, (mpmath.tanh, mpmath.exp, mpmath.sin, mpmath.cos, mpmath.atan))
    log, sqrt, erf, sinh = map(everywhere, (mpmath.log, mpmath.sqrt, mpmath.erf, mpmath.sinh))
    expit = everywhere(lambda x: 1 / (1 + mpmath.exp(-x)))
    softplus = everywhere(lambda x: mpmath.log1p(mpmath.exp(x)))
    absolute = everywhere(abs)
    maximum, minimum = np.maximum, np.minimum


class Symbols:
    tanh, exp, sin, cos, arctan, log, sqrt, sinh = (
        np.tanh, np.exp, np.sin, np.cos, np.arctan, np.log, np.sqrt, np.sinh,
    )  # fmt: skip
    erf, expit = scipy.special.erf, scipy.special.expit
    absolute, maximum, minimum = np.absolute, np.maximum, np.minimum

    @staticmethod
    def softplus(a: Array) -> Array:
        return np.logaddexp(0.0, a)


Step = Callable[[Any, list[Array]], Array]  # (the functions, all arrays so far) -> the next one


class Recipe:
    """Steps that make arrays from arrays; shapes are followed on the way, so that every step fits."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.n = self.dice.randrange(1, 5)
        self.shapes: list[tuple[int, ...]] = [(self.n,)]
        self.steps: list[Step] = []
        for _ in range(self.dice.randrange(2, 14)):
            kinds = (self.unary, self.unary, self.binary, self.binary, self.product, self.reduction, self.view)
            self.dice.choice(kinds)()

    def pick(self) -> int:
        return max(self.dice.randrange(len(self.shapes)), self.dice.randrange(len(self.shapes)))

    def weights(self, *shape: int) -> np.ndarray:
        return np.round(self.numbers.normal(size=shape), 2)

    def add(self, shape: tuple[int, ...], step: Step) -> None:
        if int(np.prod(shape)) > 24 or len(shape) > 4:
            return
        self.shapes.append(shape)
        self.steps.append(step)

    def unary(self) -> None:
        i = self.pick()
        name = self.dice.choice(("tanh", "exp", "sin", "cos", "arctan", "erf", "expit", "softplus", "absolute", "sinh"))
        inside = self.dice.choice((1.0, 0.5, -0.25))
        kind = self.dice.randrange(6)
        if kind == 0:
            self.add(self.shapes[i], lambda f, a: f.log(1 + a[i] ** 2))
        elif kind == 1:
            self.add(self.shapes[i], lambda f, a: f.sqrt(a[i] ** 2 + 0.5))
        elif kind == 2:
            power = self.dice.choice((2, 3, -1, 4))
            self.add(self.shapes[i], lambda f, a: (a[i] * a[i] + 1) ** power)
        else:
            self.add(self.shapes[i], lambda f, a: getattr(f, name)(inside * a[i]))

    def binary(self) -> None:
        i, j = self.pick(), self.pick()
        try:
            shape = np.broadcast_shapes(self.shapes[i], self.shapes[j])
        except ValueError:
            return
        kind = self.dice.randrange(7)
        constant = self.weights(*self.shapes[j])
        steps: list[Step] = [
            lambda f, a: a[i] + a[j],
            lambda f, a: a[i] * a[j],
            lambda f, a: a[i] / (1.5 + a[j] ** 2),
            lambda f, a: f.maximum(a[i], a[j]),
            lambda f, a: f.minimum(a[i], constant - a[j]),
            lambda f, a: f.minimum(f.maximum(a[i], -0.5), 0.75) * a[j],
            lambda f, a: constant * a[j] - a[i],
        ]
        self.add(shape, steps[kind])

    def product(self) -> None:
        i = self.pick()
        shape = self.shapes[i]
        if not shape:
            return
        m = self.dice.randrange(1, 4)
        kind = self.dice.randrange(4)
        if kind == 0:
            weights = self.weights(shape[-1], m)
            self.add((*shape[:-1], m), lambda f, a: a[i] @ weights)
        elif kind == 1 and len(shape) >= 2:
            weights = self.weights(m, shape[-2])
            self.add((*shape[:-2], m, shape[-1]), lambda f, a: weights @ a[i])
        elif kind == 2 and len(shape) == 2:
            self.add((shape[1], shape[1]), lambda f, a: a[i].T @ a[i])
        else:
            self.add((), lambda f, a: (a[i] * a[i]).sum())

    def reduction(self) -> None:
        i = self.pick()
        shape = self.shapes[i]
        if not shape:
            return
        axis = self.dice.randrange(len(shape))
        rest = shape[:axis] + shape[axis + 1 :]
        kind = self.dice.randrange(5)
        if kind == 0:
            self.add(rest, lambda f, a: a[i].sum(axis=axis))
        elif kind == 1:
            self.add(rest, lambda f, a: a[i].mean(axis=axis))
        elif kind == 2:
            self.add(rest, lambda f, a: a[i].max(axis=axis))
        elif kind == 3:
            self.add(rest, lambda f, a: (1 + a[i] / 4).prod(axis=axis))
        else:
            self.add(shape, lambda f, a: f.exp(a[i]) / f.exp(a[i]).sum(axis=axis, keepdims=True))

    def view(self) -> None:
        i = self.pick()
        shape = self.shapes[i]
        if not shape:
            return
        kind = self.dice.randrange(5)
        if kind == 0:
            self.add(shape[::-1], lambda f, a: a[i].T)
        elif kind == 1:
            self.add((int(np.prod(shape)),), lambda f, a: a[i].reshape(-1))
        elif kind == 2:
            self.add((1, *shape), lambda f, a: a[i][None])
        elif kind == 3:
            self.add((*shape[:-1], len(range(shape[-1])[::-1][: 1 + shape[-1] // 2])),
                     lambda f, a: a[i][..., ::-1][..., : 1 + shape[-1] // 2])  # fmt: skip
        else:
            self.add((2 * shape[0], *shape[1:]), lambda f, a: np.concatenate([a[i], 2 * a[i]]))

    def evaluate(self, functions: Any, x: Array) -> list[Array]:
        arrays = [x]
        for step in self.steps:
            arrays.append(step(functions, arrays))
        return arrays


def exact(recipe: Recipe, x: Any) -> tuple[np.ndarray, float]:
    """The last array, flat, and the largest number on the way."""
    arrays = [np.asarray(a, dtype=object) for a in recipe.evaluate(Digits, np.asarray(x, dtype=object))]
    return arrays[-1].reshape(-1), max(float(max(abs(v) for v in a.flat)) for a in arrays)


def close(got: Any, expected: Any, what: str) -> None:
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    off = np.abs(got - expected).max(initial=0.0)
    assert off <= TOLERANCE * max(1.0, np.abs(expected).max(initial=0.0)), f"{what}: {off}"


def case(seed: int) -> None:
    recipe = Recipe(seed)
    n = recipe.n
    symbol = fx.variables(n)
    last = recipe.evaluate(Symbols, symbol)[-1]
    net = fx.Function(symbol, last)
    numbers = np.random.default_rng(seed + 1)
    x = np.round(numbers.uniform(-1.5, 1.5, n), 3)
    w = np.round(numbers.normal(size=net.n_outputs), 3)
    at = [mpmath.mpf(float(entry)) for entry in x]
    value, largest = exact(recipe, at)
    if largest > LARGEST:
        return

    def moved(*steps: tuple[int, int]) -> np.ndarray:
        point = list(at)
        for i, sign in steps:
            point[i] = point[i] + sign * STEP
        return exact(recipe, point)[0]

    ahead, behind = [moved((i, 1)) for i in range(n)], [moved((i, -1)) for i in range(n)]
    jacobian = np.array([(a - b) / (2 * STEP) for a, b in zip(ahead, behind, strict=True)], dtype=object).T
    hessian = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            if i == j:
                second = (ahead[i] - 2 * value + behind[i]) / STEP**2
            else:
                second = sum(a * b * moved((i, a), (j, b)) for a in (1, -1) for b in (1, -1)) / (4 * STEP**2)
            hessian[i, j] = hessian[j, i] = float(np.dot(w.astype(object), second))
    compare(net, x, w, value.astype(float), jacobian.astype(float).reshape(net.n_outputs, n), hessian)


def compare(net: Any, x: Any, w: Any, value: Any, jacobian: Any, hessian: Any) -> None:
    v = np.linspace(-1.0, 1.0, len(x))
    got = net.evaluate(x, w)
    close(got[0], value, "evaluate: value")
    close(got[1], jacobian, "evaluate: Jacobian")
    close(got[2], hessian, "evaluate: Hessian")
    close(net(x), value, "value")
    close(net.jacobian(x), jacobian, "jacobian")
    close(net.hessian(x, w), hessian, "hessian")
    close(net.jacobian(x, sparse=True).toarray(), jacobian, "sparse Jacobian")
    close(net.hessian(x, w, sparse=True).toarray(), hessian, "sparse Hessian")
    close(net.vjp(x, w), w @ jacobian, "vjp")
    close(net.jvp(x, v), jacobian @ v, "jvp")
    close(net.hvp(x, w, v), hessian @ v, "hvp")
    batch, weights = np.stack([x - 0.125, x, x + 0.25]), np.stack([w + 1, w, w - 1])
    close(net(batch)[1], value, "value in a batch")
    close(net.jacobian(batch)[1], jacobian, "Jacobian in a batch")
    close(net.hessian(batch, weights)[1], hessian, "Hessian in a batch")
    out = np.empty(jacobian.shape)
    net.jacobian(x, out=out)
    close(out, jacobian, "out=")
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: net.hessian(x, w), range(8)):
            close(found, hessian, "threads")
    lower, upper = net.output_bounds(x - 0.1, x + 0.1)
    assert (lower <= value + 1e-9).all()
    assert (value <= upper + 1e-9).all()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        net.to_onnx(path)
        close(fx.load_onnx(path).hessian(x, w), hessian, "Hessian after ONNX")
