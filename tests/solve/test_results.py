"""A result one can believe: verify, report, to_dict, plot and summary; each must see what is wrong, too."""

import dataclasses
import importlib.util
import json
import pickle

import numpy as np
import pytest

import fastexpr as fx
from fastexpr.errors import GraphError, OnnxError
from fastexpr.solve.results.verify import null_space, second_differences
from fastexpr.solvers import MetKink

random = np.random.default_rng(8)
W, b, V = random.normal(size=(16, 3)), random.normal(size=16), random.normal(size=(2, 16)) / 4.0


def network(activation=np.tanh):
    x = fx.variables(3)
    return fx.Function(x, V @ activation(W @ x + b)).with_names(inputs=["T", "p", "c"], outputs=["yield", "cost"])


def stated(sign=1.0, form="variables", net=None):
    """A network's first output is pushed down while the second one stays above a limit."""
    net = net or network().with_bounds([-1.0, -1.0, -1.0], [1.0, 1.0, 1.0])
    p = fx.Problem()
    x = p.variables(3, lower=-1.0, upper=1.0, name="x")
    y = p.network(net, x, name="y") if form == "variables" else net(x)
    floor = p.subject_to(y[1], lower=0.05, name="floor")
    f = y[0] + 0.1 * (x**2).sum()
    p.minimize(f) if sign > 0 else p.maximize(-f)
    return p, x, y, floor


def relu(z):
    return np.maximum(z, 0.0)


# ---- verify ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["variables", "expression"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_solution_is_verified(form, sign):
    result = stated(sign, form)[0].solve()
    check = result.verify()
    assert check.success, check
    assert bool(check)
    assert check.feasible
    assert check.stationary
    assert check.second_order in ("minimum", "corner")
    assert check.violation < 1e-7
    assert check.residual < 1e-5
    assert check.difference < 1e-12
    assert check.objective == pytest.approx(sign * result.objective)
    assert check.by == "ONNX Runtime"
    assert "verified by ONNX Runtime: yes" in repr(check)


def moved(result, x=None, multipliers=None):
    """The result with other claims."""
    changes = {} if x is None else {"x": np.asarray(x)}
    if multipliers is not None:
        changes["multipliers"] = dataclasses.replace(result.multipliers, constraints=np.asarray(multipliers))
    return dataclasses.replace(result, **changes)


def test_what_is_not_feasible_is_refused():
    p, _, _, floor = stated(form="expression")
    p.remove(floor)
    result = p.solve()
    outside = result.x.copy()
    outside[0] = 1.5
    check = moved(result, outside).verify()
    assert not check.success
    assert not check.feasible
    assert "x[0]" in check.violated


def test_outputs_that_are_not_the_networks_are_refused():
    p, _, _, _ = stated()
    result = p.solve()
    wrong = result.x.copy()
    wrong[3] += 1e-3
    check = moved(result, wrong).verify()
    assert not check.feasible
    assert "y" in check.violated


def test_what_is_not_stationary_is_refused():
    result = stated(form="expression")[0].solve()
    elsewhere = 0.9 * result.x
    check = moved(result, elsewhere).verify()
    assert not check.stationary
    assert check.second_order == "unknown"
    assert not check.success


def test_wrong_multipliers_are_refused():
    p = fx.Problem()
    x = p.variables(2)
    p.subject_to(x.sum(), equal=1.0)
    p.minimize((x**2).sum())
    result = p.solve()
    assert result.verify().success
    assert not moved(result, multipliers=[0.0]).verify().stationary
    assert not moved(result, multipliers=-result.multipliers.constraints).verify().stationary


def test_a_multiplier_of_a_limit_that_is_not_met_is_refused():
    p = fx.Problem()
    x = p.variables((), lower=-10.0, upper=10.0)
    p.subject_to(x, upper=5.0, name="ceiling")
    p.minimize(-x)
    result = p.solve()
    assert result.verify().success
    check = moved(result, x=[3.0]).verify()
    assert not check.stationary
    assert check.residual_at == "ceiling"


def test_a_saddle_is_no_minimum():
    p = fx.Problem()
    x = p.variables(2, lower=-1.0, upper=1.0)
    p.minimize(x[0] ** 2 - x[1] ** 2)
    result = dataclasses.replace(p.solve(), x=np.zeros(2), objective=0.0)
    result.multipliers.lower[:] = result.multipliers.upper[:] = 0.0
    check = result.verify()
    assert check.feasible
    assert check.stationary
    assert check.second_order == "saddle"
    assert check.least_curvature == pytest.approx(-2.0, rel=1e-4)
    assert not check.success
    assert "NOT a minimum" in repr(check)


