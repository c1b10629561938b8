"""The smallest change to a handwritten digit that makes a trained network read another one.

    python examples/digits.py [--output digits.png]

    minimize    |x - image|^2
    subject to  score[target](x) >= score[k](x) + 1  for the nine other digits k,   0 <= x <= 1

The scores are those of digits/digits.onnx (64 pixels, two layers of 128 tanh units, 10 scores; digits/train.py makes
it), the image is
one of scikit-learn's that the network has not been trained on. The same problem is solved with the network as a
block of a Pyomo
model, without Pyomo, and, where OMLT is installed, with the network written out as algebra. Every answer is checked
with ONNX Runtime.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fastexpr.pyomo as fxp
import numpy as np
import onnx
import onnxruntime
import pyomo.environ as pyo
from onnx import numpy_helper
from pyomo.common.tee import capture_output
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastexpr as fx

NETWORK = Path(__file__).parent / "digits" / "digits.onnx"
IMAGE, TARGET, MARGIN = 1, 9, 1.0


@dataclass
class Answer:
    """What one route found, and what it took."""

    route: str
    variables: int
    build: float
    solve: float
    iterations: int
    objective: float
    x: np.ndarray


def test_image(number: int) -> tuple[np.ndarray, int]:
    """An image of the test set, 64 pixels in [0, 1], and the digit it shows."""
    images, digits = load_digits(return_X_y=True)
    _, images, _, digits = train_test_split(images / 16.0, digits, test_size=0.25, random_state=0, stratify=digits)
    return images[number], int(digits[number])


def pyomo_block(image: np.ndarray, target: int) -> Answer:
    """The network as a block of a Pyomo model, solved by pounce, which calls the network through AMPL's interface."""
    begin = time.perf_counter()
    network = fx.load_onnx(NETWORK).with_bounds(0.0, 1.0)
    model = pyo.ConcreteModel()
    model.network = fxp.NetworkBlock(network)
    return solve_pyomo(
        "Pyomo NetworkBlock + pounce", model, model.network.inputs, model.network.outputs, image, target, begin
    )


def omlt_full_space(image: np.ndarray, target: int) -> Answer:
    """OMLT: a variable and an equation for every unit of the network."""
    import omlt
    from omlt.io import load_onnx_neural_network
    from omlt.neuralnet import FullSpaceSmoothNNFormulation

    begin = time.perf_counter()
    definition = load_onnx_neural_network(onnx.load(NETWORK), input_bounds=[(0.0, 1.0)] * image.size)
    model = pyo.ConcreteModel()
    model.network = omlt.OmltBlock()
    model.network.build_formulation(FullSpaceSmoothNNFormulation(definition))
    return solve_pyomo(
        "OMLT full space + pounce", model, model.network.inputs, model.network.outputs, image, target, begin
    )


def solve_pyomo(
    route: str, model: pyo.ConcreteModel, x: pyo.Var, score: pyo.Var, image: np.ndarray, target: int, begin: float
) -> Answer:
    """Adds objective and margins to a model with a network, and solves it."""
    for k, pixel in enumerate(image):
        x[k].set_value(pixel)
    model.change = pyo.Objective(expr=sum((x[k] - pixel) ** 2 for k, pixel in enumerate(image)))
    model.margin = pyo.Constraint(
        [k for k in range(10) if k != target], rule=lambda model, k: score[target] >= score[k] + MARGIN
    )
    built = time.perf_counter()
    with capture_output() as log:
        pyo.SolverFactory("pounce").solve(model, tee=True, options={"tol": 1e-9})
    solved = time.perf_counter()
    iterations = re.search(r"Number of Iterations\.*: *(\d+)", log.getvalue())
    solution = np.array([pyo.value(x[k]) for k in range(image.size)])
    variables = sum(1 for _ in model.component_data_objects(pyo.Var, active=True))
    return Answer(
        route, variables, built - begin, solved - built, int(iterations[1]), pyo.value(model.change), solution
    )


