"""What stories of a service share."""

import importlib
import os
from pathlib import Path

USER = 'user = "root"\n' if os.geteuid() == 0 else ""


def change_constant(folder: Path, name: str, value: float) -> dict[str, str]:
    """The environment of a daemon for which the constant `name`, in full, has another value: so that nobody has to wait
    as long as it says."""
    module, _, constant = name.rpartition(".")
    assert isinstance(getattr(importlib.import_module(module), constant), float)
    (folder / "sitecustomize.py").write_text(f"import {module}\n{module}.{constant} = {value}\n")
    return {"PYTHONPATH": str(folder)}
