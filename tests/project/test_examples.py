"""The examples run, and their answers are right."""

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyomo.environ as pyo
import pytest
import scipy.integrate
import scipy.optimize
from folders import ROOT

EXAMPLES = ROOT / "examples"


def load(name):
    """The module of an example's file."""
    specification = importlib.util.spec_from_file_location(f"example_{Path(name).stem}", EXAMPLES / name)
    module = sys.modules[specification.name] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_digits(tmp_path, capsys):
    digits = load("digits.py")
    picture = tmp_path / "digits.png"
    answers = digits.main(picture)
    task = digits.task(digits.IMAGE)
    out = capsys.readouterr().out
    assert "turns a 9 into a 3" in out
    assert len(answers) >= 2
    assert digits.exact_scores(task.image)[0].argmax() == task.digit
    for answer in answers:
        assert answer.route in out
        assert answer.objective == pytest.approx(((answer.x - task.image) ** 2).sum(), rel=1e-9)
        assert digits.violation(task, answer.x, digits.TARGET) < 1e-7
        assert digits.exact_scores(answer.x)[0].argmax() == digits.TARGET
        np.testing.assert_allclose(answer.x, answers[0].x, atol=1e-6)
        assert answer.objective == pytest.approx(answers[0].objective, rel=1e-6)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_no_smaller_change_is_nearby():
    """SciPy, which sees only ONNX Runtime's values and differences of them, finds no better point from the answer."""
    digits = load("digits.py")
    task = digits.task(digits.IMAGE)
    answer = digits.direct(task, digits.TARGET)
    others = [k for k in range(10) if k != digits.TARGET]
    step = 1e-5

    def margins(x):
        scores = digits.exact_scores(x)
        return scores[0, digits.TARGET] - scores[0, others] - digits.MARGIN

    def jacobian(x):
        scores = digits.exact_scores(np.concatenate([x + step * np.eye(64), x - step * np.eye(64)]))
        slopes = (scores[:64] - scores[64:]).T / (2 * step)
        return slopes[digits.TARGET] - slopes[others]

    reference = scipy.optimize.minimize(
        lambda x: (((x - task.image) ** 2).sum(), 2 * (x - task.image)),
        answer.x,
        jac=True,
        method="SLSQP",
        bounds=list(zip(task.lower, task.upper, strict=True)),
        constraints={"type": "ineq", "fun": margins, "jac": jacobian},
        options={"ftol": 1e-12},
    )
    assert answer.objective == pytest.approx(reference.fun, abs=1e-6)


def test_diabetes(capsys):
    """Better, by ONNX Runtime, than any of many random patients."""
    diabetes = load("diabetes.py")
    model = diabetes.main()
    assert "predicted progression" in capsys.readouterr().out
    data = load("diabetes/train.py").data()[0]
    low, high = data.min(axis=0), data.max(axis=0)
    x = np.array([pyo.value(variable) for variable in model.network.inputs.values()])
    assert (x >= low - 1e-7 * high).all()
    assert (x <= high + 1e-7 * high).all()
    assert x[7] * x[6] == pytest.approx(x[4], rel=1e-6)
    assert x[5] + x[6] <= x[4] * (1 + 1e-6)

    session = onnxruntime.InferenceSession(diabetes.NETWORK, providers=["CPUExecutionProvider"])

    def predict(points):
        return session.run(None, {"measurements": np.atleast_2d(points).astype(np.float32)})[0][:, 0]

    assert pyo.value(model.progression) == pytest.approx(predict(x)[0], rel=1e-5)
    points = np.random.default_rng(0).uniform(low, high, (20000, 10))
    points[:, 7] = points[:, 4] / points[:, 6]
    allowed = (points[:, 7] >= low[7]) & (points[:, 7] <= high[7]) & (points[:, 5] + points[:, 6] <= points[:, 4])
    assert allowed.sum() > 1000
    assert pyo.value(model.progression) >= predict(points[allowed]).max()