def direct(image: np.ndarray, target: int) -> Answer:
    """fastexpr alone: Ipopt through cyipopt where it is installed, else pounce, in this process."""
    begin = time.perf_counter()
    network = fx.load_onnx(NETWORK)
    problem = fx.Problem()
    x = problem.variables(image.size, lower=0.0, upper=1.0, start=image)
    score = problem.network(network, x)
    problem.minimize(((x - image) ** 2).sum())
    problem.subject_to(score[target] - score[[k for k in range(10) if k != target]], lower=MARGIN)
    problem.nlp()
    built = time.perf_counter()
    result = problem.solve(tol=1e-9)
    solved = time.perf_counter()
    return Answer(
        f"fastexpr.Problem + {result.solver}",
        result.x.size,
        built - begin,
        solved - built,
        result.iterations,
        result.objective,
        result[x],
    )


def exact_scores(x: np.ndarray) -> np.ndarray:
    """The network's scores by ONNX Runtime, on a copy of the file in double precision: (images, 64) -> (images, 10)."""
    model = onnx.load(NETWORK)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.atleast_2d(x)})[0]


def violation(x: np.ndarray, target: int) -> float:
    """Largest violation of the margins and of the pixels' range."""
    scores = exact_scores(x)[0]
    others = np.delete(scores, target)
    return max(0.0, float((others + MARGIN - scores[target]).max()), float(-x.min()), float(x.max() - 1.0))


def print_table(answers: list[Answer], target: int) -> None:
    columns = (
        f"{'route':<28} {'variables':>9} {'build s':>8} {'solve s':>8} "
        f"{'iterations':>10} {'objective':>12} {'violation':>9}"
    )
    print(columns, "-" * len(columns), sep="\n")
    for answer in answers:
        print(
            f"{answer.route:<28} {answer.variables:>9} {answer.build:>8.3f} {answer.solve:>8.3f} "
            f"{answer.iterations:>10} {answer.objective:>12.8f} {violation(answer.x, target):>9.1e}"
        )


def save_picture(path: Path, image: np.ndarray, digit: int, changed: np.ndarray, target: int) -> None:
    """Original, changed and difference side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    chances = np.exp(exact_scores(np.stack([image, changed])))
    chances /= chances.sum(axis=1, keepdims=True)
    largest = np.abs(changed - image).max()
    panels = [
        (f"original: read as {digit} ({100 * chances[0, digit]:.1f} %)", image, "gray_r", 0.0, 1.0),
        (f"changed: read as {target} ({100 * chances[1, target]:.1f} %)", changed, "gray_r", 0.0, 1.0),
        (f"difference, length {np.linalg.norm(changed - image):.2f}", changed - image, "RdBu_r", -largest, largest),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 4.0), layout="constrained")
    for axis, (title, pixels, colors, low, high) in zip(axes, panels, strict=True):
        shown = axis.imshow(pixels.reshape(8, 8), cmap=colors, vmin=low, vmax=high)
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
        figure.colorbar(
            shown,
            ax=axis,
            orientation="horizontal",
            shrink=0.9,
            pad=0.04,
            label="pixel" if low == 0.0 else "darker or lighter by",
        )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(output: Path | None = None) -> list[Answer]:
    image, digit = test_image(IMAGE)
    print(f"The smallest change that turns a {digit} into a {TARGET}, with a margin of {MARGIN:g} between the scores\n")
    routes: list[Callable[[np.ndarray, int], Answer]] = [pyomo_block, direct]
    if importlib.util.find_spec("omlt") is not None:
        routes.append(omlt_full_space)
    answers = [route(image, TARGET) for route in routes]
    print_table(answers, TARGET)
    if omlt_full_space not in routes:
        print("OMLT full space              not installed: pip install omlt")
    spread = max(np.abs(answer.x - answers[0].x).max() for answer in answers)
    print(
        f"\nThe answers differ by at most {spread:.1e} in a pixel. Violations are ONNX Runtime's, in double precision."
    )
    if output is not None:
        save_picture(output, image, digit, answers[0].x, TARGET)
        print(f"Picture: {output}")
    return answers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("digits.png"), help="where the picture goes")
    main(parser.parse_args().output)
