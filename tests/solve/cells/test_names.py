"""What messages call walls and violations: by the user's names."""

from __future__ import annotations

import numpy as np

import fastexpr as fx
from fastexpr.solve.cells.cell_program import cell_program, elastic_program


def program():
    x = fx.variables(2)
    net = fx.Function(x, np.maximum(x + 0.1, 0.0))
    p = fx.Problem()
    v = p.variables(2, -1, 1, start=0.3, name="v")
    y = net(v)
    p.minimize(abs(v[0]) + y[0])
    p.subject_to(y[1], lower=0.2, name="enough")
    nlp = p.nlp()
    cells = nlp.functions.cells()
    cells.freeze(cells.branches(nlp.start))
    cells.choose(*cells.walls(nlp.start)[:2])
    return nlp, cells


def test_walls_are_named_by_their_units():
    nlp, cells = program()
    inner = cell_program(nlp, cells, cells.n_walls, nlp.start)
    names = [inner.row_name(row) for row in range(inner.m)]
    assert names[0] == nlp.row_name(0)
    assert all(name.startswith("the kink of ") for name in names[1:])
    assert "Abs" in names[1]
    assert any("unit [1]" in name for name in names)


def test_violations_are_named_by_their_rows():
    nlp, cells = program()
    whole, _ = elastic_program(nlp, cells, nlp.start, np.ones(nlp.m))
    assert [whole.variable_name(j) for j in range(whole.n)] == [
        nlp.variable_name(0), nlp.variable_name(1), *["the violation of " + nlp.row_name(0)] * 2
    ]  # fmt: skip
