"""What -t says of locations that match something else than is expected."""

from gemd.startup.location_warnings import check_locations


def test_a_star_that_stands_for_itself(configure, root, capsys):
    location = [{"path": "/a*"}, {"path": "/b*", "match": "glob"}, {"path": "/c"}]
    check_locations(configure(host=[{"name": "localhost", "root": str(root), "location": location}]))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gemd: warning: host[1].location[1].path: the * stands for itself alone")
