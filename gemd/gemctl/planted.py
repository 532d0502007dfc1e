"""Files that are only looked for: whether somebody else may have put them where they are found.

Rule: what is named by its path is taken as it is; this is for the others alone.
"""

import os
import stat
from pathlib import Path

LEFT_ALONE = "may have been put there by another user, or is no file, and is left alone"


def may_be_planted(path: Path) -> bool:
    """Whether it, or a directory on the way to it, is another user's, or a link, where everybody can write; or whether
    it is no file at all."""
    own = (os.geteuid(), 0)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return True
        for place in (path, *path.parents):
            status, above = place.lstat(), place.parent.stat()
            if above.st_mode & stat.S_IWOTH and (status.st_uid not in own or stat.S_ISLNK(status.st_mode)):
                return True
    except OSError:
        return True
    return False
