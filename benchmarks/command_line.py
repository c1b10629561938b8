"""What can be asked for. Imports nothing that starts threads: the process is not pinned to its cores yet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

NETWORKS = ["S1", "S2", "S3", "S4", "S5", "S6"]
QUANTITIES = ["value", "jacobian", "hessian", "evaluate"]
PEERS = ["jax", "pytorch", "casadi", "casadi-c", "numpy"]
ARCHITECTURES = [
    *(f"{base}-{activation}" for base in ("S2", "S3") for activation in ("softplus", "silu", "gelu", "relu")),
    *("wide", "skip", "convolution"),
]
BATCHES = ["S2", "S3"]
MODELS = ["chain", "random"]
SOLVES = ["fastexpr", "pyomo", "jax", "casadi", "numpy", "omlt"]
CONTROLS = ["fastexpr", "pyomo", "jax", "omlt"]
KINKS = ["kinks ignored", "slsqp", "omlt"]
ANSWERS = [
    *("default", "expression", "high", "20 starts", "pyomo"),
    *("deflation", "mlsl", "omlt", "jax", "slsqp", "trust-constr"),  # the first two are POUNCE's find_minima
]
# What runs where no command is named.
USUAL = [
    *(
        "derivatives",
        "architectures",
        "batches",
        "models",
        "solves",
        "nmpc",
        "doors",
        "interfaces",
        "wide",
        "startup",
        "imports",
    ),
]
COMMANDS = [*USUAL, "threads", "largest", "rules", "kinks", "answers", "minima", "formulations", "bounds", "sequences"]
COMMANDS += ["many", "populations", "guards", "growth", "transformers"]
SHARED = ["threads", "clock", "quick", "output", "markdown"]  # options of every command


def parse(texts: list[str]) -> list[argparse.Namespace]:
    """One set of arguments for every command that is to run: the usual ones in turn where none is named."""
    parser = make_parser()
    if texts and (texts[0] in COMMANDS or texts[0] in ("-h", "--help")):
        return [checked(parser, parser.parse_args(texts))]
    first = parser.parse_args(["derivatives", *texts])
    shared = {name: getattr(first, name) for name in SHARED}
    others = [argparse.Namespace(**vars(parser.parse_args([command])) | shared) for command in USUAL[1:]]
    return [checked(parser, arguments) for arguments in [first, *others]]


def make_parser() -> argparse.ArgumentParser:
    """A parser with a sub-parser for each command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What fastexpr costs, beside others. Answers are compared first, then everybody is timed in the "
        f"same run. Without a command: {', '.join(USUAL)}, and the options are those of 'derivatives'.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_derivatives(commands)
    add_architectures(commands)
    add_batches(commands)
    add_models(commands)
    add_solves(commands)
    add_nmpc(commands)
    add_doors(commands)
    add_interfaces(commands)
    add_threads(commands)
    add_largest(commands)
    add_growth(commands)
    add_transformers(commands)
    add_wide(commands)
    add_startup(commands)
    add_imports(commands)
    add_rules(commands)
    add_formulations(commands)
    add_kinks(commands)
    add_answers(commands)
    add_minima(commands)
    add_bounds(commands)
    add_sequences(commands)
    add_many(commands)
    add_populations(commands)
    add_guards(commands)
    return parser


def add_command(commands: SubParsers, name: str, description: str) -> argparse.ArgumentParser:
    """A sub-parser with the options that all commands share."""
    parser = commands.add_parser(name, description=description, help=description)
    parser.add_argument("--threads", type=int, default=1, help="cores the whole process may use (default: 1)")
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: the time this process ran, for one thread on a machine that others use, too (default: wall)",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, a quarter of a second for a figure")
    parser.add_argument("--markdown", action="store_true", help="tables as the documentation has them")
    parser.add_argument(
        "--output", type=Path, help="folder for the figures as CSV, and as a picture where matplotlib is"
    )
    return parser


def add_derivatives(commands: SubParsers) -> None:
    parser = add_command(
        commands, "derivatives", "Value, Jacobian and Hessian of random tanh networks, and the machine's limits."
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="which ones (default: all)")
    parser.add_argument("--quantities", nargs="+", choices=QUANTITIES, default=QUANTITIES, help="what to compute")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="whom to compare with")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for one figure (default: 1)")


