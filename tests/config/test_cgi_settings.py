"""Scripts as they are by default."""

from gemd.config.cgi_settings import CGISettings


def test_nothing_is_set_that_would_surprise():
    settings = CGISettings()
    assert (settings.dialect, settings.exit_status, settings.confine) == ("jetforce", "lenient", True)
    assert [settings.cpu_seconds, settings.memory, settings.file_size, settings.processes, settings.user] == [None] * 5
    assert (settings.environment, settings.nice) == ({}, 0)
