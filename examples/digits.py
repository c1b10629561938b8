"""The smallest change to a handwritten digit that makes a trained network read another one.

    python examples/digits.py [--output digits.png]

    minimize    |x - image|^2
    subject to  score[target](x) >= score[k](x) + 1   for the nine other digits k
                lower <= x <= upper                   the range of each pixel in the data

The scores are those of digits/digits.onnx: 64 pixels, two layers of 128 tanh units, 10 scores; digits/train.py makes
it. The image is one of scikit-learn's that the network was not trained on. The same problem is solved with the network
as a block of a Pyomo model, in this process and by a solver that calls the network as an external function; without
Pyomo; and, where OMLT is installed, with the network written out as algebra. Every answer is checked with ONNX Runtime.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyomo.environ as pyo
from onnx import numpy_helper
from pyomo.common.tee import capture_output
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastexpr as fx
import fastexpr.pyomo as fxp

NETWORK = Path(__file__).parent / "digits" / "digits.onnx"
IMAGE, TARGET, MARGIN = 10, 3, 1.0  # of the test set; the digit it shall be read as; between the scores
TOLERANCE = 1e-10


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


@dataclass
class Task:
    """An image of 64 pixels, the digit it shows, and the pixels' range."""

    image: np.ndarray
    digit: int
    lower: np.ndarray
    upper: np.ndarray


def task(number: int) -> Task:
    """An image of the test set; its pixels, 0 to 1, may move in the range they have in the training set."""
    images, digits = load_digits(return_X_y=True)
    split = train_test_split(images / 16.0, digits, test_size=0.25, random_state=0, stratify=digits)
    known, images, _, digits = split
    image = images[number]
    lower, upper = np.minimum(known.min(axis=0), image), np.maximum(known.max(axis=0), image)
    return Task(image, int(digits[number]), lower, upper)


def in_process(task: Task, target: int) -> Answer:
    """The network as a block of a Pyomo model, which is compiled and solved in this process."""
    return pyomo_block(task, target, "fastexpr")


def external_function(task: Task, target: int) -> Answer:
    """The same model, solved by pounce, a program that calls the network through AMPL's interface."""
    return pyomo_block(task, target, "pounce")


def pyomo_block(task: Task, target: int, solver: str) -> Answer:
    begin = time.perf_counter()
    network = fx.load_onnx(NETWORK).with_bounds(task.lower, task.upper)
    model = pyo.ConcreteModel()
    model.network = fxp.NetworkBlock(network)
    return solve_pyomo("Pyomo NetworkBlock", model, solver, task.image, target, begin)


def omlt_full_space(task: Task, target: int) -> Answer:
    """OMLT: a variable and an equation for every unit of the network."""
    import omlt
    from omlt.io import load_onnx_neural_network
    from omlt.neuralnet import FullSpaceSmoothNNFormulation

    begin = time.perf_counter()
    bounds = list(zip(task.lower, task.upper, strict=True))
    definition = load_onnx_neural_network(onnx.load(NETWORK), input_bounds=bounds)
    model = pyo.ConcreteModel()
    model.network = omlt.OmltBlock()
    model.network.build_formulation(FullSpaceSmoothNNFormulation(definition))
    return solve_pyomo("OMLT full space", model, "pounce", task.image, target, begin)


def solve_pyomo(
    route: str, model: pyo.ConcreteModel, solver: str, image: np.ndarray, target: int, begin: float
) -> Answer:
    """Adds objective and margins to a model with a network, and solves it."""
    x, score = model.network.inputs, model.network.outputs
    for k, pixel in enumerate(image):
        x[k].set_value(pixel)
    others = [k for k in range(10) if k != target]
    model.change = pyo.Objective(expr=sum((x[k] - pixel) ** 2 for k, pixel in enumerate(image)))
    model.margin = pyo.Constraint(others, rule=lambda model, k: score[target] >= score[k] + MARGIN)
    built = time.perf_counter()
    with capture_output() as log:
        results = pyo.SolverFactory(solver).solve(model, tee=True, options={"tol": TOLERANCE})
    solved = time.perf_counter()
    pyo.assert_optimal_termination(results)
    iterations = re.findall(r"^(?:Number of Iterations\.*:)? *(\d+)", log.getvalue(), flags=re.MULTILINE)[-1]
    solution = np.array([pyo.value(x[k]) for k in range(image.size)])
    variables = sum(1 for _ in model.component_data_objects(pyo.Var, active=True))
    seconds = built - begin, solved - built
    return Answer(f"{route} + {solver}", variables, *seconds, int(iterations), pyo.value(model.change), solution)


