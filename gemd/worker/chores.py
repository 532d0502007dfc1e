"""What one worker of all looks after: the files of applications, and what uploads have left behind."""

from gemd.config.settings import Config
from gemd.shared.generation import Generation
from gemd.system.file_watch import FileWatch


def begin_chores(generation: Generation) -> FileWatch | None:
    """Begin with them. What watches the files of applications; None where they are not watched.

    Runs in the worker.
    """
    if generation.upload_directories:
        from gemd.system.part_sweep import begin_sweep

        begin_sweep(generation.upload_directories)
    if not generation.config.service.auto_reload or not generation.applications:
        return None
    return FileWatch(_find_app_paths(generation.config), generation.applications.made)


def _find_app_paths(config: Config) -> list[str]:
    """Where the applications are."""
    paths = [location.app_path for location in config.locations if location.app]
    return list(dict.fromkeys(path for path in paths if path))