def add_architectures(commands: SubParsers) -> None:
    parser = add_command(
        commands, "architectures", "Other activations, more inputs than units, a skip, convolutions: beside JAX."
    )
    parser.add_argument(
        "--networks", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES, help="which ones (default: all)"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="time for one figure (default: 1)")


def add_batches(commands: SubParsers) -> None:
    parser = add_command(
        commands, "batches", "Value, Jacobian and Hessian at many points in one call, beside JAX and dgemm's rate."
    )
    parser.add_argument("--networks", nargs="+", choices=BATCHES, default=BATCHES, help="which ones (default: all)")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for one figure (default: 1)")


def add_models(commands: SubParsers) -> None:
    parser = add_command(
        commands, "models", "Large Pyomo models: compiling, memory, derivatives, a solve; Pyomo's writer and the ASL."
    )
    parser.add_argument("--kinds", nargs="+", choices=MODELS, default=MODELS, help="which models (default: all)")
    parser.add_argument("--sizes", nargs="+", type=int, default=[1_000, 10_000, 100_000], help="numbers of constraints")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for the figures of derivatives (default: 2)")
    parser.add_argument("--repeats", type=int, default=3, help="how often to write and compile (default: 3)")


def add_solves(commands: SubParsers) -> None:
    parser = add_command(
        commands, "solves", "The nearest point whose network outputs keep a limit, each in a process of its own."
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="which ones (default: all)")
    parser.add_argument("--candidates", nargs="+", choices=SOLVES, default=SOLVES, help="who solves (default: all)")
    parser.add_argument("--slow", action="store_true", help="what takes long, too: OMLT on S4, CasADi on S5 and S6")
    parser.add_argument("--repeats", type=int, default=3, help="processes for one figure (default: 3)")
    parser.add_argument("--limit", type=float, default=200.0, help="seconds after which one is stopped (default: 200)")


def add_nmpc(commands: SubParsers) -> None:
    parser = add_command(commands, "nmpc", "Predictive control with a network as the model of every step.")
    parser.add_argument("--candidates", nargs="+", choices=CONTROLS, default=CONTROLS, help="who solves (default: all)")
    parser.add_argument("--steps", type=int, default=40, help="length of the horizon, a multiple of 4 (default: 40)")
    parser.add_argument("--repeats", type=int, default=5, help="solves for one figure (default: 5)")
    parser.add_argument("--limit", type=float, default=200.0, help="seconds after which one is stopped (default: 200)")


def add_sequences(commands: SubParsers) -> None:
    parser = add_command(commands, "sequences", "A closed loop beside JAX, longer horizons, sweeps of prices.")
    parser.add_argument("--steps", type=int, default=40, help="length of the horizon, a multiple of 4 (default: 40)")
    parser.add_argument("--solves", type=int, default=100, help="plans of the closed loop (default: 100)")


def add_many(commands: SubParsers) -> None:
    parser = add_command(
        commands, "many", "Many solves: on a Dask cluster, where a worker is killed, beside one process."
    )
    parser.set_defaults(threads=2)
    parser.add_argument("--rows", type=int, default=1000, help="solves (default: 1000)")
    parser.add_argument("--workers", type=int, default=2, help="processes of the cluster (default: 2)")


def add_populations(commands: SubParsers) -> None:
    parser = add_command(commands, "populations", "SciPy's differential evolution by populations and point by point.")
    parser.add_argument("--popsize", type=int, default=15, help="members for each input (default: 15)")


def add_guards(commands: SubParsers) -> None:
    parser = add_command(commands, "guards", "How far answers of the set of problems are from data, with each guard.")
    parser.add_argument("--cases", nargs="*", default=[], help="only problems whose names have all these words")
    parser.add_argument("--wider", type=float, default=10.0, help="widths, in a second table (default: 10)")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for one problem (default: 20)")


def add_doors(commands: SubParsers) -> None:
    parser = add_command(
        commands, "doors", "One network in a Pyomo model: as an external function of POUNCE, and in process."
    )
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[10, 25, 50, 100, 200, 400], help="numbers of the network's inputs"
    )
    parser.add_argument("--repeats", type=int, default=5, help="solves for one figure (default: 5)")


def add_interfaces(commands: SubParsers) -> None:
    parser = add_command(
        commands, "interfaces", "One network through C, exported C, CasADi, JAX and PyTorch, beside the call in Python."
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["S1", "S2", "S6"], help="which ones")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for one figure (default: 1)")