def test_a_constraint_may_make_a_minimum_of_a_saddle():
    p = fx.Problem()
    x = p.variables(2, start=[1.0, 0.1])
    p.minimize(x[0] ** 2 - x[1] ** 2)
    p.subject_to(x[1], equal=0.0)
    check = p.solve().verify()
    assert check.second_order == "minimum"
    assert check.n_directions == 1
    assert check.least_curvature == pytest.approx(2.0, rel=1e-4)


def test_a_flat_valley_is_called_flat():
    p = fx.Problem()
    x = p.variables(2, start=[1.0, 2.0])
    p.minimize((x[0] + x[1] - 1.0) ** 2)
    check = p.solve().verify()
    assert check.success
    assert check.second_order == "flat"


def test_a_kink_is_seen_and_slopes_of_both_sides_count():
    p = fx.Problem()
    x = p.variables(2, lower=-1.0, upper=1.0, name="x")
    p.minimize(abs(x[0]) + (x[1] - 0.3) ** 2)
    result = dataclasses.replace(p.solve(max_iter=1), x=np.array([0.0, 0.3]), objective=0.0)
    result.multipliers.lower[:] = result.multipliers.upper[:] = 0.0
    check = result.verify()
    assert check.kinks == ["x[0]"]
    assert check.stationary
    assert check.second_order == "unknown"
    assert check.success
    # A kink that points down is no solution: minus the absolute value falls on both sides.
    p = fx.Problem()
    x = p.variables((), lower=-1.0, upper=1.0, name="x")
    p.minimize(-abs(x))
    result = dataclasses.replace(p.solve(max_iter=1), x=np.zeros(1), objective=0.0)
    result.multipliers.lower[:] = result.multipliers.upper[:] = 0.0
    assert not result.verify().stationary


def test_more_directions_than_all_second_differences_are_taken_of():
    n = 60
    A = np.random.default_rng(0).normal(size=(n, n))
    Q = A @ A.T / n + np.eye(n)
    for shift, expected in ((0.0, "minimum"), (-3.0, "saddle")):
        p = fx.Problem()
        x = p.variables(n, lower=-1.0, upper=1.0)
        p.minimize(0.5 * x @ ((Q + shift * np.eye(n)) @ x))
        result = dataclasses.replace(p.solve(max_iter=1), x=np.zeros(n), objective=0.0)
        result.multipliers.lower[:] = result.multipliers.upper[:] = 0.0
        check = result.verify()
        assert check.second_order == expected
        assert check.n_directions == n
        assert check.least_curvature == pytest.approx(np.linalg.eigvalsh(Q + shift * np.eye(n))[0], rel=1e-3)
        assert "random second differences" in check.note


def test_a_hessian_that_is_wrong_convinces_nobody():
    n = 60
    p = fx.Problem()
    x = p.variables(n, lower=-1.0, upper=1.0)
    p.minimize((x**2).sum())
    result = p.solve()
    right = result._solved.hessian
    result._solved.hessian = lambda r: right(r) + np.diag(np.eye(n)[7]) * 2.0
    check = result.verify()
    assert check.second_order == "unknown"
    assert "differ from the solver's Hessian" in check.note


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_file_itself_is_evaluated(tmp_path, dtype):
    path = tmp_path / "net.onnx"
    network().to_onnx(path, dtype)
    net = fx.load_onnx(path)
    result = stated(net=net)[0].solve()
    check = result.verify(onnx=path)
    assert check.success, check
    assert "files" in check.by
    assert result.verify(onnx={net: str(path)}).success


def test_another_file_does_not_verify(tmp_path):
    path = tmp_path / "other.onnx"
    x = fx.variables(3)
    fx.Function(x, V @ np.tanh(W @ x + 1.05 * b)).to_onnx(path)
    check = stated()[0].solve().verify(onnx=path)
    assert not check.success
    assert not check.feasible
    assert check.difference > 1e-3


def test_files_that_fit_nothing_are_refused(tmp_path):
    path = tmp_path / "net.onnx"
    x = fx.variables(2)
    small = fx.Function(x, x * 2.0)
    small.to_onnx(path)
    with pytest.raises(GraphError, match=r"\[verify\] onnx= stands for networks of the method network"):
        stated(form="expression")[0].solve().verify(onnx=path)
    result = stated()[0].solve()
    with pytest.raises(TypeError, match="onnx must be a path, or a dict"):
        result.verify(onnx=3)
    with pytest.raises(ValueError, match="none of this problem"):
        result.verify(onnx={small: path})
    narrow = fx.Problem()
    z = narrow.variables(3, lower=0.0, upper=1.0)
    inner = fx.variables(3)
    y = narrow.network(fx.Function(inner, inner.sum()), z)
    narrow.minimize(y[0])
    wide = tmp_path / "wide.onnx"
    fx.Function(inner, inner * 2.0).to_onnx(wide)
    with pytest.raises(OnnxError, match="3 numbers, the network 1"):
        narrow.solve().verify(onnx=wide)


def test_whole_numbers_are_checked_and_nothing_is_claimed_without_multipliers():
    p = fx.Problem()
    x = p.variables(2, lower=0.0, upper=5.0, integer=True, name="x")
    p.subject_to(x.sum(), lower=2.5)
    p.minimize(3.0 * x[0] + 2.0 * x[1])
    result = p.solve()
    check = result.verify()
    assert check.success, check
    if not np.isfinite(result.multipliers.constraints).all():
        assert check.stationary is None
        assert "no multipliers" in check.note
        assert result.report().to_dict().get("largest multipliers") is None
    between = moved(result, result.x + 0.25)
    assert "whole number" in between.verify().violated
    assert not between.verify().success


def test_what_is_not_finite_is_refused():
    p = fx.Problem()
    x = p.variables((), lower=-2.0, upper=4.0, start=1.0, name="x")
    row = p.subject_to(np.log(x), lower=0.0, name="log")
    p.minimize(x)
    result = p.solve()
    assert result.verify().success
    with np.errstate(all="ignore"):
        check = moved(result, [-1.0]).verify()
    assert not check.feasible
    assert check.violated == "log"
    p = fx.Problem()
    x = p.variables((), lower=-2.0, upper=4.0, start=1.0)
    p.minimize(np.log(x) ** 2)
    result = p.solve()
    with np.errstate(all="ignore"):
        check = moved(result, [-1.0]).verify()
    assert not check.success
    assert row.name == "log"


def test_an_objective_that_the_solve_had_otherwise_is_refused():
    result = stated()[0].solve()
    assert not dataclasses.replace(result, objective=result.objective + 1e-3).verify().success


def test_two_networks_need_a_dict():
    p = fx.Problem()
    x = p.variables(3, lower=-1.0, upper=1.0)
    p.minimize(p.network(network(), x)[0] + p.network(network(), x)[1])
    with pytest.raises(ValueError, match="could be any of 2 networks"):
        p.solve().verify(onnx="net.onnx")


def test_without_onnx_runtime_the_reference_evaluator_checks(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name))
    check = stated()[0].solve().verify()
    assert check.success
    assert check.by == "ONNX's reference evaluator"


def test_the_problem_counts_as_it_was():
    p, _, y, floor = stated()
    result = p.solve()
    p.set_limits(floor, lower=10.0)
    p.subject_to(y[0], lower=50.0)
    p.variables(2)
    assert result.verify().success
    assert "constraint 1" not in str(result.report())


def test_a_pickled_result_says_what_it_lacks():
    result = pickle.loads(pickle.dumps(stated()[0].solve()))
    for ask in (result.verify, result.report, result.to_dict, result.plot):
        with pytest.raises(KeyError, match="does not travel"):
            ask()
    assert result._repr_html_().startswith("<pre>")
    assert result.history


def test_results_of_many_starts_are_verified():
    p, _, _, _ = stated()
    found = fx.multistart(p, starts=6)
    assert all(optimum.result.verify().success for optimum in found.optima)


def test_parts_of_the_check():
    A = np.random.default_rng(1).normal(size=(3, 7))
    A = np.vstack([A, A[0] + A[1]])
    Z = null_space(A)
    assert Z.shape == (7, 4)
    np.testing.assert_allclose(A @ Z, 0.0, atol=1e-12)
    np.testing.assert_allclose(Z.T @ Z, np.eye(4), atol=1e-12)
    H = np.array([[2.0, -1.0, 0.5], [-1.0, 3.0, 0.0], [0.5, 0.0, -1.0]])
    np.testing.assert_allclose(second_differences(lambda z: 0.5 * z @ H @ z + z[0], 3), H, atol=1e-6)


