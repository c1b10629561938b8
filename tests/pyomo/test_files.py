"""Where the networks' files and the AMPL library are, and what solvers are told of them."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from folders import ROOT
from networks import model_with_external_network, network
from pyomo.core.base.external import AMPLExternalFunction

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import FileError, NotFoundError
from fastexpr.pyomo.external import function
from fastexpr.pyomo.external import network as external
from fastexpr.pyomo.external.files import cache_directory, library_path

X = np.array([0.1, -0.2, 0.3])


@pytest.fixture(scope="module")
def net() -> fx.Function:
    return network(3, 2)


@pytest.fixture
def m(net: fx.Function) -> pyo.ConcreteModel:
    return model_with_external_network(net, X)


def test_the_file_is_named_by_content_in_a_plain_place(m: pyo.ConcreteModel, tmp_path: Path) -> None:
    assert Path(m.net.path).parent == cache_directory()
    assert m.net.path.isascii()
    assert " " not in m.net.path
    same, other = fxp.ExternalNetwork(network(3, 2)), fxp.ExternalNetwork(network(3, 2, seed=3))
    assert same.path == m.net.path != other.path


def test_a_missing_file_is_written_again(m: pyo.ConcreteModel, net: fx.Function, tmp_path: Path) -> None:
    m.c = pyo.Constraint(expr=m.y >= 0)
    m.o = pyo.Objective(expr=m.x[0])
    m.write(str(tmp_path / "model.nl"))
    for model in (m, m.clone(), pickle.loads(pickle.dumps(m))):
        Path(m.net.path).unlink()
        model.write(str(tmp_path / "model.nl"))
        assert fx.load(m.net.path)(X) == pytest.approx(net(X), rel=1e-15)


def test_a_damaged_file_is_written_again(m: pyo.ConcreteModel, net: fx.Function, tmp_path: Path) -> None:
    m.o = pyo.Objective(expr=m.y)
    m.write(str(tmp_path / "model.nl"))
    file = Path(m.net.path)
    file.write_bytes(file.read_bytes()[:100])
    m.write(str(tmp_path / "model.nl"))
    assert fx.load(file)(X) == pytest.approx(net(X), rel=1e-15)


def test_a_path_of_the_user_s_own(net: fx.Function, tmp_path: Path) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3))
    m.net = fxp.ExternalNetwork(net, path=tmp_path / "kept.fx")
    m.o = pyo.Objective(expr=m.net(m.x)[0])
    m.write(str(tmp_path / "model.nl"))
    assert str(tmp_path / "kept.fx") in (tmp_path / "model.nl").read_text()
    assert fx.load(tmp_path / "kept.fx")(X) == pytest.approx(net(X), rel=1e-15)
    m.net.update(network(3, 2, seed=4))
    assert fx.load(tmp_path / "kept.fx")(X) == pytest.approx(net(X), rel=1e-15)  # clones still read it
    with pytest.raises(FileError, match="without blanks"):
        fxp.ExternalNetwork(net, path=tmp_path / "two words.fx")
    with pytest.raises(FileError, match="ASCII"):
        fxp.ExternalNetwork(net, path=tmp_path / "größe.fx")


def test_a_vanished_path_of_the_user_s_own_that_cannot_be_written_again(net: fx.Function, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3))
    m.net = fxp.ExternalNetwork(net, path=folder / "net.fx")
    m.o = pyo.Objective(expr=m.net(m.x)[0])
    shutil.rmtree(folder)
    folder.write_text("now a file")
    with pytest.raises(FileError, match="is gone and cannot be written again"):
        m.write(str(tmp_path / "model.nl"))


def test_on_another_machine_the_file_moves_to_its_cache_folder(
    m: pyo.ConcreteModel, net: fx.Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of before cannot be made there: the library finds the file by its name."""
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path / "before"))
    m.moving = fxp.ExternalNetwork(network(3, 2, seed=11))
    y = m.moving(m.x)[0]
    shutil.rmtree(tmp_path / "before")
    (tmp_path / "before").write_text("no folder can be made here")
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path / "here"))
    expected = network(3, 2, seed=11)(X)[0]
    function, arguments = y.expr._fcn, [pyo.value(argument) for argument in y.expr.args]
    value, _, _ = AMPLExternalFunction._evaluate(function, arguments, None, 0)
    assert value == pytest.approx(expected, rel=1e-14)
    assert (tmp_path / "here" / Path(m.moving.path).name).exists()


def test_a_cache_folder_with_a_blank_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTEXPR_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two words"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home" / ".cache" / "fastexpr"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "plain"))
    assert cache_directory() == tmp_path / "plain" / "fastexpr"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "größe"))
    monkeypatch.setenv("HOME", str(tmp_path / "a home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_directory() == tmp_path / f"fastexpr-{os.getuid()}"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("two words", "blank or a character outside ASCII"),
        ("größe", "blank or a character outside ASCII"),
        ("link", "is a symbolic link"),
        ("dangling", "is a symbolic link"),
        ("file", "is no folder"),
        ("file/below", "cannot be made"),
        ("group", "may be written to by others"),
        ("everybody", "may be written to by others"),
    ],
)
def test_a_cache_folder_that_will_not_do_is_told(
    place: str, message: str, net: fx.Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").write_text("")
    for name, mode in (("group", 0o770), ("everybody", 0o707)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path / place))
    for use in (cache_directory, lambda: fxp.ExternalNetwork(net)):
        with pytest.raises(FileError, match=f"FASTEXPR_CACHE_DIR is .*{message}.*What to do"):
            use()


def test_a_relative_cache_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", "cache")
    with pytest.raises(FileError, match="is relative"):
        cache_directory()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", "")  # as if it were not set
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "fastexpr"


