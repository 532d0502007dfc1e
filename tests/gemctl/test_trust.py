"""Whom clients talk to, from what `gemctl fetch` says."""

import datetime


def test_a_certificate_is_remembered_at_first_sight(serve, fetch, tmp_path):
    server = serve()
    said = fetch(server.url())[2].splitlines()[0]
    assert said.startswith(f"gemctl: {server.place} is new here; its certificate {server.fingerprint}, valid until ")
    assert server.fingerprint in (tmp_path / "gemd/known_hosts").read_text()
    assert "is new here" not in fetch(server.url())[2]


def test_a_certificate_that_changed_is_refused_before_anything_is_asked(serve, fetch):
    server = serve()
    fetch(server.url())
    before = server.fingerprint
    server.show("localhost")
    for _ in range(2):
        code, printed, said = fetch(server.url())
        assert (code, printed) == (1, b"")
        assert f"the certificate of {server.place} has changed" in said
        assert f"known: {before}, valid until" in said
        assert f"shown: {server.fingerprint}, valid until" in said
        assert "--trust" in said
    assert len(server.requests) == 1


def test_a_change_that_is_meant(serve, fetch):
    server = serve()
    fetch(server.url())
    before = server.fingerprint
    server.show("localhost")
    code, _, said = fetch("--trust", server.url())
    assert (code, f"has changed from {before}; its certificate {server.fingerprint}" in said) == (0, True)
    code, _, said = fetch(server.url())
    assert (code, "has changed" in said) == (0, False)


def test_a_certificate_that_was_renewed_for_the_same_key_is_no_alarm(serve, fetch, tmp_path):
    server = serve()
    server.show_renewed(tmp_path / "certificates")
    fetch(server.url())
    server.show_renewed(tmp_path / "certificates")
    code, printed, said = fetch(server.url())
    assert (code, printed) == (0, b"# A page\n")
    assert said.startswith(f"gemctl: {server.place} has a new certificate for the same key; its certificate ")
    assert f"{server.fingerprint}, valid until " in said
    assert "for the same key" not in fetch(server.url())[2]
    assert f" SHA256:{server.fingerprint} " in (tmp_path / "gemd/known_hosts").read_text().splitlines()[-1]
    server.show("localhost")
    assert fetch(server.url())[0] == 1


def test_a_line_without_a_key_gets_it_when_its_certificate_is_seen_again(serve, fetch, tmp_path):
    server = serve()
    server.show_renewed(tmp_path / "certificates")
    known_hosts = tmp_path / "gemd/known_hosts"
    known_hosts.parent.mkdir()
    known_hosts.write_text(f"{server.place} SHA256:{server.fingerprint} 2126-10-30T12:00:00Z\n")
    server.show_renewed(tmp_path / "certificates")
    assert fetch(server.url())[0] == 1  # nobody knows whose it is
    known_hosts.write_text(f"{server.place} SHA256:{server.fingerprint} 2126-10-30T12:00:00Z\n")
    assert fetch(server.url())[2].startswith("20 ")
    assert len(known_hosts.read_text().splitlines()) == 2
    server.show_renewed(tmp_path / "certificates")
    assert "for the same key" in fetch(server.url())[2]


def test_another_port_is_another_host(serve, fetch):
    for _ in range(2):
        assert "is new here" in fetch(serve().url())[2]


def test_what_is_odd_about_a_certificate(serve, fetch):
    server = serve(names=["example.org", "*.example.net"])
    assert "does not name localhost; it names example.org, *.example.net" in fetch(server.url())[2]
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    server.show("localhost", not_after=past)
    said = fetch("--trust", server.url())[2]
    assert f"{server.fingerprint}, expired on {past:%Y-%m-%d}, is trusted from now on" in said
    assert f"warning: the certificate expired on {past:%Y-%m-%d}" in fetch(server.url())[2]
