"""Users of this machine who have homes, for a story."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = "public_gemini"


@dataclass(frozen=True)
class Person:
    """A user with a home that all may enter."""

    name: str
    uid: int
    home: Path

    @property
    def directory(self) -> Path:
        return self.home / DIRECTORY

    def write(self, name: str, text: str = "", mode: int = 0o644) -> Path:
        """A file of the user's own, and the directories to it."""
        path = self.directory / name
        for parent in reversed(path.parents):
            if parent.is_relative_to(self.directory) and not parent.exists():
                parent.mkdir(mode=0o755)
                os.chown(parent, self.uid, -1)
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, self.uid, -1)
        return path

    def link(self, name: str, target: str) -> None:
        """A symbolic link of the user's own."""
        (self.directory / name).symlink_to(target)
        os.lchown(self.directory / name, self.uid, -1)


@contextlib.contextmanager
def person_at(folder: Path, name: str, *options: str) -> Iterator[Person]:
    """A new user with a home in this folder and a page there, removed in the end."""
    home = folder / name
    subprocess.run(["useradd", "-M", "-d", str(home), *options, name], check=True, capture_output=True)
    try:
        person = Person(name, pwd.getpwnam(name).pw_uid, home)
        home.mkdir(mode=0o755)
        os.chown(home, person.uid, -1)
        person.write("index.gmi", f"# {name}\n")
        yield person
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