UNWRITABLE = """
import os, sys
from fastexpr.errors import FileError
from fastexpr.pyomo.external.files import cache_directory
if os.geteuid() == 0:  # nothing is forbidden to root
    os.chown(sys.argv[1], 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
try:
    cache_directory()
except FileError as error:
    print(error)
"""


def test_a_cache_folder_that_may_not_be_written_to() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        Path(folder).chmod(0o555)
        environment = {**os.environ, "FASTEXPR_CACHE_DIR": folder, "PYTHONPATH": str(Path(fx.__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "-c", UNWRITABLE, folder], env=environment, capture_output=True, text=True, check=True
        )
        assert "may not be written to" in done.stdout


NO_ROOM = """
import resource, sys
import numpy as np, pyomo.environ as pyo
import fastexpr as fx, fastexpr.pyomo as fxp
from fastexpr.errors import FileError
x = fx.variables(3)
m = pyo.ConcreteModel()
m.x = pyo.Var(range(3), initialize=0.1)
m.net = fxp.ExternalNetwork(fx.Function(x, np.random.default_rng(0).normal(size=(100, 3)) @ x))
m.o = pyo.Objective(expr=m.net(m.x)[0])
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited))  # as if the disk had no more room
try:
    m.write(sys.argv[1])
except FileError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
m.write(sys.argv[1])
"""


def test_a_cache_folder_without_room(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    environment = {
        **os.environ,
        "FASTEXPR_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(Path(fx.__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path / "model.nl")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
    assert "FASTEXPR_CACHE_DIR" in done.stdout
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".fx"]


def test_a_package_in_a_path_with_a_blank(tmp_path: Path) -> None:
    """The library is copied to a plain place, with what it needs; a solver's process loads it from there."""
    package = tmp_path / "a folder with blanks" / "fastexpr"
    shutil.copytree(
        ROOT / "fastexpr" if (ROOT / "fastexpr" / "__init__.py").exists() else Path(fx.__file__).parent, package
    )
    script = (
        "import fastexpr as fx, fastexpr.pyomo as fxp, numpy as np, pyomo.environ as pyo, pickle, sys\n"
        f"assert {str(package)!r} in fx.__file__\n"
        "from fastexpr.pyomo.external.files import library_path\n"
        "from pyomo.core.base.external import AMPLExternalFunction\n"
        "path = library_path()\n"
        "assert ' ' not in path and path.isascii()\n"
        "x = fx.variables(2)\n"
        "m = pyo.ConcreteModel()\n"
        "m.x = pyo.Var([0, 1], initialize=0.5)\n"
        "m.net = fxp.ExternalNetwork(fx.Function(x, np.tanh(x[0]) + x[1]))\n"
        "call = m.net(m.x)[0].expr\n"
        "arguments = [pyo.value(argument) for argument in call.args]\n"
        "value, _, _ = AMPLExternalFunction._evaluate(call._fcn, arguments, None, 0)\n"
        "assert abs(value - np.tanh(0.5) - 0.5) < 1e-15\n"
        "assert call._fcn._library == path == call._fcn._so._name\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "FASTEXPR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch, net: fx.Function, tmp_path: Path) -> None:
    monkeypatch.setattr("fastexpr.pyomo.external.files._PACKAGE", tmp_path)
    with pytest.raises(FileError, match=r"The AMPL library is missing.*pip install"):
        fxp.ExternalNetwork(net)


def test_of_wide_networks_one_is_warned_when_an_ampl_solver_gets_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(function, "_has_warned", False)
    x = fx.variables(201)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(fx.Function(x, np.tanh(x).sum()))
    m.o = pyo.Objective(expr=m.nn.outputs[0])
    assert pyo.value(m.nn.network.calls[0, "y"]) == 0.0  # no solver is asked: a warning would be an error here
    with pytest.warns(UserWarning, match=r"201 inputs.*SolverFactory\('fastexpr'\)"):
        m.write(str(tmp_path / "model.nl"))
    m.write(str(tmp_path / "model.nl"))


def test_solving_in_process_needs_no_file_and_no_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(function, "_has_warned", False)
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path))
    x = fx.variables(300)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(fx.Function(x, np.cosh(x - 0.5).sum()))
    m.o = pyo.Objective(expr=m.nn.outputs[0])
    pyo.SolverFactory("fastexpr").solve(m)
    assert [m.nn.inputs[k].value for k in range(300)] == pytest.approx([0.5] * 300, abs=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_names_the_interface_cannot_transport(net: fx.Function, tmp_path: Path) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), initialize=0.0)
    m.add_component("größe mit Leerzeichen", fxp.NetworkBlock(net, inputs=m.x))
    m.add_component("n" * 300, fxp.NetworkBlock(net, inputs=m.x))
    m.o = pyo.Objective(expr=m.x[0])
    m.write(str(tmp_path / "model.nl"))
    strings = [line for line in (tmp_path / "model.nl").read_text().splitlines() if line.startswith("h")]
    instances = {line.partition(":")[2] for line in strings} - {"0", "1", m.component("n" * 300).network.path}
    assert len(instances) == 2
    for instance in instances:
        assert external.plain_name(instance) == instance


def test_a_solver_that_is_not_installed() -> None:
    with pytest.raises(NotFoundError, match=r"pip install pounce-solver pyomo-pounce"):
        fxp.find_solver("ipopt-that-nobody-has")


def test_importing_fastexpr_does_not_import_pyomo() -> None:
    script = "import sys, fastexpr; sys.exit(any(name.startswith('pyomo') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_library_s_path_is_found_by_pyomo() -> None:
    from pyomo.common.fileutils import find_library

    assert find_library(library_path()) == library_path()
