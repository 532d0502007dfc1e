from gemd.startup.inside import see_from_inside


def test_paths_are_named_as_they_are_seen_from_a_chroot(configure, tmp_path):
    root = tmp_path / "capsule"
    location = {"path": "/a/", "root": str(root / "a"), "app": "m:app", "app-path": str(tmp_path / "apps")}
    location["app-directory"] = str(tmp_path / "work")
    script = {"path": "/s/", "script": str(tmp_path / "s/x.py")}
    proxy = {"to": [f"gemini+unix:{tmp_path}/run/g.sock", "gemini://127.0.0.1:1966"], "sni": "g"}
    sockets = [f"unix:{tmp_path}/run/php.sock", "192.0.2.3:9000"]
    asked = [
        {"path": "/f/", "fastcgi": {"to": sockets, "strip": 1}},
        {"path": "/g/", "scgi": {"to": sockets[0]}},
    ]
    shut = see_from_inside(
        configure(
            user="gemd",
            master_user="root",
            chroot=str(tmp_path),
            host=[
                {
                    "name": "localhost",
                    "root": str(root),
                    "location": [location, script, {"path": "/p", "proxy": proxy}, *asked],
                },
                {"name": "b.example", "pass": f"unix:{tmp_path}/run/b.sock"},
                {"name": "c.example", "pass": "192.0.2.3:1966"},
            ],
        )
    )
    first, second, third, fourth, fifth, sixth = shut.hosts[0].locations
    assert list(map(str, fifth.fastcgi.addresses)) == ["unix:/run/php.sock", "192.0.2.3:9000"]
    assert list(map(str, sixth.scgi.addresses)) == ["unix:/run/php.sock"]
    assert (fifth.fastcgi.strip, fifth.scgi, sixth.fastcgi) == (1, None, None)
    assert fourth.proxy.upstreams == ("gemini+unix:/run/g.sock", "gemini://127.0.0.1:1966")
    assert (first.root, first.app_path) == ("/capsule", None)
    assert (first.script, third.script) == (None, "/s/x.py")
    assert (second.root, second.app_path, second.app_directory) == ("/capsule/a", "/apps", "/work")
    assert [str(host.address) for host in shut.passes] == ["unix:/run/b.sock", "192.0.2.3:1966"]


def test_without_one_they_stay(configure):
    config = configure()
    assert see_from_inside(config) is config


def test_programs_that_are_paths_are_too(configure, root, tmp_path):
    convert = {".a": [f"{tmp_path}/bin/x", "/a"], ".b": ["x"]}
    host = {"name": "localhost", "root": str(root), "convert": convert}
    shut = see_from_inside(configure(user="gemd", master_user="root", chroot=str(tmp_path), host=[host]))
    found = {extension: converter.command for extension, converter in shut.hosts[0].locations[0].convert.items()}
    assert found == {".a": ("/bin/x", "/a"), ".b": ("x",)}