def direct(task: Task, target: int) -> Answer:
    """fastexpr alone: Ipopt through cyipopt where it is installed, else pounce, in this process."""
    begin = time.perf_counter()
    network = fx.load_onnx(NETWORK)
    problem = fx.Problem()
    x = problem.variables(64, lower=task.lower, upper=task.upper, start=task.image)
    score = problem.network(network, x)
    problem.minimize(((x - task.image) ** 2).sum())
    problem.subject_to(score[target] - score[[k for k in range(10) if k != target]], lower=MARGIN)
    problem.nlp()  # compiles it; solve would do so too
    built = time.perf_counter()
    result = problem.solve(tol=TOLERANCE)
    seconds = built - begin, time.perf_counter() - built
    route = f"fastexpr.Problem + {result.solver}"
    return Answer(route, result.x.size, *seconds, result.iterations, result.objective, result[x])


def exact_scores(x: np.ndarray) -> np.ndarray:
    """The network's scores by ONNX Runtime, on a copy of the file in double precision: (images, 64) -> (images, 10)."""
    model = onnx.load(NETWORK)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.atleast_2d(x)})[0]


def violation(task: Task, x: np.ndarray, target: int) -> float:
    """Largest violation of the margins and of the pixels' range."""
    scores = exact_scores(x)[0]
    others = np.delete(scores, target)
    return float(max(0.0, *(others + MARGIN - scores[target]), *(task.lower - x), *(x - task.upper)))


def print_table(task: Task, answers: list[Answer], target: int) -> None:
    header = ("route", "variables", "build s", "solve s", "iterations", "objective", "violation")
    columns = f"{header[0]:<30}" + "".join(f"{title:>{max(len(title), 8) + 2}}" for title in header[1:])
    print(columns, "-" * len(columns), sep="\n")
    for answer in answers:
        numbers = f"{answer.variables:>11}{answer.build:>10.3f}{answer.solve:>10.3f}{answer.iterations:>12}"
        print(f"{answer.route:<30}{numbers}{answer.objective:>11.7f}{violation(task, answer.x, target):>11.1e}")


def save_picture(path: Path, task: Task, changed: np.ndarray, target: int) -> None:
    """Original, changed and difference side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    difference = changed - task.image
    chances = np.exp(exact_scores(np.stack([task.image, changed])))  # softmax of the scores
    chances /= chances.sum(axis=1, keepdims=True)
    largest = np.abs(difference).max()
    panels = [
        (f"original: read as {task.digit} ({100 * chances[0, task.digit]:.1f} %)", task.image, "gray_r", 0.0, 1.0),
        (f"changed: read as {target} ({100 * chances[1, target]:.1f} %)", changed, "gray_r", 0.0, 1.0),
        (f"difference, length {np.linalg.norm(difference):.2f}", difference, "RdBu_r", -largest, largest),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 4.2), layout="constrained")
    for axis, (title, pixels, colors, low, high) in zip(axes, panels, strict=True):
        shown = axis.imshow(pixels.reshape(8, 8), cmap=colors, vmin=low, vmax=high)
        axis.set(title=title, xticks=[], yticks=[])
        label = "ink" if low == 0.0 else "ink removed or added"
        figure.colorbar(shown, ax=axis, orientation="horizontal", shrink=0.9, pad=0.04, label=label)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def main(output: Path | None = None) -> list[Answer]:
    """Solves, prints the table, saves the picture; returns the answers."""
    the_task = task(IMAGE)
    print(
        f"The smallest change that turns a {the_task.digit} into a {TARGET}, by a margin of {MARGIN:g} in the scores\n"
    )
    routes: list[Callable[[Task, int], Answer]] = [in_process, external_function, direct]
    if importlib.util.find_spec("omlt") is not None:
        routes.append(omlt_full_space)
    answers = [route(the_task, TARGET) for route in routes]
    print_table(the_task, answers, TARGET)
    if omlt_full_space not in routes:
        print(f"{'OMLT full space':<30}  not installed: pip install omlt")
    spread = max(np.abs(answer.x - answers[0].x).max() for answer in answers)
    print(
        f"\nThe answers differ by at most {spread:.1e} in a pixel; violations are ONNX Runtime's, in double precision."
    )
    if output is not None:
        save_picture(output, the_task, answers[0].x, TARGET)
        print(f"Picture: {output}")
    return answers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("digits.png"), help="where the picture goes")
    main(parser.parse_args().output)
