"""C for values without derivatives: the largest of a group, its place, decision trees."""

from __future__ import annotations

import numpy as np

from fastexpr.export.c.numbers import ConstantTables
from fastexpr.export.program.formulas import literal
from fastexpr.export.program.statements import Routine

TESTS = ["", "<=", "<", ">=", ">", "==", "!="]  # by the number that a node of a tree has; 0 is a leaf


def step_code(statement: Routine, tables: ConstantTables) -> list[str]:
    """Lines that set v from u."""
    if statement.kind == "TreeEnsemble":
        return trees(statement, tables)
    size, count = statement.settings["members"].shape
    place = tables.index(statement.settings["members"].ravel(), f"(i * {count} + t)")
    first = tables.index(statement.settings["members"][:, 0], "i")
    find = [
        f"for (int i = 0; i < {size}; ++i) {{",
        f"int best = {first};",
        f"for (int t = 1; t < {count}; ++t) {{",
        f"const int next = {place};",
        "if (u[next] > u[best]) best = next;",
        "}",
    ]
    if statement.kind == "Maximum":
        return [*find, "v[i] = u[best];", "}"]
    return [f"for (int i = 0; i < {statement.output.size}; ++i) v[i] = 0.0;", *find, "v[best] = 1.0;", "}"]


def trees(statement: Routine, tables: ConstantTables) -> list[str]:
    """Each row of features goes from every root to a leaf."""
    settings = statement.settings
    nodes, features, targets = settings["nodes"], settings["features"], settings["n_targets"]
    rows = statement.u.size // features
    roots = np.asarray(settings["roots"])
    start = {"min": "INFINITY", "max": "-INFINITY"}.get(settings["aggregate"], "0.0")
    combine = {
        "min": "if (number < sum[target]) sum[target] = number;",
        "max": "if (number > sum[target]) sum[target] = number;",
    }.get(settings["aggregate"], "sum[target] += number;")
    finish = {
        "mean": f"v[row * {targets} + k] = sum[k] / {literal(float(len(roots)))};",
        "min": f"v[row * {targets} + k] = isinf(sum[k]) ? 0.0 : sum[k];",
        "max": f"v[row * {targets} + k] = isinf(sum[k]) ? 0.0 : sum[k];",
    }.get(settings["aggregate"], f"v[row * {targets} + k] = sum[k];")
    table = tables.table(nodes, "int")
    tests = [f"case {mode}: yes = value {test} limit; break;" for mode, test in enumerate(TESTS) if mode > 0]
    return [
        f"for (int row = 0; row < {rows}; ++row) {{",
        f"double sum[{targets}];",
        f"for (int k = 0; k < {targets}; ++k) sum[k] = {start};",
        f"for (int tree = 0; tree < {len(roots)}; ++tree) {{",
        f"int node = {tables.index(roots, 'tree')};",
        f"while ({table}[5 * node] != 0) {{",
        f"const double value = u[row * {features} + {table}[5 * node + 1]];",
        f"const double limit = {tables.reals(settings['thresholds'])}[node];",
        "int yes = 0;",
        f"switch ({table}[5 * node]) {{",
        *tests,
        "default: break;",
        "}",
        f"if (value != value) yes = {table}[5 * node + 4] != 0;",
        f"node = yes ? {table}[5 * node + 2] : {table}[5 * node + 3];",
        "}",
        f"for (int j = {table}[5 * node + 1]; j < {table}[5 * node + 2]; ++j) {{",
        f"const int target = {tables.table(settings['targets'], 'int')}[j];",
        f"const double number = {tables.reals(settings['numbers'])}[j];",
        combine,
        "}",
        "}",
        f"for (int k = 0; k < {targets}; ++k) {finish}",
        "}",
    ]
