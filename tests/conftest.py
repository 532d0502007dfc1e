"""What every test may use."""

import os
import shutil

import pytest


@pytest.fixture
def need_program():
    """Skip, with a reason, where a program is missing; fail where nothing may be missing."""

    def need(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            if os.environ.get("GEMD_TESTS_MAY_SKIP") == "no":
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
        return path

    return need