# ---- report ----------------------------------------------------------------------------------------------------------


def test_the_report_says_what_holds_the_solution():
    p, x, _, floor = stated()
    result = p.solve()
    report = result.report()
    found = report.to_dict()
    json.dumps(found)
    active = {(row["name"], row["side"]): row for row in found["active bounds and constraints"]}
    at_bounds = {
        (f"x[{j}]", side)
        for j in range(3)
        for side, end in (("lower", -1.0), ("upper", 1.0))
        if abs(result[x][j] - end) < 1e-6
    }
    assert {key for key in active if key[0].startswith("x")} == at_bounds
    if ("floor", "lower") in active:
        assert active["floor", "lower"]["multiplier"] == result.duals[floor]
    assert found["status"] == "optimal"
    assert found["objective"] == result.objective
    assert [row["name"] for row in found["stages"]] == [stage.name for stage in result.stages]
    largest = [abs(row["multiplier"]) for row in found["largest multipliers"]]
    assert largest == sorted(largest, reverse=True)
    text, page = str(report), report._repr_html_()
    for word in ("status", "stages", "active bounds and constraints", "largest multipliers"):
        assert word in text
        assert word in page
    assert result._repr_html_() == page


def test_inputs_at_the_edge_of_the_networks_range_are_named():
    p = fx.Problem()
    x = p.variables(3, lower=-2.0, upper=2.0, start=0.5)
    y = p.network(network().with_bounds([-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]), x, name="y")
    p.minimize(((x - [1.5, 0.0, 0.999]) ** 2).sum() + 0.0 * y[0])
    rows = p.solve().report().to_dict()["networks' ranges"]
    assert [row["input"] for row in rows] == [
        "network of y, input 0",
        "network of y, input 2",
    ]  # the farthest out first
    assert rows[0]["distance over width"] == pytest.approx(-0.25, abs=1e-6)
    assert rows[1]["distance over width"] == pytest.approx(0.0005, abs=1e-6)
    inside = fx.Problem()
    x = inside.variables(3)
    inside.network(network().with_bounds([-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]), x)
    inside.minimize((x**2).sum())
    assert "all 3 inputs are inside; the nearest edge is 0.5 of the width away" in str(inside.solve().report())


def test_kinks_that_are_near_are_named():
    p = fx.Problem()
    x = p.variables(3, lower=-1.0, upper=1.0)
    inner = fx.variables(3)
    y = p.network(fx.Function(inner, relu(inner)), x, name="y")
    p.minimize(((x - [0.5, 1e-6, -0.5]) ** 2).sum() + 0.0 * y[0])
    result = dataclasses.replace(p.solve(), kinks=[])
    (row,) = result.report().to_dict()["kinks near the solution"]
    assert row["unit"].startswith("network of y: Relu 'Relu_1' unit [1]")
    met = dataclasses.replace(result, kinks=[MetKink("Relu 'Relu_1' unit [1]", 0.0, 0.25)])
    (row,) = met.report().to_dict()["kinks near the solution"]
    assert row["unit"] == "Relu 'Relu_1' unit [1]: met, multiplier 0.25"


def test_limits_in_conflict_are_listed():
    p = fx.Problem()
    x = p.variables(2, lower=0.0, upper=1.0)
    p.subject_to(x.sum(), lower=3.0, name="demand")
    p.minimize(x[0])
    result = p.solve()
    rows = result.report().to_dict()["limits in conflict"]
    assert rows[0]["name"] == "demand"
    assert rows[0]["violation"] == pytest.approx(1.0, abs=1e-3)
    assert not result.verify().feasible


def test_to_dict_has_values_and_multipliers_by_name():
    p, x, y, floor = stated()
    result = p.solve()
    found = json.loads(json.dumps(result.to_dict()))
    np.testing.assert_array_equal(found["variables"]["x"], result[x])
    np.testing.assert_array_equal(found["variables"]["y"], result[y])
    assert found["duals"]["floor"] == pytest.approx(result.duals[floor])
    np.testing.assert_array_equal(found["duals"]["y"], result.duals[y])
    assert found["success"] is True
    assert found["stages"][0]["iterations"] == result.stages[0].iterations


