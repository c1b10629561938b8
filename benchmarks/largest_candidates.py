"""The largest network's file, and what is done with it, each in a process of its own: see `benchmarks.largest`."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, memory
from benchmarks.derivative_candidates import MAKERS
from benchmarks.networks import Network, onnx_model, random_layers
from benchmarks.peers import Evaluator, fastexpr_derivatives
from benchmarks.processes import Laps

QUANTITIES = ["value", "gradient", "hessian"]
READ = 1 << 28  # bytes of a plain read: from memory
Answers = dict[str, NDArray[np.float64]]


def write(laps: Laps, folder: str, sizes: list[int]) -> dict[str, Any]:
    """As ONNX, layer by layer: weights lie one behind the other in a second file, larger than a message may be."""
    from onnx import TensorProto

    with data_path(folder).open("wb") as file:
        for layer in random_layers(sizes):
            for array in layer:
                array.tofile(file)
    place = 0

    def outside(array: NDArray[np.float32], name: str) -> Any:
        nonlocal place
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": data_path(folder).name, "offset": place, "length": array.nbytes}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
        place += array.nbytes
        return tensor

    model = onnx_model(read(folder, sizes), tensor=outside)
    (Path(folder) / "network.onnx").write_bytes(model.SerializeToString())
    laps("write")
    return {}


def data_path(folder: str) -> Path:
    return Path(folder) / "network.onnx.data"


def read(folder: str, sizes: list[int]) -> Network:
    """The network with its weights mapped into memory."""
    numbers = np.memmap(data_path(folder), np.float32, mode="r")
    layers, start = [], 0
    for k, h in pairwise(sizes):
        weights, start = numbers[start : start + h * k], start + h * k
        biases, start = numbers[start : start + h], start + h
        layers.append((weights.reshape(h, k), biases))
    return Network("largest", sizes, layers)


def convert(laps: Laps, folder: str) -> dict[str, Any]:
    """From ONNX to a file of ours."""
    import fastexpr as fx

    laps("import")
    net = fx.load_onnx(Path(folder) / "network.onnx", check=False)
    laps("load_onnx")
    net.save(Path(folder) / "network.fx")
    laps("save")
    return {"n_parameters": net.n_parameters, "peak": memory.read("VmHWM")}


def load_cold(laps: Laps, folder: str) -> dict[str, Any]:
    """With a file that is not in the page cache: only mapping it, then the first value, which reads it."""
    import fastexpr as fx

    path = Path(folder) / "network.fx"
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    laps("start")
    net = fx.load(path)
    laps("load")
    net(points(net.n_inputs, net.n_outputs)[0])
    laps("first value")
    return {}


def points(n: int, m: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and w."""
    random = np.random.default_rng(5)
    return random.uniform(-1, 1, n), random.uniform(-1, 1, m)


def evaluate_ours(laps: Laps, folder: str, sizes: list[int], rounds: int) -> dict[str, Any]:
    """Loading, memory of one evaluation of everything; then times beside the machine's limits, in turns."""
    import fastexpr as fx

    laps("import")
    net = fx.load(Path(folder) / "network.fx")
    laps("load")
    functions = fastexpr_derivatives(net)
    answers = first_calls(laps, functions, sizes)
    memories = {name: memory.read(name) for name in ("VmHWM", "RssFile", "RssAnon")}
    np.savez(Path(folder) / "fastexpr.npz", **answers)  # type: ignore[arg-type]
    file = np.memmap(Path(folder) / "network.fx", mode="r")
    weights = file[: file.size // 8 * 8].view(np.float64)  # all threads add up doubles, one adds up floats
    limits: dict[str, Callable[[], float]] = {
        "multiply": lambda: machine.multiply_rate(0.3, time.perf_counter),
        "read": lambda: machine.read_rate(READ, 0.3, time.perf_counter),
        "read mapped": lambda: (
            weights.nbytes / machine.fastest(lambda: np.dot(weights, weights), 0.3, time.perf_counter)
        ),
    }
    times, rates = in_rounds(functions, sizes, rounds, limits)
    return {"times": times, "rates": rates, "memory": memories}


def evaluate_peer(laps: Laps, name: str, folder: str, sizes: list[int], rounds: int, most: int) -> dict[str, Any]:
    """A peer, with the weights in double precision; more bytes than `most` are refused to it."""
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    functions = MAKERS[name](read(folder, sizes))
    laps("load")
    answers = first_calls(laps, functions, sizes)
    np.savez(Path(folder) / f"{name}.npz", **answers)  # type: ignore[arg-type]
    peak = memory.read("VmHWM")
    times, _ = in_rounds(functions, sizes, rounds, {})
    return {"times": times, "memory": {"VmHWM": peak}}


def first_calls(laps: Laps, functions: dict[str, Evaluator], sizes: list[int]) -> Answers:
    """Each quantity for the first time."""
    x, w = points(sizes[0], sizes[-1])
    laps("other")
    answers = {}
    for quantity in QUANTITIES:
        (answers[quantity],) = functions[quantity](x, w)
        laps(f"first {quantity}")
    return answers


def in_rounds(
    functions: dict[str, Evaluator], sizes: list[int], rounds: int, limits: dict[str, Callable[[], float]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of each quantity, and medians of the limits, measured between them."""
    x, w = points(sizes[0], sizes[-1])
    samples: dict[str, list[float]] = {quantity: [] for quantity in QUANTITIES}
    rates: dict[str, list[float]] = {name: [] for name in limits}
    for _ in range(rounds):
        time.sleep(machine.REST)
        for quantity in QUANTITIES:
            call = partial(functions[quantity], x, w)
            start = time.perf_counter()
            call()
            samples[quantity].append(time.perf_counter() - start)
        for name, measure in limits.items():
            rates[name].append(measure())
    return {name: median(found) for name, found in samples.items()}, {k: median(v) for k, v in rates.items()}
