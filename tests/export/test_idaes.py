"""Networks as surrogates of IDAES: in flowsheets, with bounds and scaling, in process and by an AMPL solver."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyomo.environ as pyo
import pytest
from idaes.core import FlowsheetBlock
from idaes.core.surrogate.sampling.scaling import OffsetScaler
from idaes.core.surrogate.surrogate_block import SurrogateBlock
from idaes.core.util import scaling
from idaes.core.util.model_statistics import degrees_of_freedom
from networks import network

import fastexpr as fx
from fastexpr.errors import FileError, FrameworkError
from fastexpr.idaes import NetworkSurrogate

INPUTS, OUTPUTS = ["duty", "feed", "steam"], ["H2", "N2"]
BOUNDS = {"duty": (10.0, 20.0), "feed": (200.0, 400.0), "steam": (0.5, 1.5)}
SOLVERS = ["fastexpr", "pounce"]


def data(rows: int = 50) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({label: random.uniform(*BOUNDS[label], rows) for label in INPUTS})


@pytest.fixture
def surrogate() -> NetworkSurrogate:
    """Trained on scaled data, as IDAES' own are."""
    inputs = OffsetScaler.create_from_mean_std(data())
    outputs = OffsetScaler(OUTPUTS, pd.Series({"H2": 0.3, "N2": 0.35}), pd.Series({"H2": 0.02, "N2": 0.03}))
    return NetworkSurrogate(network(3, 2), INPUTS, OUTPUTS, BOUNDS, inputs, outputs)


def flowsheet(surrogate: NetworkSurrogate, **options: object) -> pyo.ConcreteModel:
    """As much H2 as possible with a limit on N2; variables of the flowsheet's own."""
    m = pyo.ConcreteModel()
    m.fs = FlowsheetBlock(dynamic=False)
    m.fs.duty, m.fs.feed, m.fs.steam = (pyo.Var(initialize=np.mean(BOUNDS[label])) for label in INPUTS)
    m.fs.H2, m.fs.N2 = pyo.Var(initialize=0.3), pyo.Var(initialize=0.35)
    m.fs.reformer = SurrogateBlock()
    m.fs.reformer.build_model(
        surrogate, input_vars=[m.fs.duty, m.fs.feed, m.fs.steam], output_vars=[m.fs.H2, m.fs.N2], **options
    )
    m.fs.limit = pyo.Constraint(expr=m.fs.N2 <= 0.34)
    m.fs.economy = pyo.Constraint(expr=m.fs.feed <= 20 * m.fs.duty)
    m.goal = pyo.Objective(expr=m.fs.H2, sense=pyo.maximize)
    return m


def test_evaluate_surrogate_is_the_scaled_network(surrogate: NetworkSurrogate) -> None:
    frame = data()
    frame.index = [f"case {k}" for k in range(len(frame))]
    frame.insert(0, "other", 1.0)
    got = surrogate.evaluate_surrogate(frame)
    assert list(got.columns) == OUTPUTS
    assert list(got.index) == list(frame.index)
    inner = OffsetScaler.create_from_mean_std(data()).scale(frame[INPUTS].reset_index(drop=True)).to_numpy()
    wanted = np.array([0.3, 0.35]) + np.array([0.02, 0.03]) * network(3, 2)(inner)
    np.testing.assert_allclose(got.to_numpy(), wanted, rtol=1e-12)
    with pytest.raises(KeyError, match="steam"):
        surrogate.evaluate_surrogate(frame.drop(columns="steam"))


