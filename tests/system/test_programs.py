import pytest

from gemd.system.programs import ProgramError, find_program


@pytest.fixture
def make(tmp_path):
    """Make a file below the test's directory, and say where it is."""

    def make(name, mode=0o755):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(mode)
        return str(path)

    return make


def test_a_name_is_looked_for_in_turn(make, tmp_path):
    second, _ = make("b/x"), make("c/x")
    assert find_program("x", f"relative::{tmp_path}/a:{tmp_path}/b:{tmp_path}/c") == second


def test_what_can_not_be_executed_is_passed_over(make, tmp_path):
    make("a/x", 0o644)
    (tmp_path / "b/x").mkdir(parents=True)
    third = make("c/x")
    assert find_program("x", f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c") == third


def test_for_who_is_shut_in_the_search_begins_there(make, tmp_path):
    path = make("jail/bin/x")
    assert find_program("x", "/bin", f"{tmp_path}/jail") == path


def test_a_path_is_taken_as_it_is(make):
    path = make("x")
    assert find_program(path, "/bin") == path


def test_what_is_nowhere_is_told(tmp_path):
    with pytest.raises(
        ProgramError, match=r"^x is in none of /nowhere:/bin \(cgi.path\): install it, or give its path$"
    ):
        find_program("x", "/nowhere:/bin")
    with pytest.raises(ProgramError, match=f"^{tmp_path}/x can't be used: No such file or directory$"):
        find_program(f"{tmp_path}/x", "/bin")


def test_what_nobody_may_execute_is_told(make, tmp_path):
    path = make("a/x", 0o644)
    for program in ("x", path):
        with pytest.raises(ProgramError, match=f"^{path} is not executable: chmod \\+x {path}$"):
            find_program(program, f"{tmp_path}/a")
    with pytest.raises(ProgramError, match=f"^{tmp_path}/a is no file$"):
        find_program(f"{tmp_path}/a", "/bin")
