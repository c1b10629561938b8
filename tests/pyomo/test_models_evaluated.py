"""Many models of many kinds, compiled: values and derivatives are those of the real ASL."""

from __future__ import annotations

import json
import os
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.contrib.pynumero.interfaces.pyomo_nlp import PyomoNLP
from pyomo_models import MODELS, Example
from pyomo_models.oracles import WRITTEN_OUT, by_asl, by_fastexpr, check_same, places, read_by_asl

from fastexpr.pyomo.compile.compiled import compile_model
from fastexpr.pyomo.external.files import library_path


def points(example: Example, nlp: PyomoNLP) -> list[np.ndarray]:
    """The start and two points near it, within the bounds."""
    rng = np.random.default_rng(zlib.crc32(example.name.encode()))
    start = nlp.init_primals()
    steps = 0.1 * np.maximum(1.0, np.abs(start)) * rng.standard_normal((2, start.size))
    return [start, *np.clip(start + steps, nlp.primals_lb(), nlp.primals_ub())]


@pytest.mark.parametrize("example", [pytest.param(each, id=name) for name, each in MODELS.items()])
def test_values_and_derivatives_are_those_of_the_real_asl(example: Example) -> None:
    model = example.build()
    nlp = read_by_asl(model)
    compiled = compile_model(model)
    columns, _ = places(nlp, compiled)
    rng = np.random.default_rng(1)
    for point in points(example, nlp):
        arguments = compiled, point[columns], rng.standard_normal(compiled.nlp.m), rng.uniform(0.5, 2.0)
        check_same(by_fastexpr(*arguments), by_asl(nlp, *arguments))


@pytest.mark.parametrize(
    "name", ["hs71", "hs83", "maximum", "all_functions", "powers", "network_block", "chained_networks"]
)
def test_gjh_evaluates_the_same(name: str, tmp_path: Path) -> None:
    """Another program on the real ASL, which reads the .nl file and writes what it evaluates as JSON."""
    model = MODELS[name].build()
    compiled = compile_model(model)
    multipliers = np.random.default_rng(2).standard_normal(compiled.nlp.m)
    model.dual = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    model.dual.update(zip(compiled.constraints, multipliers, strict=True))
    model.write(str(tmp_path / "model.nl"), io_options={"symbolic_solver_labels": True, **WRITTEN_OUT})
    command = ["gjh_asl_json", "model.nl", "rows=model.row", "cols=model.col"]
    environment = {**os.environ, "AMPLFUNC": library_path()}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    found = json.loads((tmp_path / "model.json").read_text())["initial evaluations"]
    objective = found["objective function"][compiled.objective.name]
    names = [variable.name for variable in compiled.variables]
    values = by_fastexpr(compiled, compiled.nlp.start, compiled.sign * multipliers, 1.0)
    gradient = [objective["gradient"].get(column, 0.0) for column in names]
    jacobian = [
        [found["constraints' jacobian"].get(f"{c.name}_{column}", 0.0) for column in names]
        for c in compiled.constraints
    ]
    hessian = [[objective["lagrangian hessian"].get(f"{row}_{column}", 0.0) for column in names] for row in names]
    for value, expected in (
        (values.objective, objective["value"]),
        (values.gradient, gradient),
        (values.hessian, hessian),
    ):
        np.testing.assert_allclose(compiled.sign * value, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(values.jacobian, jacobian, rtol=0, atol=1e-12 * np.abs(jacobian).max())
