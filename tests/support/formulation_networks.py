"""Networks for checks of formulations, by name: each a function, and bounds of its inputs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import formulated
import numpy as np
import torch

import fastexpr as fx
from fastexpr.expression.node import apply
from fastexpr.expression.operands import constant

Case = tuple[fx.Function, Any, Any]
NETWORKS: dict[str, Callable[[], Case]] = {}


def network(function: Callable[[], Case]) -> Callable[[], Case]:
    NETWORKS[function.__name__.replace("_", " ")] = functools.cache(function)
    return function


@network
def relu_networks() -> Case:
    return formulated.relu_network((3, 8, 8, 2), 0), -1.0, 1.0


@network
def relu_networks_in_a_small_box() -> Case:
    return formulated.relu_network((4, 10, 6, 2), 1), 0.2, 0.4


@network
def leaky_networks() -> Case:
    return formulated.relu_network((3, 5, 5, 2), 2, lambda z: np.maximum(0.1 * z, z)), -1.0, 1.0


@network
def clipped_networks() -> Case:
    return formulated.relu_network((3, 5, 5, 2), 3, lambda z: np.clip(z, -0.5, 0.5)), -1.0, 1.0


@network
def mixed_networks() -> Case:
    def activation(z: Any) -> Any:
        half = z.size // 2
        return np.concatenate([np.abs(z[:half]), np.minimum(z[half:], 0.3) + np.maximum(z[half:], z[:1])])

    return formulated.relu_network((3, 6, 4, 2), 4, activation), -1.0, 1.0


@network
def tanh_networks() -> Case:
    return formulated.relu_network((3, 4, 4, 2), 5, np.tanh), -1.0, 1.0


@network
def smooth_and_kinked_networks() -> Case:
    return formulated.relu_network((2, 3, 3, 1), 6, lambda z: np.tanh(np.maximum(z, 0.0))), -1.0, 1.0


@network
def input_convex_networks() -> Case:
    random = np.random.default_rng(7)
    x = fx.variables(3)
    h = np.maximum(random.normal(size=(5, 3)) @ x + random.normal(size=5), 0.0)
    h = np.maximum(abs(random.normal(size=(4, 5))) @ h / 3 + random.normal(size=(4, 3)) @ x - 1.0, 0.0)
    y = abs(random.normal(size=(1, 4))) @ h
    return fx.Function(x, np.concatenate([y, -1.0 * y + random.normal(size=3) @ x])), -1.0, 1.0


@network
def smooth_input_convex_networks() -> Case:
    random = np.random.default_rng(8)
    x = fx.variables(2)
    h = np.logaddexp(0.0, random.normal(size=(4, 2)) @ x)
    return fx.Function(x, abs(random.normal(size=(1, 4))) @ h), -1.0, 1.0


@network
def choices_by_comparison() -> Case:
    x = fx.variables(2)
    quarter = constant(np.asarray(0.25))
    first = apply("Where", [apply("Less", [quarter, x[0]]), x[1], 2.0 - x[0]])
    is_above = apply("LessOrEqual", [constant(np.asarray(0.0)), x[0] + x[1]])
    second = apply("Where", [is_above, constant(np.asarray(1.0)), constant(np.asarray(-1.0))])
    return fx.Function(x, first + second), -1.0, 1.0


@network
def parametric_slopes() -> Case:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.PReLU(4), torch.nn.Linear(4, 2)).double()
    with torch.no_grad():
        module[1].weight[:] = torch.tensor([0.1, 0.5, -0.2, 2.0])
    return fx.from_torch(module, torch.zeros(1, 3, dtype=torch.float64)), -1.0, 1.0


@network
def splines() -> Case:
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    X = np.linspace(-1, 1, 60).reshape(-1, 1)
    model = make_pipeline(SplineTransformer(n_knots=5, degree=1), LinearRegression()).fit(X, np.sin(3 * X[:, 0]))
    return fx.from_sklearn(model), -0.99, 0.99


class Skipping(torch.nn.Module):
    """Convolutions, normalization, a skip, and pooling."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, 2, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(2)
        self.second = torch.nn.Conv2d(2, 2, 3, **settings)
        self.pool = torch.nn.MaxPool2d(2)
        self.last = torch.nn.LazyLinear(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.norm(self.first(x)))
        h = self.pool(torch.relu(self.second(h + x))).flatten(1)
        return self.last(torch.cat([h, x.flatten(1)[:, :3]], dim=1))


def convolutional(**settings: Any) -> Case:
    torch.manual_seed(0)
    module = Skipping(**settings).double()
    module.norm.running_mean += 0.1
    module.norm.running_var *= 1.5
    example = torch.rand(1, 1, 5, 5, dtype=torch.float64)
    module(example)
    lower = example.numpy().ravel() - 0.1
    return fx.from_torch(module.eval(), example), lower, lower + 0.2


@network
def convolutions() -> Case:
    return convolutional(padding=1)


@network
def convolutions_in_groups_with_dilation() -> Case:
    return convolutional(dilation=2, groups=2, padding=2)


# ---- trees


def data(n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    X = np.round(random.uniform(-1, 2, (300, n)), 1)
    return X, np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2]


@network
def trees_of_scikit_learn() -> Case:
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(n_estimators=8, max_depth=3, random_state=0).fit(*data())
    return fx.from_sklearn(model), -1.0, 2.0


@network
def forests_of_scikit_learn() -> Case:
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0).fit(*data())
    return fx.from_sklearn(model), -1.0, 2.0


@network
def trees_of_scaled_inputs() -> Case:
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = GradientBoostingRegressor(n_estimators=6, max_depth=3, random_state=0)
    return fx.from_sklearn(make_pipeline(StandardScaler(), model).fit(*data())), -1.0, 2.0


@network
def trees_of_xgboost() -> Case:
    import xgboost

    model = xgboost.XGBRegressor(n_estimators=8, max_depth=3, random_state=0).fit(*data())
    return fx.from_xgboost(model), -1.0, 2.0


@network
def trees_of_lightgbm() -> Case:
    import lightgbm

    settings = {"n_estimators": 8, "num_leaves": 8, "verbose": -1, "min_child_samples": 5}
    return fx.from_lightgbm(lightgbm.LGBMRegressor(**settings).fit(*data())), -1.0, 2.0


@network
def linear_trees_of_lightgbm() -> Case:
    import lightgbm

    settings = {"n_estimators": 4, "num_leaves": 6, "verbose": -1, "linear_tree": True}
    return fx.from_lightgbm(lightgbm.LGBMRegressor(**settings).fit(*data())), -1.0, 2.0