def test_numbers_that_are_not_finite_are_none_in_a_dict():
    p = fx.Problem()
    x = p.variables(2, lower=0.0)
    p.minimize(x.sum())
    found = json.dumps(dataclasses.replace(p.solve(), objective=float("inf")).to_dict())
    assert "Infinity" not in found
    assert "NaN" not in found


def test_html_is_escaped():
    p = fx.Problem()
    x = p.variables(1, lower=0.0, name="<script>")
    p.minimize(x[0])
    page = p.solve().report()._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


# ---- plot ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def closing():
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def test_the_picture_has_iterations_and_responses(closing):
    p, x, y, _ = stated()
    net = p._statement.networks[0].function
    result = p.solve()
    figure = result.plot()
    pictures = [axes for axes in figure.axes if axes.axison]
    iterations = pictures[0]
    (line,) = [entry for entry in iterations.lines if entry.get_label() == "objective"]
    np.testing.assert_array_equal(line.get_ydata(), [state.objective for state in result.history])
    assert line.get_ydata()[-1] == pytest.approx(result.objective, abs=1e-6)
    assert len(result.history) == result.iterations + 1
    responses = {axes.get_xlabel(): axes for axes in figure.axes if axes.get_title() == "y"}
    assert list(responses) == ["T", "p", "c"]
    for j, axes in enumerate(responses.values()):
        for k, name in enumerate(["yield", "cost"]):
            (curve,) = [entry for entry in axes.lines if entry.get_label() == name]
            along = curve.get_xdata()
            assert along[0] == -1.0
            assert along[-1] == 1.0
            points = np.tile(result[x], (along.size, 1))
            points[:, j] = along
            np.testing.assert_allclose(curve.get_ydata(), net(points)[:, k], rtol=1e-12)
        marks = [entry.get_xydata()[0] for entry in axes.lines if len(entry.get_xdata()) == 1]
        np.testing.assert_allclose(marks, [[result[x][j], value] for value in result[y]], rtol=1e-9)


def test_of_a_maximization_the_objective_rises_in_the_picture(closing):
    result = stated(-1.0)[0].solve()
    line = result.plot().axes[0].lines[0]
    assert line.get_ydata()[-1] == pytest.approx(result.objective, abs=1e-6)


def test_it_can_be_drawn_into_a_figure_of_ones_own(closing):
    own = closing.figure()
    assert stated()[0].solve().plot(own) is own
    assert len(own.axes) >= 4


def test_instances_have_pictures_of_their_own(closing):
    p = fx.Problem()
    x = p.variables((2, 3), lower=-1.0, upper=1.0)
    y = p.network(network(), x, name="y")
    p.minimize(y[:, 0].sum())
    titles = {axes.get_title() for axes in p.solve().plot().axes}
    assert {"y[0]", "y[1]"} <= titles


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *arguments, **others):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"\[plot\] matplotlib is not installed.*fastexpr\[plot\]"):
        stated()[0].solve().plot()


# ---- summary ---------------------------------------------------------------------------------------------------------


def test_the_summary_counts_what_there_is():
    p, _, _, _ = stated()
    p.subject_to(p._statement.networks[0].y.sum(), equal=0.3, name="sum")
    found = p.summary().to_dict()
    json.dumps(found)
    nlp = p.nlp()
    assert found["objective"] == "minimize"
    assert found["variables"] == [
        {"name": "x", "shape": "3", "lower": "-1", "upper": "1", "start": "0", "what": "variables"},
        {**found["variables"][1], "name": "y", "shape": "2", "what": "outputs of a network"},
    ]
    assert [(row["name"], row["kind"]) for row in found["constraints"]] == [
        ("floor", "inequality"),
        ("sum", "equation"),
    ]
    assert found["networks"][0] | {"nodes": 0} == {
        "outputs": "y", "instances": 1, "inputs": 3, "outputs each": 2, "nodes": 0, "range": "yes",
    }  # fmt: skip
    assert found["Jacobian"].startswith(f"{nlp.jacobian_rows.size} entries")
    assert "5, 0 of them fixed" in str(p.summary())
    assert "<table>" in p.summary()._repr_html_()


def test_inputs_that_are_expressions_are_called_so():
    p = fx.Problem()
    x = p.variables(3, lower=-1.0, upper=1.0)
    y = p.network(network(), 2.0 * x)
    p.minimize(y[0])
    assert [row["what"] for row in p.summary().to_dict()["variables"]] == [
        "variables",
        "inputs",
        "outputs of a network",
    ]