def test_reactor(tmp_path, capsys):
    """The solvers agree, SciPy's integration follows the plan, and other coolants near it are worse or too hot."""
    reactor = load("reactor.py")
    picture = tmp_path / "reactor.png"
    plans = reactor.main(picture)
    out = capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    best = plans[0]
    for plan in plans:
        assert plan.solver in out
        assert plan.objective == pytest.approx(best.objective, rel=1e-7)
        np.testing.assert_allclose(plan.coolant, best.coolant, atol=1e-4)
        np.testing.assert_allclose(plan.concentration, best.concentration, atol=1e-6)
        np.testing.assert_allclose(plan.temperature, best.temperature, atol=1e-4)
    assert best.temperature.max() == pytest.approx(reactor.LIMIT, abs=1e-4)

    network = reactor.kinetics()
    session = onnxruntime.InferenceSession(reactor.FOLDER / "kinetics.onnx", providers=["CPUExecutionProvider"])
    conditions = np.stack([best.concentration, best.temperature], axis=1)
    (predicted,) = session.run(None, {"conditions": conditions.astype(np.float32)})
    np.testing.assert_allclose(network(conditions), predicted, rtol=1e-4)

    def distance(coolant):
        plan = dataclasses.replace(best, coolant=coolant)
        c, T = reactor.simulate(plan, lambda c, T: network([c, T])[0])
        apart = ((c - reactor.SET_POINT) / 0.1) ** 2 + ((T - reactor.SET_POINT_TEMPERATURE) / 10) ** 2
        return scipy.integrate.trapezoid(apart, best.times) + 1e-3 * (np.diff(coolant) ** 2).sum(), c, T

    planned, c, T = distance(best.coolant)
    assert planned == pytest.approx(best.objective, rel=0.02)
    np.testing.assert_allclose(c, best.concentration, atol=0.003)
    np.testing.assert_allclose(T, best.temperature, atol=0.3)
    for begin in range(2, 14):
        for change in (-2.0, 2.0):
            other = best.coolant.copy()
            other[begin : begin + 2] += change
            value, _, T = distance(other)
            assert value > planned or T.max() > reactor.LIMIT + 0.3


def test_rules(tmp_path, capsys):
    """The plan keeps what the rules and the law behind the log ask for, and no such plan nearby earns more."""
    example = load("rules/plan.py")
    picture = tmp_path / "plan.png"
    plans = example.main(picture)
    out = capsys.readouterr().out
    assert "OR temperature > 176.06 AND pressure > 8.03\nTHEN trip\nELSE safe" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    free, safe = plans["without rules"], plans["with rules"]
    assert free.n_trips == 18
    assert safe.n_trips == 0
    assert f"{safe.profit:.0f} EUR,  0 hours" in out
    assert 0.9 * free.profit < safe.profit < free.profit
    log, tripped = example.record()
    rules = example.learn(log, tripped)
    assert rules.gap_ == 0.0
    assert (rules.predict(safe.points) == "safe").all()
    assert (rules.predict(free.points) == "trip").sum() >= 18
    points = safe.points
    for name, move in (("temperature", example.TEMPERATURE_MOVE), ("pressure", example.PRESSURE_MOVE)):
        assert np.abs(points[name] - np.roll(points[name], 1)).max() <= move + 1e-6
    for hour in example.HOURS:
        more = points.copy()
        more.loc[hour, "feed"] += 3.0
        is_allowed = more.feed[hour] <= 100.0 and rules.predict(more)[hour] == "safe"
        assert not is_allowed


@pytest.mark.parametrize(
    ("name", "score"),
    [("digits", r" 9[5-8]\.\d %"), ("diabetes", r"R\^2 0\.[34]"), ("reactor", r" [01]\.\d % .* [2-6]\.\d % at most")],
)
def test_the_networks_can_be_trained_again(name, score, tmp_path, monkeypatch, capsys):
    training = load(f"{name}/train.py")
    committed = onnx.load(training.PATH)
    assert training.PATH.stat().st_size < 200_000
    monkeypatch.setattr(training, "PATH", tmp_path / "again.onnx")
    training.main()
    again = onnx.load(training.PATH)
    assert [node.op_type for node in again.graph.node] == [node.op_type for node in committed.graph.node]
    assert [tuple(t.dims) for t in again.graph.initializer] == [tuple(t.dims) for t in committed.graph.initializer]
    assert re.search(score, capsys.readouterr().out)


def test_bracket(tmp_path, capsys, monkeypatch):
    bracket = load("bracket.py")
    picture = tmp_path / "bracket.png"
    monkeypatch.setattr(sys, "argv", ["bracket.py", "--output", str(picture), "--inputs", "2", "--limit", "60"])
    bracket.main()
    out = capsys.readouterr().out
    assert "1 inputs: optimal" in out
    assert "2 inputs: optimal" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_horizon(tmp_path, capsys):
    """The loop follows its set-points, and slopes of the cost are differences of the sweep."""
    horizon = load("horizon.py")
    picture = tmp_path / "horizon.png"
    loop, swept, slopes = horizon.main(picture)
    assert "iterations from the plan before" in capsys.readouterr().out
    assert np.median(loop.iterations) <= np.median(loop.cold) / 2
    assert loop.states[horizon.STEPS // 2, 0] == pytest.approx(horizon.SET_POINTS[0], abs=1e-3)
    assert loop.states[:, 1].max() <= horizon.LIMIT + 0.5
    assert swept.success
    limits, costs = swept.parameters["limit"], np.array(swept.to_dict()["objective"])
    differences = np.gradient(costs, limits)
    np.testing.assert_allclose(slopes[2:-2], differences[2:-2], atol=0.05 * abs(differences).max())
    assert picture.read_bytes().startswith(b"\x89PNG")
