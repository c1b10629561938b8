"""Models of scikit-learn as skl2onnx writes them, against scikit-learn itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skl2onnx
from onnx_models import distance
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
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
