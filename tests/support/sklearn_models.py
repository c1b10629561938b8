"""Fitted estimators for the tests of `from_sklearn`: one row per kind and setting."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.compose
import sklearn.decomposition
import sklearn.ensemble
import sklearn.feature_selection
import sklearn.gaussian_process
import sklearn.kernel_approximation
import sklearn.linear_model
import sklearn.multioutput
import sklearn.neural_network
import sklearn.preprocessing
import sklearn.svm
import sklearn.tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cross_decomposition import PLSRegression
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import kernels
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union

linear, pre, svm, ensemble = sklearn.linear_model, sklearn.preprocessing, sklearn.svm, sklearn.ensemble
select, compose, tree = sklearn.feature_selection, sklearn.compose, sklearn.tree
Gaussian = sklearn.gaussian_process.GaussianProcessRegressor
Mlp, MlpClassifier = sklearn.neural_network.MLPRegressor, sklearn.neural_network.MLPClassifier
Ridge, Scaler, Pca = linear.Ridge, pre.StandardScaler, sklearn.decomposition.PCA

FEW: dict[str, Any] = {"max_iter": 10, "min_samples_leaf": 4}

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3)) * [1.0, 2.0, 0.5] + [0.5, -1.0, 0.0]
y = np.sin(X[:, 0]) + 0.25 * X[:, 1] ** 2 - X[:, 2] + 0.05 * RANDOM.normal(size=60)
Y = np.column_stack([y, X[:, 0] * X[:, 1]])
TWO = np.where(y > np.median(y), "high", "low")
THREE = np.digitize(y, np.quantile(y, [1 / 3, 2 / 3]))
FOUR = np.digitize(y, np.quantile(y, [0.2, 0.5, 0.8]))
POSITIVE = np.exp(X / 4)

Case = tuple[Any, Any, Any]  # estimator, X, target


def gaussian(kernel: Any, **settings: Any) -> Case:
    return Gaussian(kernel, optimizer=None, alpha=1e-4, **settings), X, y


def classifier(estimator: Any, labels: Any = TWO) -> Case:
    return estimator, X, labels


def regressor(estimator: Any, target: Any = y) -> Case:
    return estimator, X, target


def mlp(activation: str, kind: Any = Mlp, **settings: Any) -> Any:
    return kind(hidden_layer_sizes=(6, 5), activation=activation, max_iter=20, random_state=0, **settings)


#: By name, how each is made.
CASES: dict[str, Callable[[], Case]] = {
    # linear models
    "LinearRegression": lambda: regressor(linear.LinearRegression()),
    "LinearRegression, two targets": lambda: regressor(linear.LinearRegression(), Y),
    "LinearRegression, one target in a column": lambda: regressor(linear.LinearRegression(), Y[:, :1]),
    "Ridge without intercept": lambda: regressor(Ridge(fit_intercept=False)),
    "Lasso": lambda: regressor(linear.Lasso(0.1)),
    "ElasticNet": lambda: regressor(linear.ElasticNet(0.1)),
    "MultiTaskLasso": lambda: regressor(linear.MultiTaskLasso(0.1), Y),
    "BayesianRidge": lambda: regressor(linear.BayesianRidge()),
    "HuberRegressor": lambda: regressor(linear.HuberRegressor()),
    "SGDRegressor": lambda: regressor(linear.SGDRegressor(random_state=0)),
    "LinearSVR": lambda: regressor(svm.LinearSVR(random_state=0)),
    "PLSRegression": lambda: regressor(PLSRegression(2), Y),
    "PoissonRegressor": lambda: regressor(linear.PoissonRegressor(), np.exp(y)),
    "TweedieRegressor, identity": lambda: regressor(linear.TweedieRegressor(power=0)),
    "TweedieRegressor, log": lambda: regressor(linear.TweedieRegressor(power=1.5), np.exp(y)),
    "RANSACRegressor": lambda: regressor(linear.RANSACRegressor(random_state=0)),
    "LogisticRegression, two classes": lambda: classifier(linear.LogisticRegression()),
    "LogisticRegression, three classes": lambda: classifier(linear.LogisticRegression(), THREE),
    "SGDClassifier": lambda: classifier(linear.SGDClassifier(random_state=0), THREE),
    **{
        f"SGDClassifier, {loss}, {n} classes": (
            lambda loss=loss, labels=labels: classifier(linear.SGDClassifier(loss=loss, random_state=0), labels)
        )
        for loss in ("log_loss", "modified_huber")
        for n, labels in (("two", TWO), ("three", THREE))
    },
    "RidgeClassifier": lambda: classifier(linear.RidgeClassifier(), THREE),
    # multilayer perceptrons
    **{f"MLPRegressor, {a}": (lambda a=a: regressor(mlp(a))) for a in ("identity", "logistic", "tanh", "relu")},
    "MLPRegressor, two targets": lambda: regressor(mlp("tanh"), Y),
    "MLPRegressor, Poisson": lambda: regressor(mlp("tanh", loss="poisson"), np.exp(y)),
    "MLPRegressor, float32": lambda: (mlp("tanh"), X.astype(np.float32), y),
    "MLPClassifier, two classes": lambda: classifier(
        sklearn.neural_network.MLPClassifier((5,), activation="tanh", max_iter=20, random_state=0)
    ),
    "MLPClassifier, three classes": lambda: classifier(
        sklearn.neural_network.MLPClassifier((5,), activation="tanh", max_iter=20, random_state=0), THREE
    ),
    # transformers
    "StandardScaler": lambda: (Scaler(), X, None),
    "StandardScaler without mean": lambda: (Scaler(with_mean=False), X, None),
    "StandardScaler without deviation": lambda: (Scaler(with_std=False), X, None),
    "MinMaxScaler": lambda: (pre.MinMaxScaler((-1, 2)), X, None),
    "MinMaxScaler with clip": lambda: (pre.MinMaxScaler(clip=True), X, None),
    "MaxAbsScaler": lambda: (pre.MaxAbsScaler(), X, None),
    "RobustScaler": lambda: (pre.RobustScaler(), X, None),
    "RobustScaler without centering": lambda: (pre.RobustScaler(with_centering=False), X, None),
    **{f"Normalizer, {n}": (lambda n=n: (pre.Normalizer(n), X, None)) for n in ("l1", "l2", "max")},
    "PowerTransformer, Yeo-Johnson": lambda: (pre.PowerTransformer(), X, None),
    "PowerTransformer, Box-Cox": lambda: (pre.PowerTransformer("box-cox", standardize=False), POSITIVE, None),
    "FunctionTransformer": lambda: (pre.FunctionTransformer(np.sin), X, None),
    "FunctionTransformer with settings": lambda: (
        pre.FunctionTransformer(np.clip, kw_args={"a_min": -1.0, "a_max": 1.0}),
        X,
        None,
    ),
    "SimpleImputer": lambda: (SimpleImputer(), X, None),
    "PolynomialFeatures": lambda: (pre.PolynomialFeatures(4), X, None),
    "PolynomialFeatures, interactions": lambda: (pre.PolynomialFeatures(3, interaction_only=True), X, None),
    "PolynomialFeatures, degrees 2 to 3": lambda: (pre.PolynomialFeatures((2, 3), include_bias=False), X, None),
    "PCA": lambda: (Pca(2), X, None),
    "PCA, whitened": lambda: (Pca(2, whiten=True), X, None),
    "TruncatedSVD": lambda: (sklearn.decomposition.TruncatedSVD(2, random_state=0), X, None),
    "FastICA": lambda: (sklearn.decomposition.FastICA(2, random_state=0), X, None),
    "RBFSampler": lambda: (sklearn.kernel_approximation.RBFSampler(n_components=9, random_state=0), X, None),
    "Nystroem": lambda: (sklearn.kernel_approximation.Nystroem(n_components=9, random_state=0), X, None),
    "VarianceThreshold": lambda: (select.VarianceThreshold(0.5), X, None),
    "SelectKBest": lambda: (select.SelectKBest(select.f_regression, k=2), X, y),
    **{
        f"SplineTransformer, degree {d}, {e}": (
            lambda d=d, e=e: (pre.SplineTransformer(4, d, extrapolation=e, include_bias=d != 2), X, None)
        )
        for d, e in [
            (0, "constant"),
            (1, "constant"),
            (2, "linear"),
            (3, "linear"),
            (3, "continue"),
            (4, "constant"),
            (3, "periodic"),
        ]
    },
    "SplineTransformer, quantiles": lambda: (pre.SplineTransformer(6, knots="quantile"), np.round(X), None),
    # kernels
    **{
        f"SVR, {k}": (lambda k=k: regressor(svm.SVR(kernel=k, coef0=0.5, C=5.0)))
        for k in ("linear", "poly", "rbf", "sigmoid")
    },
    "NuSVR": lambda: regressor(svm.NuSVR(gamma=0.25)),
    "SVC": lambda: classifier(svm.SVC()),
    "SVC, three classes": lambda: classifier(svm.SVC(), THREE),
    "SVC, three classes, one against one": lambda: classifier(svm.SVC(decision_function_shape="ovo"), THREE),
    "SVC, four classes": lambda: classifier(svm.SVC(kernel="poly", coef0=1.0), FOUR),
    "OneClassSVM": lambda: (svm.OneClassSVM(nu=0.2), X, None),
    **{
        f"KernelRidge, {k}": (lambda k=k: regressor(KernelRidge(alpha=0.1, kernel=k, gamma=0.25)))
        for k in ("linear", "polynomial", "rbf", "laplacian", "sigmoid", "cosine")
    },
    "KernelRidge, two targets": lambda: regressor(KernelRidge(alpha=0.1, kernel="rbf"), Y),
    "GaussianProcessRegressor, RBF": lambda: gaussian(kernels.RBF([1.0, 2.0, 0.5])),
    "GaussianProcessRegressor, fitted": lambda: regressor(
        Gaussian(kernels.ConstantKernel() * kernels.RBF(1.0) + kernels.WhiteKernel(1e-2), normalize_y=True)
    ),
    **{
        f"GaussianProcessRegressor, Matern {nu}": (lambda nu=nu: gaussian(kernels.Matern(1.5, nu=nu)))
        for nu in (0.5, 1.5, 2.5, np.inf)
    },
    "GaussianProcessRegressor, RationalQuadratic": lambda: gaussian(kernels.RationalQuadratic(1.5, 0.75)),
    "GaussianProcessRegressor, periodic": lambda: (
        Gaussian(kernels.ExpSineSquared(1.5, 4.0), optimizer=None, alpha=0.01),
        X[:, :1],
        y,
    ),
    "GaussianProcessRegressor, power": lambda: gaussian(kernels.DotProduct(0.5) ** 3 + kernels.WhiteKernel(1.0)),
    "GaussianProcessRegressor, PairwiseKernel": lambda: gaussian(kernels.PairwiseKernel(0.3, metric="rbf")),
    "GaussianProcessRegressor, two targets": lambda: (Gaussian(kernels.RBF(1.5), optimizer=None, alpha=0.01), X, Y),
    # trees
    "DecisionTreeRegressor": lambda: regressor(tree.DecisionTreeRegressor(max_depth=4), Y),
    "ExtraTreeRegressor": lambda: regressor(tree.ExtraTreeRegressor(random_state=0)),
    "DecisionTreeClassifier": lambda: classifier(tree.DecisionTreeClassifier(max_depth=3), THREE),
    "ExtraTreeClassifier": lambda: classifier(tree.ExtraTreeClassifier(max_depth=3, random_state=0)),
    "RandomForestRegressor": lambda: regressor(ensemble.RandomForestRegressor(10, random_state=0), Y),
    "RandomForestClassifier": lambda: classifier(ensemble.RandomForestClassifier(10, random_state=0), THREE),
    "ExtraTreesRegressor": lambda: regressor(ensemble.ExtraTreesRegressor(10, random_state=0)),
    "ExtraTreesClassifier": lambda: classifier(ensemble.ExtraTreesClassifier(10, random_state=0)),
    "GradientBoostingRegressor": lambda: regressor(ensemble.GradientBoostingRegressor(n_estimators=10)),
    "GradientBoostingRegressor, from 0": lambda: regressor(
        ensemble.GradientBoostingRegressor(n_estimators=10, init="zero", loss="huber")
    ),
    "GradientBoostingClassifier, two classes": lambda: classifier(ensemble.GradientBoostingClassifier(n_estimators=10)),
    "GradientBoostingClassifier, three classes": lambda: classifier(
        ensemble.GradientBoostingClassifier(n_estimators=10), THREE
    ),
    "HistGradientBoostingRegressor": lambda: regressor(ensemble.HistGradientBoostingRegressor(**FEW)),
    "HistGradientBoostingRegressor, Poisson": lambda: regressor(
        ensemble.HistGradientBoostingRegressor(loss="poisson", **FEW), np.exp(y)
    ),
    "HistGradientBoostingClassifier, two classes": lambda: classifier(ensemble.HistGradientBoostingClassifier(**FEW)),
    "HistGradientBoostingClassifier, three classes": lambda: classifier(
        ensemble.HistGradientBoostingClassifier(**FEW), THREE
    ),
    "pipeline of trees": lambda: regressor(make_pipeline(Scaler(), tree.DecisionTreeRegressor(max_depth=4))),
    # estimators made of others
    "pipeline": lambda: regressor(make_pipeline(Scaler(), "passthrough", pre.PolynomialFeatures(2), Ridge())),
    "pipeline with splines": lambda: regressor(make_pipeline(pre.SplineTransformer(5), Ridge(1e-3))),
    "pipeline of a classifier": lambda: classifier(make_pipeline(Scaler(), linear.LogisticRegression())),
    "TransformedTargetRegressor, functions": lambda: regressor(
        compose.TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp), np.exp(y)
    ),
    "TransformedTargetRegressor, scalers": lambda: regressor(
        compose.TransformedTargetRegressor(mlp("tanh"), transformer=make_pipeline(Scaler(), pre.MinMaxScaler())), Y
    ),
    "TransformedTargetRegressor, powers": lambda: regressor(
        compose.TransformedTargetRegressor(Ridge(), transformer=pre.PowerTransformer())
    ),
    "TransformedTargetRegressor, projections": lambda: regressor(
        compose.TransformedTargetRegressor(Ridge(), transformer=Pca(1)), Y
    ),
    "ColumnTransformer": lambda: regressor(
        make_pipeline(
            compose.make_column_transformer(
                (Scaler(), [2, 0]), (pre.PolynomialFeatures(2), slice(0, 2)), ("passthrough", [1]), remainder="drop"
            ),
            Ridge(),
        )
    ),
    "ColumnTransformer with a remainder": lambda: (
        compose.make_column_transformer((Scaler(), [1]), ("drop", [0]), remainder="passthrough"),
        X,
        None,
    ),
    "FeatureUnion": lambda: (
        FeatureUnion(
            [("all", "passthrough"), ("pca", Pca(1)), ("not", "drop")],
            transformer_weights={"pca": 2},
        ),
        X,
        None,
    ),
    "union": lambda: (make_union(Scaler(), pre.MinMaxScaler()), X, None),
    "MultiOutputRegressor": lambda: regressor(sklearn.multioutput.MultiOutputRegressor(svm.SVR()), Y),
    "RegressorChain": lambda: regressor(sklearn.multioutput.RegressorChain(Ridge(), order=[1, 0]), Y),
    "VotingRegressor": lambda: regressor(
        ensemble.VotingRegressor([("a", Ridge()), ("b", svm.SVR())], weights=[1.0, 3.0])
    ),
    "StackingRegressor": lambda: regressor(
        ensemble.StackingRegressor([("a", Ridge()), ("b", svm.SVR())], Ridge(), cv=2, passthrough=True)
    ),
    "BaggingRegressor": lambda: regressor(ensemble.BaggingRegressor(svm.SVR(), 3, max_features=0.7, random_state=0)),
    "IsotonicRegression": lambda: (IsotonicRegression(out_of_bounds="clip"), X[:, :1], X[:, 0] + y),
    **{
        f"CalibratedClassifierCV, {method}, {n} classes": (
            lambda method=method, labels=labels: classifier(
                CalibratedClassifierCV(svm.SVC(), method=method, cv=2), labels
            )
        )
        for method in ("sigmoid", "isotonic", "temperature")
        for n, labels in (("two", TWO), ("three", THREE))
    },
    "CalibratedClassifierCV of probabilities": lambda: classifier(
        CalibratedClassifierCV(mlp("tanh", MlpClassifier), cv=2, ensemble=False), THREE
    ),
    "CalibratedClassifierCV of probabilities, temperature": lambda: classifier(
        CalibratedClassifierCV(mlp("tanh", MlpClassifier), cv=2, method="temperature")
    ),
    "CalibratedClassifierCV of a pipeline": lambda: classifier(
        CalibratedClassifierCV(make_pipeline(Scaler(), linear.LogisticRegression()), cv=2), THREE
    ),
    "CalibratedClassifierCV of a fitted one": lambda: classifier(
        CalibratedClassifierCV(FrozenEstimator(linear.RidgeClassifier().fit(X, TWO)))
    ),
    "GridSearchCV": lambda: regressor(GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2)),
}


@functools.cache
def fitted(name: str) -> Any:
    """The estimator of a row."""
    estimator, table, target = CASES[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations do not converge
        return estimator.fit(table, target)


def table_of(name: str) -> np.ndarray:
    """What it was fitted on."""
    return np.asarray(CASES[name]()[1], np.float64)