def add_wide(commands: SubParsers) -> None:
    parser = add_command(
        commands, "wide", "Models with wide networks or dense terms: compiling; J and H beside one evaluation."
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[600, 1_200, 2_400], help="numbers of variables")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS[:4], help="of J and H")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for one figure (default: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="how often to compile (default: 3)")


def add_threads(commands: SubParsers) -> None:
    parser = add_command(
        commands, "threads", "Several threads beside one, and beside a process that keeps a core busy."
    )
    parser.set_defaults(threads=2)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="which ones (default: all)")
    parser.add_argument(
        "--quantities",
        nargs="+",
        choices=QUANTITIES,
        default=QUANTITIES[:3],
        help="what to compute (default: all but the last)",
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="time for one figure (default: 1)")


def add_startup(commands: SubParsers) -> None:
    parser = add_command(commands, "startup", "From the import to the first Hessian, in fresh processes.")
    parser.add_argument("--repeats", type=int, default=11, help="processes for one figure (default: 11)")


def add_imports(commands: SubParsers) -> None:
    parser = add_command(commands, "imports", "Reading ONNX files, with the check, beside a session of ONNX Runtime.")
    parser.add_argument("--repeats", type=int, default=4, help="half of the calls for one figure (default: 4)")
    parser.add_argument("--every", type=int, default=5, help="of ONNX's tests, time every so many (default: 5)")
    parser.add_argument("--megabytes", type=int, default=300, help="of weights beside a file (default: 300)")


def add_largest(commands: SubParsers) -> None:
    parser = add_command(commands, "largest", "A network of 592,768,037 parameters: 5 GB of disk, 6 GB of memory.")
    parser.set_defaults(threads=2)
    parser.add_argument("--folder", type=Path, help="where its files are, or are to stay (default: a temporary one)")
    parser.add_argument("--width", type=int, default=4000, help="units of a layer (default: 4000)")
    parser.add_argument("--layers", type=int, default=38, help="number of hidden layers (default: 38)")
    parser.add_argument(
        "--peers", nargs="*", choices=["jax", "numpy"], default=["jax", "numpy"], help="whom to compare with"
    )
    parser.add_argument("--rounds", type=int, default=5, help="calls for one figure (default: 5)")
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds after which a process is stopped (default: 300)"
    )


def add_growth(commands: SubParsers) -> None:
    parser = add_command(
        commands, "growth", "How cost grows with width, depth, inputs, outputs, points, threads, horizon, model size."
    )
    parser.set_defaults(threads=2)
    parser.add_argument("--seconds", type=float, default=0.3, help="time for one figure (default: 0.3)")


def add_transformers(commands: SubParsers) -> None:
    parser = add_command(
        commands, "transformers", "Blocks of transformers: value, and products with derivatives, beside JAX."
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="time for one figure (default: 0.5)")


def add_rules(commands: SubParsers) -> None:
    parser = add_command(commands, "rules", "Boolean rules on tables: accuracy, complexity, time, and what is proved.")
    parser.add_argument("--data", type=Path, required=True, help="folder of CSV files, the class in the last column")
    parser.add_argument("--tables", nargs="*", help="which of them, by name (default: all)")


def add_minima(commands: SubParsers) -> None:
    parser = add_command(
        commands, "minima", "Global minima of trained surrogates from random starts, by the form of the problem."
    )
    parser.add_argument("--starts", type=int, default=40, help="of each surrogate (default: 40)")
    parser.add_argument("--training", type=int, default=400, help="iterations (default: 400)")


def add_formulations(commands: SubParsers) -> None:
    parser = add_command(
        commands,
        "formulations",
        "Networks and trees as mixed-integer programs, beside OMLT, gurobi-ml and PySCIPOpt-ML.",
    )
    parts = ["building", "robustness", "choices", "trees"]
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts, help="which tables (default: all)")
    parser.add_argument("--eps", type=float, default=0.02, help="size of the boxes around images (default: 0.02)")
    parser.add_argument("--limit", type=float, default=25.0, help="seconds for one solve by HiGHS (default: 25)")


