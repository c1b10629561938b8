"""Random Pyomo models: objective, rows and their derivatives are those of AMPL's own library."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo_models.oracles import by_asl, by_fastexpr, check_same, places, read_by_asl

from fastexpr.errors import FastexprError
from fastexpr.pyomo.compile.compiled import compile_model

LARGEST = 1e6  # larger numbers lose digits that no fault has taken
TOLERANCE = 1e-10


class Author:
    """Writes a model; what is wanted in a place is drawn, and everything written before may be used again."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        m = self.model = pyo.ConcreteModel()
        n = self.dice.randrange(2, 6)
        m.x = pyo.Var(range(n), bounds=(-2, 2), initialize=lambda m, i: round(self.dice.uniform(-1, 1), 2))
        m.z = pyo.Var(bounds=(0.1, None), initialize=round(self.dice.uniform(0.5, 2), 2))
        m.p = pyo.Param(range(3), initialize=lambda m, i: round(self.dice.uniform(-2, 2), 1), mutable=True)
        m.e = pyo.Expression(pyo.Any)
        m.c = pyo.Constraint(pyo.Any)
        if self.dice.randrange(3) == 0:
            m.x[0].fix(0.5)
        self.known: list[Any] = [*m.x.values(), m.z]

    def number(self) -> Any:
        return self.dice.choice(
            (round(self.dice.uniform(-3, 3), 1), self.dice.randrange(-2, 4), self.model.p[self.dice.randrange(3)])
        )

    def operand(self, depth: int) -> Any:
        if depth <= 0:
            return self.dice.choice(self.known[-8:]) if self.dice.randrange(5) else self.number()
        return self.dice.choice(
            (self.linear, self.sum, self.product, self.quotient, self.function, self.power, self.choice)
        )(depth - 1)

    def linear(self, depth: int) -> Any:
        return sum(self.number() * x for x in self.dice.sample(self.known, min(3, len(self.known)))) + self.number()

    def sum(self, depth: int) -> Any:
        a, b = self.operand(depth), self.operand(depth)
        return self.dice.choice((a + b, a - b, -a, a + 2 * b - 1))

    def product(self, depth: int) -> Any:
        a, b = self.operand(depth), self.operand(depth)
        return self.dice.choice((a * b, self.number() * a, a * (b + 1), a**2 * b))

    def quotient(self, depth: int) -> Any:
        a, b = self.operand(depth), self.operand(depth)
        return self.dice.choice((a / (b**2 + 1), a / self.model.z, 1 / (1 + b**2), a / 4))

    def function(self, depth: int) -> Any:
        a = self.operand(depth)
        bounded = a / (1 + a**2)  # within 1/2
        return self.dice.choice(
            (
                lambda: pyo.exp(bounded), lambda: pyo.log(1 + a**2), lambda: pyo.log10(self.model.z + a**2),
                lambda: pyo.sqrt(a**2 + 0.3), lambda: pyo.sin(a), lambda: pyo.cos(a), lambda: pyo.tan(bounded),
                lambda: pyo.tanh(a), lambda: pyo.sinh(bounded), lambda: pyo.cosh(bounded), lambda: pyo.asin(bounded),
                lambda: pyo.acos(bounded), lambda: pyo.atan(a), lambda: pyo.asinh(a), lambda: pyo.acosh(1.5 + a**2),
                lambda: pyo.atanh(bounded), lambda: abs(a),
            )
        )()  # fmt: skip

    def power(self, depth: int) -> Any:
        a = self.operand(depth)
        positive = a**2 + 0.5
        exponent = self.model.x[1] if self.dice.randrange(2) else self.model.p[0]
        return self.dice.choice(
            (lambda: a**2, lambda: a**3, lambda: positive**0.5, lambda: positive**-1.5, lambda: positive**exponent,
             lambda: 1.3 ** (a / (1 + a**2)), lambda: self.model.z**1.7)
        )()  # fmt: skip

    def choice(self, depth: int) -> Any:
        a, b = self.operand(depth), self.operand(depth)
        x = self.dice.choice(self.known[: len(self.model.x)])
        return pyo.Expr_if(IF=x >= 0.123, THEN=a, ELSE=b)

    def write(self) -> Any:
        m = self.model
        for k in range(self.dice.randrange(4)):
            m.e[k] = self.operand(self.dice.randrange(1, 3))
            self.known.append(m.e[k])
        for k in range(self.dice.randrange(1, 6)):
            body, limit = self.operand(self.dice.randrange(4)), round(self.dice.uniform(-1, 5), 1)
            row = self.dice.choice((body + m.x[1] <= limit, body + m.x[1] >= -limit, (-9, body + m.x[1], limit + 1),
                                    body + m.x[1] == self.number(), body <= m.z + limit))  # fmt: skip
            m.c[k] = row
        everything = sum(m.x.values()) + m.z  # or Pyomo leaves out what has no coefficient
        m.o = pyo.Objective(expr=self.operand(4) + everything, sense=self.dice.choice((pyo.minimize, pyo.maximize)))
        return m


def case(seed: int) -> None:
    model = Author(seed).write()
    try:
        compiled = compile_model(model)
    except FastexprError as error:
        raise AssertionError(f"refused: {error}") from error
    nlp = read_by_asl(model)
    columns, _ = places(nlp, compiled)
    dice = np.random.default_rng(seed)
    for scale in (0.0, 0.3):
        point = nlp.init_primals() + scale * dice.standard_normal(nlp.n_primals())
        point = np.clip(point, nlp.primals_lb(), nlp.primals_ub())
        arguments = compiled, point[columns], dice.standard_normal(compiled.nlp.m), dice.uniform(0.5, 2.0)
        expected = by_asl(nlp, *arguments)
        if not all(np.isfinite(v).all() and np.abs(v).max(initial=0.0) < LARGEST for v in vars(expected).values()):
            continue
        found = by_fastexpr(*arguments)
        if np.abs(found.hessian - expected.hessian).max() > TOLERANCE * np.abs(expected.hessian).max():
            expected.hessian = found.hessian  # Debian's ASL, of 2019, has wrong second derivatives at times
            check_by_differences(nlp, found.hessian, *arguments)
        check_same(found, expected, TOLERANCE)


def check_by_differences(nlp: Any, hessian: Any, compiled: Any, x: Any, multipliers: Any, factor: float) -> None:
    """The same from first derivatives of the ASL."""
    step = 1e-5

    def slope(point: Any) -> Any:
        values = by_asl(nlp, compiled, point, multipliers, factor)
        return factor * values.gradient + multipliers @ values.jacobian

    rows = [(slope(x + step * e) - slope(x - step * e)) / (2 * step) for e in np.eye(x.size)]
    off = np.abs(hessian - rows).max()
    assert off <= 1e-5 * max(1.0, np.abs(hessian).max()), f"Hessian differs from differences by {off}"
