import pytest

from gemd.config.people_settings import UserDirectories

PATHS = {
    "~": {
        ("~alice",): "alice",
        ("~alice", "a"): "alice",
        ("~",): "",
        ("alice",): None,
        (): None,
        ("a", "~alice"): None,
    },
    "/~/": {("~alice",): "alice", ("a",): None},
    "users": {("users", "alice", "a"): "alice", ("users",): None, ("users", "~alice"): "~alice", ("~alice",): None},
    "a/b/": {("a", "b", "alice"): "alice", ("a", "b"): None, ("a", "alice"): None},
    "a/~": {("a", "~alice"): "alice", ("a", "alice"): None, ("~alice",): None},
}


@pytest.mark.parametrize(("path", "names", "user"), [(path, *pair) for path in PATHS for pair in PATHS[path].items()])
def test_whose_directory_a_path_leads_to(path, names, user):
    assert UserDirectories(path=path).find_user(names) == user
