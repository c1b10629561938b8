"""Models of scikit-learn as skl2onnx writes them, against scikit-learn itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import skl2onnx
from onnx_models import distance
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, Normalizer, QuantileTransformer, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

import fastexpr as fx

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries', of solvers that did not converge, of trees

MODELS: dict[str, Any] = {
    "forest": RandomForestRegressor(5, max_depth=4),
    "boosting": GradientBoostingRegressor(n_estimators=10),
    "support vectors": make_pipeline(StandardScaler(), SVR()),
    "polynomial kernel": make_pipeline(MinMaxScaler(), SVR(kernel="poly")),
    "ridge": make_pipeline(StandardScaler(), Normalizer(), Ridge()),
    "network": MLPRegressor(hidden_layer_sizes=(6,), max_iter=20),
    "tree classifier": DecisionTreeClassifier(max_depth=3),
    "boosting classifier": GradientBoostingClassifier(n_estimators=3),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "support vector classifier": SVC(),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MODELS)
def test_predictions(name: str, dtype: Any) -> None:
    is_classifier = "classifier" in name or name == "logistic"
    X, y = (load_iris if is_classifier else load_diabetes)(return_X_y=True)
    model = MODELS[name].fit(X, y)
    net = fx.load_onnx(skl2onnx.to_onnx(model, X[:1].astype(dtype), target_opset={"": 18, "ai.onnx.ml": 3}))
    points = X[::11].astype(np.float32).astype(np.float64)
    predict = next(
        getattr(model, attribute)
        for attribute in ("predict_proba", "decision_function", "predict")
        if hasattr(model, attribute)
    )
    expected = predict(points).reshape(len(points), -1)
    assert distance(net(points), expected) < 3e-7
    assert list(net.outputs.values()) == [(1, expected.shape[1])]


#: What these sort, count or pick depends on x.
PICKING: dict[str, Any] = {
    "neighbours": KNeighborsRegressor(4),
    "neighbours by distance": KNeighborsRegressor(3, weights="distance"),
    "classes of neighbours": KNeighborsClassifier(5),
    "weighted median of trees": AdaBoostRegressor(n_estimators=4, random_state=0),
    "bins": make_pipeline(StandardScaler(), KBinsDiscretizer(4, encode="ordinal", quantile_method="linear")),
    "bins, one-hot": make_pipeline(KBinsDiscretizer(3, encode="onehot-dense", quantile_method="linear"), Ridge()),
    "quantiles": QuantileTransformer(n_quantiles=12),
}


@pytest.mark.parametrize("name", PICKING)
def test_what_picks_by_x(name: str) -> None:
    """As ONNX Runtime computes the same file, and with derivatives of what was picked."""
    X, y = load_iris(return_X_y=True)
    model = PICKING[name].fit(X, y)
    options = {"zipmap": False} if "classes" in name else {}
    proto = skl2onnx.to_onnx(model, X[:1].astype(np.float32), options=options, target_opset={"": 18, "ai.onnx.ml": 3})
    net = fx.load_onnx(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for x in np.random.default_rng(0).uniform(X.min(0), X.max(0), (12, 4)).astype(np.float32):
        expected = np.concatenate([np.ravel(part) for part in session.run(list(net.outputs), {"X": x[None]})])
        point, step = x.astype(np.float64), 1e-6
        assert distance(net(point), expected.astype(np.float64)) < 3e-6
        slopes = np.array([(net(point + step * e) - net(point - step * e)) / (2 * step) for e in np.eye(4)]).T
        np.testing.assert_allclose(net.jacobian(point), slopes, rtol=1e-5, atol=1e-6)
