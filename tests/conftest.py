"""What all tests share."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest

# Keras reads these when it is imported: by default it takes TensorFlow, and writes into the user's folder.
os.environ["KERAS_BACKEND"] = "torch"
keras_home = tempfile.TemporaryDirectory(prefix="keras")  # removed when Python ends
os.environ["KERAS_HOME"] = keras_home.name
# IDAES makes a folder when it is imported: by default in the user's own, too.
idaes_home = tempfile.TemporaryDirectory(prefix="idaes")
os.environ["IDAES_DATA"] = idaes_home.name

# A script that starts the tests in its background has them ignore Ctrl-C, and so would all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache_folder_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks' files for solvers go to a folder of the tests, not to the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield
