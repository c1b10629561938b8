"""Functions of one number and of two, by the operator's name: C, derivatives, and the formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastexpr.export.program.statements import Formula, PairFormula


def literal(number: float) -> str:
    """A number in C, exactly."""
    if number != number:
        return "NAN"
    if number in (float("inf"), float("-inf")):
        return "INFINITY" if number > 0 else "-INFINITY"
    return repr(float(number))


Attributes = Mapping[str, Any]


def _clip(attributes: Attributes) -> Formula:
    lower, upper = attributes.get("lower", -float("inf")), attributes.get("upper", float("inf"))
    below, above = literal(lower), literal(upper)
    return Formula(
        f"(u < {below} ? {below} : u) > {above} ? {above} : (u < {below} ? {below} : u)",
        f"u > {below} && u < {above} ? 1.0 : 0.0",
        "0.0",
        lambda sp, u: (
            sp.Min(sp.Max(u, lower) if lower > -float("inf") else u, upper)
            if upper < float("inf")
            else (sp.Max(u, lower) if lower > -float("inf") else u)
        ),
    )


def _elu(attributes: Attributes) -> Formula:
    alpha, gamma = attributes["alpha"], attributes.get("gamma", 1.0)
    a, g = literal(alpha), literal(gamma)
    return Formula(
        f"{g} * (u > 0 ? u : {a} * lower)",
        f"{g} * (u > 0 ? 1.0 : {a} * e)",
        f"u > 0 ? 0.0 : {g} * ({a} * e)",
        lambda sp, u: gamma * sp.Piecewise((u, u > 0), (alpha * (sp.exp(u) - 1), True)),
        {"lower": "@_expm1(u > 0 ? 0.0 : u)", "e": "@_exp(u > 0 ? 0.0 : u)"},
    )


def _leaky(attributes: Attributes) -> Formula:
    alpha = attributes["alpha"]
    a = literal(alpha)
    return Formula(
        f"u > 0 ? u : {a} * u",
        f"u > 0 ? 1.0 : {a}",
        "0.0",
        lambda sp, u: sp.Piecewise((u, u > 0), (alpha * u, True)),
    )


def _hard_sigmoid(attributes: Attributes) -> Formula:
    alpha, beta = attributes["alpha"], attributes["beta"]
    return Formula(
        "h < 0 ? 0.0 : (h > 1 ? 1.0 : h)",
        f"h > 0 && h < 1 ? {literal(alpha)} : 0.0",
        "0.0",
        lambda sp, u: sp.Max(0, sp.Min(1, alpha * u + beta)),
        {"h": f"{literal(alpha)} * u + {literal(beta)}"},
    )


def _hard_swish(attributes: Attributes) -> Formula:
    alpha, beta = attributes["alpha"], attributes["beta"]
    a, b = literal(alpha), literal(beta)
    return Formula(
        "h <= 0 ? 0.0 : (h >= 1 ? u : u * h)",
        f"h <= 0 ? 0.0 : (h >= 1 ? 1.0 : 2.0 * {a} * u + {b})",
        f"h > 0 && h < 1 ? 2.0 * {a} : 0.0",
        lambda sp, u: u * sp.Max(0, sp.Min(1, alpha * u + beta)),
        {"h": f"{a} * u + {b}"},
    )


def _swish(attributes: Attributes) -> Formula:
    alpha = attributes["alpha"]
    a = literal(alpha)
    return Formula(
        "y > 0 ? u * (1.0 - tail) : (tail == 0 ? 0.0 : u * tail)",
        "(y > 0 ? 1.0 - tail : tail) + bounded * (tail * (1.0 - tail))",
        f"{a} * (tail * (1.0 - tail)) * (2.0 - fabs(bounded) * (1.0 - 2.0 * tail))",
        lambda sp, u: u / (1 + sp.exp(-alpha * u)),
        {
            "y": f"{a} * u",
            "tail": "@_sigmoid_tail(y)",
            "bounded": "y > 800.0 ? 800.0 : (y < -800.0 ? -800.0 : y)",
        },
    )


def _matern(attributes: Attributes) -> Formula:
    nu = attributes["nu"]
    root = {"r": f"sqrt({literal(2 * nu)} * (u > 1e6 ? 1e6 : u))", "h": "@_exp(-0.5 * r)"}
    if nu == 1.5:
        return Formula(
            "h * (h * (1.0 + r))",
            "h * (h * -1.5)",
            "h * (h * (r == 0.0 ? 0.0 : 2.25 / r))",
            lambda sp, u: (1 + sp.sqrt(3 * u)) * sp.exp(-sp.sqrt(3 * u)),
            root,
        )
    return Formula(
        "h * (h * (1.0 + r + r * r / 3.0))",
        "h * (h * (-5.0 / 6.0 * (1.0 + r)))",
        "h * (h * (25.0 / 12.0))",
        lambda sp, u: (1 + sp.sqrt(5 * u) + 5 * u / 3) * sp.exp(-sp.sqrt(5 * u)),
        root,
    )


_GELU = {
    "density": "0.3989422804014327 * @_exp(-0.5 * u * u)",
    "half_tail": "0.5 * erfc(-u * 0.7071067811865476)",
}
_LINEAR, _CUBIC = "1.5957691216057308", "0.07135481627260025"  # 2 sqrt(2 / pi), and 0.044715 times that
_GELU_TANH = {
    "x": "u > 50.0 ? 50.0 : (u < -50.0 ? -50.0 : u)",
    "h": f"@_exp(-0.5 * fabs(u * ({_LINEAR} + {_CUBIC} * u * u)))",
    "e": "h * h",
    "inverse": "1.0 / (1.0 + e)",
    "slope": "h * inverse * inverse",
    "dq": f"{_LINEAR} + 3.0 * {_CUBIC} * x * x",
    "complement": "(x > 0 ? -1.0 : 1.0) * (1.0 - e) * inverse",
}


def _tanh_form(sp: Any, u: Any) -> Any:
    return u * (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (u + sp.Float(0.044715) * u**3))) / 2


UNARY: dict[str, Callable[[Attributes], Formula]] = {
    "Abs": lambda _: Formula("fabs(u)", "u > 0 ? 1.0 : (u < 0 ? -1.0 : 0.0)", "0.0", lambda sp, u: sp.Abs(u)),
    "Acos": lambda _: Formula(
        "acos(u)",
        "-s",
        "-u * s * s * s",
        lambda sp, u: sp.acos(u),
        {"s": "1.0 / sqrt((1.0 - u) * (1.0 + u))"},
    ),
    "Asin": lambda _: Formula(
        "asin(u)", "s", "u * s * s * s", lambda sp, u: sp.asin(u), {"s": "1.0 / sqrt((1.0 - u) * (1.0 + u))"}
    ),
    "Atan": lambda _: Formula(
        "atan(u)",
        "s",
        "-2.0 * (u > 1e200 ? 1e200 : (u < -1e200 ? -1e200 : u)) * s * s",
        lambda sp, u: sp.atan(u),
        {"s": "1.0 / (1.0 + u * u)"},
    ),
    "Acosh": lambda _: Formula(
        "acosh(u)",
        "s",
        "-(u > 1e300 ? 1e300 : u) * s * s * s",
        lambda sp, u: sp.acosh(u),
        {"s": "1.0 / (sqrt(u - 1.0) * sqrt(u + 1.0))"},
    ),
    "Asinh": lambda _: Formula(
        "asinh(u)",
        "s",
        "-((u > 1e300 ? 1e300 : (u < -1e300 ? -1e300 : u)) * s) * s * s",
        lambda sp, u: sp.asinh(u),
        {"s": "1.0 / hypot(1.0, u)"},
    ),
    "Atanh": lambda _: Formula(
        "atanh(u)", "s", "2.0 * u * s * s", lambda sp, u: sp.atanh(u), {"s": "1.0 / ((1.0 - u) * (1.0 + u))"}
    ),
    "Sin": lambda _: Formula("sin(u)", "cos(u)", "-v", lambda sp, u: sp.sin(u)),
    "Cos": lambda _: Formula("cos(u)", "-sin(u)", "-v", lambda sp, u: sp.cos(u)),
    "Tan": lambda _: Formula("tan(u)", "1.0 + v * v", "2.0 * v * (1.0 + v * v)", lambda sp, u: sp.tan(u)),
    "Sinh": lambda _: Formula("sinh(u)", "cosh(u)", "v", lambda sp, u: sp.sinh(u)),
    "Cosh": lambda _: Formula("cosh(u)", "sinh(u)", "v", lambda sp, u: sp.cosh(u)),
    "Tanh": lambda _: Formula(
        "u > 0 ? -lower / (2.0 + lower) : lower / (2.0 + lower)",
        "4.0 * e / ((1.0 + e) * (1.0 + e))",
        "-2.0 * v * (4.0 * e / ((1.0 + e) * (1.0 + e)))",
        lambda sp, u: sp.tanh(u),
        {"lower": "@_expm1(-2.0 * fabs(u))", "e": "@_exp(-2.0 * fabs(u))"},
    ),
    "Exp": lambda _: Formula("@_exp(u)", "v", "v", lambda sp, u: sp.exp(u)),
    "Log": lambda _: Formula("log(u)", "1.0 / u", "-1.0 / u / u", lambda sp, u: sp.log(u)),
    "Sqrt": lambda _: Formula("sqrt(u)", "0.5 / v", "-0.25 / v / u", lambda sp, u: sp.sqrt(u)),
    "Square": lambda _: Formula("u * u", "2.0 * u", "2.0", lambda sp, u: u**2),
    "Neg": lambda _: Formula("-u", "-1.0", "0.0", lambda sp, u: -u),
    "Erf": lambda _: Formula(
        "erf(u)",
        "s",
        "-2.0 * (u > 100.0 ? 100.0 : (u < -100.0 ? -100.0 : u)) * s",
        lambda sp, u: sp.erf(u),
        {"s": "1.1283791670955126 * @_exp(-u * u)"},
    ),
    "Gelu": lambda _: Formula(
        "half_tail == 0 ? 0.0 : u * half_tail",
        "half_tail + (density == 0 ? 0.0 : u * density)",
        "density == 0 ? 0.0 : (2.0 - u * u) * density",
        lambda sp, u: u * (1 + sp.erf(u / sp.sqrt(2))) / 2,
        _GELU,
    ),
    "GeluTanh": lambda _: Formula(
        "u > 0 ? u * inverse : (e == 0 ? 0.0 : u * (e * inverse))",
        "x > 0 ? inverse + x * slope * dq * h : (h * inverse + x * slope * dq) * h",
        f"slope * (2.0 * dq + x * (6.0 * {_CUBIC} * x + complement * dq * dq)) * h",
        _tanh_form,
        _GELU_TANH,
    ),
    "Relu": lambda _: Formula("u < 0 ? 0.0 : u", "u > 0 ? 1.0 : 0.0", "0.0", lambda sp, u: sp.Max(u, 0)),
    "Sigmoid": lambda _: Formula(
        "u > 0 ? 1.0 - tail : tail",
        "tail * (1.0 - tail)",
        "(u > 0 ? -1.0 : 1.0) * (tail * (1.0 - tail)) * (1.0 - 2.0 * tail)",
        lambda sp, u: 1 / (1 + sp.exp(-u)),
        {"tail": "@_sigmoid_tail(u)"},
    ),
    "Softplus": lambda _: Formula(
        "(u > 0 ? u : 0.0) + log1p(@_exp(-fabs(u)))",
        "u > 0 ? 1.0 - tail : tail",
        "tail * (1.0 - tail)",
        lambda sp, u: sp.log(1 + sp.exp(u)),
        {"tail": "@_sigmoid_tail(u)"},
    ),
    "Softsign": lambda _: Formula(
        "isinf(u) ? (u > 0 ? 1.0 : -1.0) : u * s",
        "s * s",
        "(u > 0 ? -2.0 : (u < 0 ? 2.0 : 0.0)) * s * (s * s)",
        lambda sp, u: u / (1 + sp.Abs(u)),
        {"s": "1.0 / (1.0 + fabs(u))"},
    ),
    "Sign": lambda _: Formula("u > 0 ? 1.0 : (u < 0 ? -1.0 : u)", "0.0", "0.0", lambda sp, u: sp.sign(u)),
    "Floor": lambda _: Formula("floor(u)", "0.0", "0.0", lambda sp, u: sp.floor(u)),
    "Ceil": lambda _: Formula("ceil(u)", "0.0", "0.0", lambda sp, u: sp.ceiling(u)),
    "Round": lambda _: Formula("nearbyint(u)", "0.0", "0.0", lambda sp, u: _round(sp, u)),
    "Quantize": lambda _: Formula("nearbyint(u)", "1.0", "0.0", lambda sp, u: _round(sp, u)),
    "Clip": _clip,
    "Elu": _elu,
    "Selu": _elu,
    "LeakyRelu": _leaky,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Swish": _swish,
    "Matern": _matern,
    # of our own, for what other operators are put together from
    "Root": lambda _: Formula(
        "sqrt(u)", "v == 0 ? 0.0 : 0.5 / v", "v == 0 ? 0.0 : -0.25 / v / u", lambda sp, u: sp.sqrt(u)
    ),
}


def _round(sp: Any, u: Any) -> Any:
    """To the nearest integer, halves to even."""
    near = sp.floor(u + sp.Rational(1, 2))
    is_odd_half = sp.And(sp.Eq(near - u, sp.Rational(1, 2)), sp.Eq(sp.Mod(near, 2), 1))
    return sp.Piecewise((near - 1, is_odd_half), (near, True))


def _truth(sp: Any, condition: Any) -> Any:
    return sp.Piecewise((1, condition), (0, True))


_MOD = "@_remainder(a, b)"

PAIRS: dict[str, Callable[[Attributes], PairFormula]] = {
    "Mul": lambda _: PairFormula("a * b", "b", "a", lambda sp, a, b: a * b, ab="1.0"),
    "Div": lambda _: PairFormula(
        "a / b", "1.0 / b", "-v / b", lambda sp, a, b: a / b, ab="-1.0 / b / b", bb="2.0 * v / b / b"
    ),
    "Pow": lambda _: PairFormula(
        "pow(a, b)",
        "@_scaled(b, pow(a, b - 1.0))",
        "a == 0.0 && b > 0.0 ? 0.0 : v * log(a)",
        lambda sp, a, b: a**b,
        aa="@_scaled(b * (b - 1.0), pow(a, b - 2.0))",
        ab="a == 0.0 && b > 1.0 ? 0.0 : pow(a, b - 1.0) * (1.0 + @_scaled(b, log(a)))",
        bb="a == 0.0 && b > 0.0 ? 0.0 : v * log(a) * log(a)",
    ),
    "Max": lambda _: PairFormula(
        "a > b || a != a ? a : b",
        "a > b || a != a ? 1.0 : 0.0",
        "a > b || a != a ? 0.0 : 1.0",
        lambda sp, a, b: sp.Max(a, b),
    ),
    "Min": lambda _: PairFormula(
        "a < b || a != a ? a : b",
        "a < b || a != a ? 1.0 : 0.0",
        "a < b || a != a ? 0.0 : 1.0",
        lambda sp, a, b: sp.Min(a, b),
    ),
    "PRelu": lambda _: PairFormula(
        "a > 0 ? a : b * a",
        "a > 0 ? 1.0 : b",
        "a > 0 ? 0.0 : a",
        lambda sp, a, b: sp.Piecewise((a, a > 0), (b * a, True)),
        ab="a > 0 ? 0.0 : 1.0",
    ),
    "Mod": lambda attributes: PairFormula(
        "fmod(a, b)" if attributes["fmod"] else _MOD,
        "1.0",
        "-nearbyint((a - v) / b)",
        (lambda sp, a, b: a - b * sp.sign(a / b) * sp.floor(sp.Abs(a / b)))
        if attributes["fmod"]
        else (lambda sp, a, b: sp.Mod(a, b)),
    ),
    "Less": lambda _: PairFormula("a < b ? 1.0 : 0.0", "", "", lambda sp, a, b: _truth(sp, a < b)),
    "LessOrEqual": lambda _: PairFormula("a <= b ? 1.0 : 0.0", "", "", lambda sp, a, b: _truth(sp, a <= b)),
    "Equal": lambda _: PairFormula("a == b ? 1.0 : 0.0", "", "", lambda sp, a, b: _truth(sp, sp.Eq(a, b))),
}