def add_kinks(commands: SubParsers) -> None:
    parser = add_command(
        commands, "kinks", "Problems with ReLUs, max, abs: what is solved, in what time, whether claims are true."
    )
    parts = ["surrogate", "set", "judge"]
    parser.add_argument(
        "--parts", nargs="+", choices=[*parts, "hunt"], default=parts, help="which ones (default: all but the hunt)"
    )
    parser.add_argument("--peers", nargs="*", choices=KINKS, default=KINKS, help="whom to compare with on the set")
    parser.add_argument("--cases", nargs="*", default=[], help="only problems whose names have all these words")
    parser.add_argument("--walks", type=int, default=20, help="from points nearby, that check a claim (default: 20)")
    parser.add_argument("--families", nargs="*", default=[], help="of random problems, for the hunt (default: all)")
    parser.add_argument("--seeds", nargs=2, type=int, default=[0, 200], help="from, and up to (default: 0 200)")


def add_bounds(commands: SubParsers) -> None:
    parser = add_command(
        commands, "bounds", "Linear bounds over boxes and certified minima, beside NumPy, SciPy and HiGHS."
    )
    parser.add_argument("--limit", type=float, default=30.0, help="seconds for one minimum (default: 30)")


def add_answers(commands: SubParsers) -> None:
    parser = add_command(
        commands, "answers", "A set of problems with networks: who solves how many, finds the best, and in what time."
    )
    parser.add_argument(
        "--halves",
        nargs="+",
        choices=["tuned", "unseen", "further"],
        default=["tuned", "unseen"],
        help='of the set, or "further" problems of other kinds (default: both halves)',
    )
    parser.add_argument("--candidates", nargs="+", choices=ANSWERS, default=ANSWERS, help="who solves (default: all)")
    parser.add_argument("--cases", nargs="*", default=[], help="only problems whose names have all these words")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one problem (default: 60)")
    parser.add_argument("--best", type=int, metavar="N", help="look for better best values, from N starts; no table")


def checked(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> argparse.Namespace:
    """The arguments, smaller where --quick is; ends the program where they contradict each other."""
    if arguments.quick:
        make_quick(arguments)
    if arguments.threads < 1:
        parser.error(f"--threads must be at least 1: got {arguments.threads}")
    if arguments.clock == "cpu" and arguments.threads > 1:
        parser.error("--clock cpu adds up the time of all threads: it makes sense with --threads 1 only")
    if arguments.command == "threads" and arguments.threads == 1:
        parser.error("--threads 1: there would be nothing to compare")
    if arguments.command in ("nmpc", "sequences") and (arguments.steps < 4 or arguments.steps % 4):
        parser.error(f"--steps must be a multiple of 4: got {arguments.steps}")
    return arguments


def make_quick(arguments: argparse.Namespace) -> None:
    """What is done in seconds."""
    if "seconds" in arguments:
        arguments.seconds = min(arguments.seconds, 0.25)
    if arguments.command in ("derivatives", "threads"):
        arguments.networks = [name for name in arguments.networks if name <= "S4"]
    elif arguments.command in ("architectures", "batches"):
        arguments.networks = [name for name in arguments.networks if not name.startswith("S3")]
    elif arguments.command == "models":
        arguments.sizes = [size for size in arguments.sizes if size <= 10_000]
    elif arguments.command == "solves":
        arguments.networks = [name for name in arguments.networks if name <= "S2"]
        arguments.repeats = 1
    elif arguments.command == "largest":
        arguments.width = min(arguments.width, 400)
    elif arguments.command == "formulations":
        arguments.limit = min(arguments.limit, 5.0)
    elif arguments.command in ("growth", "transformers", "rules", "bounds", "sequences", "populations"):
        return
    elif arguments.command == "kinks":
        arguments.walks = min(arguments.walks, 3)
    elif arguments.command == "many":
        arguments.rows = min(arguments.rows, 60)
    elif arguments.command == "guards":
        arguments.cases = arguments.cases or ["minimum"]
    elif arguments.command == "minima":
        arguments.starts, arguments.training = 8, 100
    elif arguments.command == "answers":
        arguments.halves, arguments.limit = ["tuned"], 20.0
    elif arguments.command == "wide":
        arguments.sizes, arguments.networks = [size for size in arguments.sizes if size <= 600], ["S1", "S2"]
    elif arguments.command in ("startup", "imports"):
        arguments.repeats = min(arguments.repeats, 3)
    elif arguments.command == "nmpc":
        arguments.steps, arguments.repeats = min(arguments.steps, 16), 2
    else:
        arguments.sizes, arguments.repeats = [size for size in arguments.sizes if size <= 100], 2