def test_labels_and_bounds(surrogate: NetworkSurrogate) -> None:
    assert (surrogate.input_labels(), surrogate.output_labels()) == (INPUTS, OUTPUTS)
    assert surrogate.input_bounds() == BOUNDS
    assert (surrogate.n_inputs(), surrogate.n_outputs()) == (3, 2)
    net = network(2, 1).with_names(inputs=["a", "b"], outputs=["c"]).with_bounds([0, 1], [2, 3])
    assert NetworkSurrogate(net).input_bounds() == {"a": (0.0, 2.0), "b": (1.0, 3.0)}
    assert NetworkSurrogate(network(2, 1)).input_bounds() is None


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_flowsheet_is_solved(surrogate: NetworkSurrogate, solver: str) -> None:
    m = flowsheet(surrogate)
    assert degrees_of_freedom(m) == 3
    assert (m.fs.feed.lb, m.fs.feed.ub) == BOUNDS["feed"]
    for label in INPUTS:
        scaling.set_scaling_factor(getattr(m.fs, label), 1 / BOUNDS[label][1])
    results = pyo.SolverFactory(solver).solve(m)
    pyo.assert_optimal_termination(results)
    point = pd.DataFrame({label: [pyo.value(getattr(m.fs, label))] for label in INPUTS})
    said = surrogate.evaluate_surrogate(point).iloc[0]
    np.testing.assert_allclose([pyo.value(m.fs.H2), pyo.value(m.fs.N2)], said, rtol=1e-7)
    assert pyo.value(m.fs.N2) <= 0.34 + 1e-7
    everywhere = data(20_000)  # no point of the data is better
    said = surrogate.evaluate_surrogate(everywhere)
    allowed = (said["N2"] <= 0.34) & (everywhere["feed"] <= 20 * everywhere["duty"])
    assert pyo.value(m.fs.H2) >= said["H2"][allowed].max() - 1e-7


def test_variables_of_the_block_s_own(surrogate: NetworkSurrogate) -> None:
    m = pyo.ConcreteModel()
    m.reformer = SurrogateBlock()
    m.reformer.build_model(surrogate)
    for label, (lower, upper) in BOUNDS.items():
        m.reformer.inputs[label].fix((lower + upper) / 2)
    m.goal = pyo.Objective(expr=0.0)
    pyo.SolverFactory("fastexpr").solve(m)
    middle = pd.DataFrame({label: [sum(BOUNDS[label]) / 2] for label in INPUTS})
    said = surrogate.evaluate_surrogate(middle).iloc[0]
    np.testing.assert_allclose([pyo.value(m.reformer.outputs[label]) for label in OUTPUTS], said, rtol=1e-8)


def test_a_formulation_is_passed_on() -> None:
    rng = np.random.default_rng(0)
    x = fx.variables(2)
    net = fx.Function(x, rng.standard_normal((1, 4)) @ np.maximum(rng.standard_normal((4, 2)) @ x, 0))
    surrogate = NetworkSurrogate(net, ["a", "b"], ["c"], {"a": (-1, 1), "b": (-1, 1)})
    m = pyo.ConcreteModel()
    m.block = SurrogateBlock()
    m.block.build_model(surrogate, formulation="bigm")
    assert any(v.is_binary() for v in m.component_data_objects(pyo.Var))
    m.second = SurrogateBlock()
    with pytest.raises(ValueError, match="not used: \\['other'\\]"):
        m.second.build_model(surrogate, other=1)


def test_files(surrogate: NetworkSurrogate, tmp_path: Path) -> None:
    surrogate.save_to_file(str(tmp_path / "reformer.json"))
    again = NetworkSurrogate.load_from_file(str(tmp_path / "reformer.json"))
    assert (again.input_labels(), again.output_labels()) == (INPUTS, OUTPUTS)
    assert again.input_bounds() == BOUNDS
    pd.testing.assert_frame_equal(again.evaluate_surrogate(data()), surrogate.evaluate_surrogate(data()))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '{"format": "another", "network": ""}', '{"format": "fastexpr surrogate 1", "network": "%"}'],
)
def test_what_is_no_surrogate_is_refused(text: str) -> None:
    with pytest.raises(FileError, match=r"\[NetworkSurrogate\]"):
        NetworkSurrogate.load(io.StringIO(text))


def test_a_scaler_for_other_labels_is_refused() -> None:
    scaler = OffsetScaler.create_from_mean_std(data())
    with pytest.raises(
        FrameworkError, match=r"input_scaler is for other labels: got \['duty'.*expected \['a', 'b', 'c'\]"
    ):
        NetworkSurrogate(network(3, 2), ["a", "b", "c"], OUTPUTS, input_scaler=scaler)


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="got 2"):
        NetworkSurrogate(network(3, 2), ["a", "b"])
    with pytest.raises(ValueError, match="input_bounds"):
        NetworkSurrogate(network(1, 1), ["a"], ["b"], {"c": (0, 1)})
    with pytest.raises(ValueError, match="Duplicate"):
        NetworkSurrogate(network(1, 1), ["a"], ["a"])
