"""The life of an interpreter: how functions are made and copied, threads, forks, signals, and the end of the process.

Every case runs in a process of its own, so that a crash or a hang is a failure of one test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from new_processes import PRELUDE, run

import fastexpr as fx

# ---- objects

SUBCLASSES = """
class Net(fx.Function):
    "Nothing of its own."

class Named(fx.Function):
    def __new__(cls, *arguments, **named):
        self = super().__new__(cls)
        self.made = "by __new__"
        return self
    def __init__(self, name):
        super().__init__(x, np.exp(x).sum())
        self.name = name

class Loaded(fx.Function):
    def __init__(self, function):
        super().__init__(function)
    def twice(self, point):
        return 2 * self(point)

class Slotted(fx.Function):
    __slots__ = ("unit",)

class Derived(Named):
    __call__ = lambda self, point: -super().__call__(point)

class Stated(Net):
    def __getstate__(self):
        return {"kept": self.kept}
    def __setstate__(self, state):
        self.kept, self.restored = state["kept"], True

plain = Net(x, net(x))
plain.tags = ["a"]
slotted = Slotted(net)
slotted.unit = "m"
stated = Stated(net)
stated.kept, stated.dropped = 1, 2
objects = [plain, Named("exp"), Loaded(net), slotted, Derived("minus"), stated]
"""


def test_subclasses() -> None:
    run(
        SUBCLASSES
        + """
