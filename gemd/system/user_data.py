"""Where a user's programs keep what is theirs (XDG base directories)."""

import os
from pathlib import Path


def find_user_data() -> Path:
    """Gemd's own directory there; it need not exist. Raises RuntimeError for a user who has no home."""
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local/share") / "gemd"
