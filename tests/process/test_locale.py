"""Numbers are read and written alike wherever the process writes them with a comma: 3.25 as 3,25, and 1000 as 1.000."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from new_processes import run

PRELUDE = """
import locale, os, pickle, tempfile
from pathlib import Path
import numpy as np
import pyomo.environ as pyo
import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr import _core
from fastexpr.rules import BooleanRuleClassifier

folder = Path(tempfile.mkdtemp())
x = fx.variables(3)
y = np.clip(np.maximum(0.03125 * x, x), -1.5, 2.25) * 1234.5
net = fx.Function(x, y + np.tanh(np.array([0.5, 1e-7, 12345.678]) * x))
leaky = _core.Operator("LeakyRelu", [(3,)], {"alpha": 0.0625})
nodes = fx.Function._from_nodes(3, [(leaky, [0], "")], [1], [("x", (3,))], [("y", (3,))], list("abc"), list("abc"))
point = np.array([-0.7, 1.25, 0.001])
data = np.random.default_rng(0).random((60, 3)) * [1.0, 1e-3, 5000.0]
labels = (data[:, 0] > 0.5) ^ (data[:, 2] > 2500.5)

def message(call):
    try:
        call()
    except ValueError as error:
        assert "5" in str(error)
        return str(error)

def model():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(-1.5, 2.75), initialize=0.25)
    m.net = fxp.ExternalNetwork(net)
    m.y = pyo.Objective(expr=m.net(*m.x.values())[0] + sum((v - 0.625) ** 2 for v in m.x.values()))
    m.row = pyo.Constraint(expr=sum(m.x.values()) >= 0.125)
    return m
"""


@pytest.fixture(scope="session")
def german(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locale, made here: few systems have it."""
    folder = tmp_path_factory.mktemp("locale")
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], check=True)
    return folder


def test_numbers(german: Path) -> None:
    run(
        """
def everything():
    net.save(folder / "net.fx")
    rules = BooleanRuleClassifier().fit(data, labels)
    _core.read_content_hash(folder / "net.fx")
    yield _core.to_bytes(net), _core.to_bytes(nodes), (folder / "net.fx").read_bytes()
    yield fx.load(folder / "net.fx")(point).tolist(), _core.from_bytes(_core.to_bytes(nodes))(point).tolist()
    yield pickle.loads(pickle.dumps(net)).hessian(point, point).tolist()
    net.to_onnx(folder / "net.onnx")
    yield fx.load_onnx(folder / "net.onnx")(point).tolist()
    net.to_c(folder / "net.c")
    yield (folder / "net.c").read_bytes()
    yield str(net.plan()), repr(fx.Function(x, np.tanh(np.arange(99.0).reshape(33, 3) @ x)))
    yield message(lambda: net.with_bounds(1.5, 0.25)), message(lambda: _core.Operator("Matern", [(3,)], {"nu": 0.75}))
    yield [str(rule) for rule in rules.rules_], rules.predict(data).tolist()
    for solver in ("fastexpr", "pounce"):
        m = model()
        pyo.SolverFactory(solver).solve(m)
        yield [v.value for v in m.x.values()]
    p = fx.Problem()
    v = p.variables(3, -1.5, 2.75)
    p.minimize(((v - 0.625) ** 2).sum() + net(v)[0])
    for options in ({"solver": "cyipopt", "tol": 1e-9}, {"solver": "pounce"}):
        yield p.solve(**options)[v].tolist()

before = list(everything())
locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
assert locale.str(3.25) == "3,25" and locale.localeconv()["thousands_sep"] == "."
after = list(everything())
for old, new in zip(before, after, strict=True):
    assert old == new, (old, new)
""",
        prelude=PRELUDE,
        LOCPATH=str(german),
    )