for made in objects:
    again = [pickle.loads(pickle.dumps(made, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for other in [*again, copy.copy(made), copy.deepcopy(made)]:
        assert type(other) is type(made) and other is not made
        assert np.array_equal(other(point), made(point))
        assert np.array_equal(other.jacobian(point), made.jacobian(point))
        if not isinstance(made, (Stated, Slotted)):
            assert other.__dict__ == made.__dict__, other.__dict__
assert copy.copy(plain).tags is plain.tags and copy.deepcopy(plain).tags is not plain.tags
assert pickle.loads(pickle.dumps(slotted)).unit == copy.copy(slotted).unit == "m"
for other in (pickle.loads(pickle.dumps(stated)), copy.copy(stated)):
    assert other.kept == 1 and other.restored and not hasattr(other, "dropped")
assert Loaded(net).twice(point).tolist() == (2 * net(point)).tolist()
assert type(plain.with_names(["a", "b", "c"])) is fx.Function
assert isinstance(plain, fx.Function) and fx.Function(x[:], plain(x))(point).shape == (2,)
assert plain.check_derivatives(point)
"""
    )


def test_subclasses_are_saved_and_solved() -> None:
    run(
        SUBCLASSES
        + """
import tempfile
path = tempfile.mkdtemp() + "/net.fx"
for made in objects:
    made.save(path)
    assert type(fx.load(path)) is fx.Function and made.n_inputs == 3
p = fx.Problem()
v = p.variables(3, -1, 1)
p.minimize((Named("exp")(v) ** 2).sum())
assert p.solve(solver="cyipopt").success
"""
    )


def test_an_object_whose_init_has_not_run_is_refused_wherever_it_goes() -> None:
    run(
        """
class Early(fx.Function):
    def __init__(self):
        self(point)
class Forgetful(fx.Function):
    def __init__(self):
        pass
class Op(_core.Operator):
    pass
class Program(_core.NlpFunctions):
    pass
empty, op, program = fx.Function.__new__(Early), _core.Operator.__new__(Op), _core.NlpFunctions.__new__(Program)
signature = [[("x", (3,))], [("y", (3,))], list("abc"), list("abc")]
calls = [Early, Forgetful, fx.Function, lambda: fx.Function.__new__(fx.Function), lambda: object.__new__(fx.Function)]
calls += [lambda: _core.Operator.__new__(_core.Operator), lambda: object.__new__(_core.Operator), _core.Operator]
calls += [lambda: _core.NlpFunctions.__new__(_core.NlpFunctions), _core.NlpFunctions, lambda: fx.Function.__new__(int)]
calls += [lambda: fx.Function.__new__(3), lambda: fx.Function.__new__()]
calls += [lambda: empty(point), lambda: repr(empty), lambda: empty.n_inputs, lambda: empty.hessian(point)]
calls += [lambda: empty.save("never"), lambda: pickle.dumps(empty), lambda: copy.copy(empty)]
calls += [lambda: empty(x), lambda: fx.Function(empty)]
calls += [lambda: op.name, lambda: repr(op), lambda: fx.Function._from_nodes(3, [(op, [0], "")], [1], *signature)]
calls += [lambda: program.objective(point), lambda: program.n_rows, lambda: program.jacobian_structure()]
calls += [lambda: _core.content_hash(empty), lambda: _core.to_bytes(empty), lambda: empty.output_bounds(0, 1)]
for call in calls:
    try:
        call()
    except TypeError as error:
        assert str(error)
    else:
        raise SystemExit("not refused: " + repr(call))
# An object that was empty can still be filled.
fx.Function.__init__(empty, net)
assert np.array_equal(empty(point), net(point))
"""
    )


def test_copies_and_weak_references() -> None:
    run(
        """
assert copy.copy(net) is net and copy.deepcopy([net])[0] is net
reference = weakref.ref(net)
table = weakref.WeakValueDictionary(net=net)
del net
gc.collect()
assert reference() is None and not table
class Net(fx.Function):
    pass
circular = Net(x, x[0])
circular.itself = circular
reference = weakref.ref(circular)
assert copy.deepcopy(circular)(point).tolist() == [0.1]
del circular
gc.collect()
assert reference() is None
"""
    )


# ---- interpreters and imports

SUBINTERPRETER = """
import sys
script = '''
try:
    import fastexpr
except ImportError as error:
    print(error)
'''
if sys.version_info >= (3, 13):
    import _interpreters
    _interpreters.run_string(_interpreters.create("legacy"), script)
    assert _interpreters.run_string(_interpreters.create("isolated"), script) is None
else:
    import _xxsubinterpreters
    for _ in range(2):
        _xxsubinterpreters.run_string(_xxsubinterpreters.create(), script)
"""


@pytest.mark.parametrize("before", ["", PRELUDE], ids=["alone", "beside the main one"])
def test_a_subinterpreter_is_refused(before: str) -> None:
    said = run(SUBINTERPRETER, prelude=before).splitlines()
    assert len(said) == 2
    for line in said:
        assert "subinterpreter" in line


def test_free_threaded_python_without_the_lock_is_refused() -> None:
    said = run(
        """
import sys
sys._is_gil_enabled = lambda: False
try:
    import fastexpr
except ImportError as error:
    print(error)
""",
        prelude="",
    )
    assert "free-threaded" in said
    assert "PYTHON_GIL" in said


@pytest.mark.parametrize("options", [["-O"], ["-OO"], ["-X", "dev"], ["-X", "faulthandler"], ["-B"], ["-s", "-E"]])
def test_options_of_python(options: list[str]) -> None:
    run(
        """
assert not fx.Function(x, x[0]) is None
if net.evaluate(point, np.ones(2))[2].shape != (3, 3) or pickle.loads(pickle.dumps(net))(point).shape != (2,):
    raise SystemExit("wrong")
try:
    net([1.0])
except fx.errors.ShapeError:
    pass
else:
    raise SystemExit("accepted")
p = fx.Problem()
v = p.variables(3, -1, 1)
p.minimize((v**2).sum())
if not p.solve(solver="cyipopt").success:
    raise SystemExit("not solved")
""",
        *options,
    ) if "-E" not in options else run(
        "import fastexpr", *options, prelude=f"import sys; sys.path.insert(0, {str(Path(fx.__file__).parents[1])!r})\n"
    )


def test_importing_again() -> None:
    run(
        """
import importlib
importlib.reload(fx)
importlib.reload(sys.modules["fastexpr.function"])
before, old = net(point), net
for name in [name for name in sys.modules if name.split(".")[0] == "fastexpr"]:
    del sys.modules[name]
import fastexpr as again
y = again.variables(3)
assert isinstance(old, again.Function)
assert np.array_equal(again.Function(y, old(y))(point), before)
assert np.array_equal(pickle.loads(pickle.dumps(old))(point), before)
try:
    old([1.0])
except again.errors.ShapeError:
    pass
"""
    )


def test_threads_that_import_at_once() -> None:
    run(
        """
import threading
found, start = [], threading.Barrier(8)
def work():
    start.wait()
    import fastexpr as fx
    x = fx.variables(2)
    found.append(fx.Function(x, x[0] * x[1])([2.0, 3.0])[0])
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert found == [6.0] * 8
""",
        prelude="",
    )


# ---- threads that Python does not wait for

ENDLESS = """
import tempfile
folder = tempfile.mkdtemp()
net.save(folder + "/net.fx")
rng = np.random.default_rng(0)
z = fx.variables(40)
deep = fx.Function(z, np.tanh(rng.normal(size=(200, 200)) / 14 @ np.tanh(rng.normal(size=(200, 40)) / 6 @ z)))
X, w = rng.normal(size=(64, 40)), np.ones(200)
calls = {
    "value": lambda: deep(X),
    "hessian": lambda: deep.hessian(X, w),
    "vjp": lambda: deep.vjp(X, w),
    "sparse": lambda: deep.jacobian(X[0], sparse=True),
    "expression": lambda: fx.Function(z, deep(z)),
    "list": lambda: net([0.1, 0.2, 0.3]),
    "refused": lambda: refused(),
    "load": lambda: fx.load(folder + "/net.fx"),
    "save": lambda: net.save(folder + f"/{threading.get_ident()}.fx"),
    "pickle": lambda: pickle.loads(pickle.dumps(deep)),
    "external": lambda: program.jacobian(point),
}
def refused():
    try:
        net([1.0])
    except fx.errors.ShapeError:
        pass
class Scaled:
    "An external function in Python: every evaluation takes and gives back the lock."
    n_inputs, n_outputs = 3, 1
    def evaluate(self, x, order):
        for _ in range(200):
            pass
        return (x[:1] ** 3, np.array([[3 * x[0] ** 2, 0, 0]]), np.zeros((1, 3, 3)))[: order + 1]
CODES = _core.tape_opcodes()
program = _core.NlpFunctions(
    np.array([CODES["call"], CODES["output"], CODES["exp"]], np.uint8), np.array([4, 2, 1], np.int32),
    np.array([0, 1, 5, 9, 0, 0, 4], np.int32), np.zeros(0), 3, 0, 8, np.array([4, 8], np.int32), [Scaled()],
)
"""


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(
    "call", ["value", "hessian", "vjp", "sparse", "expression", "list", "refused", "load", "save", "pickle", "external"]
)
def test_the_process_ends_while_daemon_threads_evaluate(call: str, threads: str) -> None:
    run(
        ENDLESS
        + f"""
begun = threading.Semaphore(0)
def work():
    while True:
        calls[{call!r}]()
        begun.release()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
for _ in range(12):
    begun.acquire()
print("end")
""",
        FASTEXPR_NUM_THREADS=threads,
    )


def test_the_process_ends_while_objects_are_left_over() -> None:
    said = run(
        """
import atexit
class Last:
    def __del__(self, net=net, point=point):
        print("deleted", net(point).shape)
atexit.register(lambda: print("exit", net.hessian(point, np.ones(2)).shape))
_last = Last()
threading.local().net = net
worker = threading.Thread(target=lambda: [net.hessian(np.ones((64, 3)), np.ones(2)) for _ in range(300)])
worker.start()
"""
    )
    assert said.splitlines() == ["exit (3, 3)", "deleted (2,)"]


# ---- processes made from this one

POOLS = """
import concurrent.futures, multiprocessing
def squares(count):
    return np.square(net(np.ones((count, 3)))).sum()
def ask(function):
    return function(np.ones(3)).tolist()
def work(method):
    wide = fx.Function(z := fx.variables(400), np.tanh(np.ones((400, 400)) / 400 @ z))
    expected = wide(np.ones(400)), wide.hessian(np.ones(400), np.ones(400))  # the pool has threads
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map(ask, [net] * 5) == [ask(net)] * 5
        for value in pool.map(wide, [np.ones(400)] * 4):
            assert np.array_equal(value, expected[0])
        for hessian in pool.starmap(wide.hessian, [(np.ones(400), np.ones(400))] * 2):
            assert np.array_equal(hessian, expected[1])
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(ask, [net] * 5)) == [ask(net)] * 5
    print("right")
"""


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes(tmp_path: Path, method: str, threads: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(PRELUDE + POOLS + f"if __name__ == '__main__':\n    work({method!r})\n")
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1]), "FASTEXPR_NUM_THREADS": threads}
    command = [sys.executable, "-W", "ignore:.*fork:DeprecationWarning", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "right\n", "")


def test_forks_while_threads_evaluate() -> None:
    run(
        """
fx.set_num_threads(2)
wide = fx.Function(z := fx.variables(300), np.tanh(np.ones((900, 300)) / 300 @ z))
X = np.ones((200, 300))
expected, stop = wide(X), threading.Event()
def work():
    while not stop.is_set():
        assert np.array_equal(wide(X), expected)
        wide.hessian(X[0], np.ones(900))
threads = [threading.Thread(target=work) for _ in range(2)]
[thread.start() for thread in threads]
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(wide(X), expected) and wide.hessian(X[0], np.ones(900)).shape == (300, 300) else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
[thread.join() for thread in threads]
"""
    )


# ---- Ctrl-C

LONG = """
import tempfile
folder = tempfile.mkdtemp()
rng = np.random.default_rng(0)
def layers(*sizes):
    y = z = fx.variables(sizes[0])
    for a, b in zip(sizes, sizes[1:]):
        y = np.tanh(rng.normal(size=(b, a)) / np.sqrt(a) @ y)
    return fx.Function(z, y)
def endless():  # each call would take minutes, at least
    deep = layers(10, 900, 900, 900, 3)
    X, w = np.broadcast_to(rng.normal(size=(1, 10)), (2_000_000, 10)), np.ones(3)
    wide = layers(4000, 4000, 4000, 4000, 2)
    x, v = rng.normal(size=4000), np.ones(2)
    return {
        "value": lambda: deep(X),
        "jacobian": lambda: deep.jacobian(X),
        "hessian": lambda: deep.hessian(X[:500_000], w),
        "evaluate": lambda: deep.evaluate(X[:500_000], w),
        "gradient": lambda: layers(10, 900, 900, 900, 1).gradient(X),
        "jvp": lambda: deep.jvp(X, X[0]),
        "vjp": lambda: deep.vjp(X, w),
        "hvp": lambda: deep.hvp(X, w, X[0]),
        "one point": lambda: [wide.hessian(x, v) for _ in range(50)],
        "sparse": lambda: [wide.hessian(x, v, sparse=True) for _ in range(50)],
        "bounds": lambda: [wide.output_bounds(-1, 1) for _ in range(5000)],
    }
"""


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(
    "call",
    ["value", "jacobian", "hessian", "evaluate", "gradient", "jvp", "vjp", "hvp", "one point", "sparse", "bounds"],
)
def test_ctrl_c_ends_a_long_call(call: str, threads: str) -> None:
    """Without it the process would run past its time limit."""
    run(
        LONG
        + f"""
long = endless()[{call!r}]
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    long()
except KeyboardInterrupt:
    pass
else:
    raise SystemExit("not interrupted")
np.testing.assert_allclose(net(np.stack([point] * 200))[7], net(point), rtol=1e-14)
assert net.hessian(np.stack([point] * 200), np.ones(2)).shape == (200, 3, 3)
""",
        FASTEXPR_NUM_THREADS=threads,
    )


def test_a_signal_handler_that_raises_nothing_changes_nothing() -> None:
    run(
        LONG
        + """
deep = layers(10, 300, 300, 3)
X = rng.normal(size=(20_000, 10))
seen, inside = [], []
def handle(number, frame):
    seen.append(number)
    inside.append(deep(X[0]))  # an evaluation within an evaluation
signal.signal(signal.SIGALRM, handle)
expected = deep(X)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
while len(seen) < 10:
    assert np.array_equal(deep(X), expected)
signal.setitimer(signal.ITIMER_REAL, 0)
assert all(np.array_equal(value, inside[0]) for value in inside)
"""
    )


def test_ctrl_c_while_a_file_is_written_or_read_leaves_everything_whole() -> None:
    run(
        LONG
        + """
net.save(folder + "/old.fx")
n = 100_000
signature = [[("x", (3,))], [("y", (3,))], list("abc"), list("abc")]
long = fx.Function._from_nodes(3, [(_core.Operator("Abs", [(3,)]), [k], "") for k in range(n)], [n], *signature)
path = folder + "/net.fx"
long.save(path)
data = _core.to_bytes(long)
made = []
class Stop(Exception):
    pass
def handle(number, frame):
    raise Stop
signal.signal(signal.SIGALRM, handle)
def interrupted(action, is_done):
    "Tries with longer and longer times until the signal comes while the action is under way."
    for k in range(60):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.01 * (1 + k % 30))
            action()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop:
            if not is_done():
                return
    raise SystemExit("never interrupted")
os.remove(path)
interrupted(lambda: long.save(path), lambda: os.path.exists(path) and (os.remove(path) or True))
assert os.listdir(folder) == ["old.fx"]
long.save(path)
interrupted(lambda: made.append(_core.to_bytes(long)), lambda: made and (made.clear() or True))
interrupted(lambda: made.append(fx.load(path, verify=True)), lambda: made and (made.clear() or True))
interrupted(lambda: made.append(_core.from_bytes(data)), lambda: made and (made.clear() or True))
assert fx.load(path, verify=True)(-point).tolist() == np.abs(point).tolist()
"""
    )
