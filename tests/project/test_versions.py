"""fx.show_versions: what runs here, and what would be better."""

import contextlib
import io
import sys

import numpy as np
import pytest

import fastexpr as fx
from fastexpr import versions


@pytest.fixture(scope="module")
def found():
    return versions.facts()


def test_it_names_versions_and_libraries(found):
    import cyipopt

    assert found["fastexpr"]["version"] == fx.__version__
    assert found["packages"]["numpy"] == np.__version__
    assert found["ipopt"]["version"] == ".".join(map(str, cyipopt.IPOPT_VERSION))
    assert "ipopt" in found["ipopt"]["library"]
    assert "MUMPS" in found["ipopt"]["linear solvers"]
    assert found["ipopt"]["blas"] in {*versions.BLAS.values(), "reference BLAS"}
    assert "fastexpr" not in found["ipopt"]["blas library"]
    assert "numpy.libs" not in found["ipopt"]["blas library"]


def test_the_text_is_printed(found):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        assert fx.show_versions() is None
    text = stream.getvalue()
    assert found["ipopt"]["library"] in text
    assert found["fastexpr"]["cpu_path"] in text
    assert "What would be better" in text or "Nothing better is known" in text
    other = io.StringIO()
    fx.show_versions(other)
    assert other.getvalue() == text


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.12.0", "reference BLAS"),
        ("/usr/lib/x86_64-linux-gnu/openblas-serial/libblas.so.3", "OpenBLAS"),
        ("/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.26.so", "OpenBLAS"),
        ("/opt/venv/cyipopt_wheels.libs/libopenblas-r0-11edc3fa.3.15.so", "OpenBLAS"),
        ("/usr/lib/x86_64-linux-gnu/libmkl_rt.so", "MKL"),
        ("/usr/lib/x86_64-linux-gnu/blis-serial/libblas.so.3", "BLIS"),
        ("/usr/lib/x86_64-linux-gnu/atlas/libblas.so.3.10.3", "ATLAS"),
    ],
)
def test_a_blas_is_known_by_its_place(path, name):
    assert versions.is_blas(path)
    assert versions.blas_of(path) == name


def probed(*new, before=()):
    return versions.of_libraries({"version": [3, 14, 1], "libraries": [*before, *new], "new": list(new)})


def test_numpys_own_blas_is_not_ipopts():
    numpys = "/venv/numpy.libs/libscipy_openblas64_-32a4b2a6.so"
    reference = "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0"
    found = probed("/usr/lib/libipopt.so.1", reference, before=[numpys])
    assert (found["blas"], found["blas library"]) == ("reference BLAS", reference)
    # Debian's NumPy has brought the system's BLAS before Ipopt needs it.
    found = probed("/usr/lib/libipopt.so.1", before=["/usr/lib/x86_64-linux-gnu/openblas-serial/libblas.so.3"])
    assert found["blas"] == "OpenBLAS"
    # An interface of its own in front of OpenBLAS: what computes is OpenBLAS.
    found = probed("/usr/lib/libipopt.so.3", reference, "/usr/lib/x86_64-linux-gnu/libopenblas.so.0")
    assert found["blas"] == "OpenBLAS"


def told(**changes):
    found = {
        "fastexpr": {"cpu_path": "avx2", "vector_math": "sleef"},
        "ipopt": {"blas": "OpenBLAS"},
        "packages": {"onnxruntime": "1.20", "pounce-solver": "0.13"},
    }
    return versions.advice({part: {**entries, **changes.get(part, {})} for part, entries in found.items()})


def test_advice_fits_what_was_found():
    assert told() == []
    (text,) = told(ipopt={"blas": "reference BLAS"})
    assert "libopenblas0-serial" in text
    (text,) = told(ipopt={"installed": "no"})
    assert "pip install cyipopt" in text
    (text,) = told(fastexpr={"cpu_path": "baseline"})
    assert "AVX2" in text
    (text,) = told(fastexpr={"vector_math": "libm"})
    assert "SLEEF" in text
    assert "Nothing better is known" in versions.text_of({"a": {"b": 1}, "better": {}})


def test_without_cyipopt_it_says_so(monkeypatch):
    monkeypatch.setattr(versions.importlib.util, "find_spec", lambda name: None)
    assert versions.ipopt() == {"installed": "no"}


def test_an_ipopt_that_cannot_be_loaded_is_reported(monkeypatch):
    monkeypatch.setattr(versions, "PROBE", "raise ImportError('libipopt.so.1: cannot open')")
    assert versions.ipopt() == {"installed": "no", "error": "ImportError: libipopt.so.1: cannot open"}


def test_the_import_stays_light():
    assert "fastexpr.versions" in sys.modules  # here; but not by importing fastexpr
    import subprocess

    code = "import sys, fastexpr; assert not {'fastexpr.versions', 'fastexpr.problem', 'matplotlib'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
