"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_folder_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks' files for solvers go to a folder of the tests, not to the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield
