"""Users' directories: what is a user's own is served, and nothing else, by no trick of anybody's."""

import os
import subprocess
import sys

import pytest

from tests.conftest import need_root
from tests.support.swapping import swapping

from .conftest import AS_ROOT, read_answer
from .people import person_at
from .services import change_constant
from .succession import public_folder

pytestmark = need_root

NUMBER = os.getpid()
ALICE, BOB, GROUP = f"alice{NUMBER}", f"bob{NUMBER}", f"gem{NUMBER}"
CONF = """
user = "nobody"
{top}
[tls]
certificates = "{tmp}/certificates"
[[host]]
name = "localhost"
root = "{root}"
user-directories = { {table} }
{more}
"""
NOT_FOUND = b"51 Not found\r\n"


@pytest.fixture
def public():
    with public_folder() as folder:
        yield folder


@pytest.fixture
def alice(public, need_program):
    need_program("useradd")
    with person_at(public, ALICE) as person:
        yield person


@pytest.fixture
def bob(public, need_program):
    need_program("useradd")
    with person_at(public, BOB) as person:
        yield person


@pytest.fixture
def serve_people(public, alice, start):  # in this order: the daemons end before the users are gone
    """Serve the public capsule, and users' directories as this table has them."""

    def serve_it(table="", more="", top="", workers=2, **options):
        text = CONF.replace("{table}", table).replace("{more}", more).replace("{top}", top)
        conf = public / "gemd.conf"
        conf.write_text(text.replace("{root}", str(public / "capsule")).replace("{tmp}", str(public)))
        return start("-c", conf, "--host", "127.0.0.1", "--port", "0", as_root=False, **options).wait_until_ready(
            workers
        )

    return serve_it


def test_a_user_s_pages_are_served(serve_people, alice):
    alice.write("deep/page.gmi", "deep\n")
    alice.write("deep/notes.txt", "notes\n")
    alice.link("link", "deep/page.gmi")
    daemon = serve_people(more='lang = "en"')
    for path in ("/~{}/", "/%7E{}/", "//~{}//", "/~{}/index.gmi"):
        answer = daemon.ask(path.format(ALICE))
        assert (answer.header, answer.text) == ("20 text/gemini; lang=en", f"# {ALICE}\n")
    assert daemon.ask(f"/~{ALICE}").header == f"31 /~{ALICE}/"
    assert daemon.ask(f"/~{ALICE}/link").text == "deep\n"
    listing = daemon.ask(f"/~{ALICE}/deep/").text
    assert "=> page.gmi page.gmi" in listing
    assert "=> notes.txt notes.txt" in listing
    assert daemon.ask("/").text == "# A public capsule\n"


def test_they_may_be_below_a_path_in_a_directory_of_another_name(serve_people, alice):
    alice.directory.rename(alice.home / "gemini")
    daemon = serve_people('path = "users", directory = "gemini"')
    assert daemon.ask(f"/users/{ALICE}/").text == f"# {ALICE}\n"
    assert daemon.ask(f"/users/{ALICE}").header == f"31 /users/{ALICE}/"
    assert daemon.ask(f"/~{ALICE}/").raw == NOT_FOUND
    assert daemon.ask("/users/").raw == NOT_FOUND  # of the host's own root


def test_nothing_is_served_that_is_not_the_user_s_own(serve_people, alice, bob, public):
    """Nor what is reached through somebody else's, nor what is no file."""
    secret = public / "secret.txt"
    secret.write_text("SECRET")
    bob.write("page.gmi", "SECRET")
    alice.link("etc", "/etc")
    alice.link("passwd", "/etc/passwd")
    alice.link("up", "../../secret.txt")
    alice.link("bob", str(bob.directory))
    alice.link("proc", "/proc/self/environ")
    hers = alice.write("mine/page.gmi", "mine\n")
    his = alice.write("his/page.gmi", "SECRET").parent
    os.chown(his, bob.uid, -1)  # a directory of his with a file of hers
    theirs = alice.write("theirs.gmi", "SECRET")
    os.chown(theirs, bob.uid, -1)
    os.link(secret, alice.directory / "hard.txt")
    os.mkfifo(alice.directory / "fifo", 0o644)
    os.chown(alice.directory / "fifo", alice.uid, -1)
    alice.link("by-link", "his/page.gmi")
    os.chown(alice.write("indexed/index.gmi", "SECRET"), 0, -1)
    daemon = serve_people()
    for path in (
        *("etc/passwd", "etc/", "passwd", "up", "bob/page.gmi", "bob/", "proc", "his/", "his/page.gmi", "by-link"),
        *("theirs.gmi", "hard.txt", "fifo", "indexed/", "indexed/index.gmi", "mine%2Fpage.gmi", "nothing"),
    ):
        assert daemon.ask(f"/~{ALICE}/{path}").raw == NOT_FOUND, path
    assert daemon.ask(f"/~{ALICE}%2Fmine/page.gmi").raw == NOT_FOUND
    assert daemon.ask(f"/~{ALICE}/mine/page.gmi").text == "mine\n"
    (alice.directory / "index.gmi").unlink()
    listing = daemon.ask(f"/~{ALICE}/").text
    assert [line.split()[1] for line in listing.splitlines() if line.startswith("=>")] == ["../", "indexed/", "mine/"]
    assert hers.exists()


def test_who_has_none_is_nobody(serve_people, alice, bob, public):
    """Root and services, whoever is not in the group, whose home can't be entered, and who is not there at all."""
    subprocess.run(["groupadd", GROUP], check=True)
    try:
        with person_at(public, f"shut{NUMBER}") as shut, person_at(public, f"linked{NUMBER}") as linked:
            for name in (ALICE, shut.name, linked.name):
                subprocess.run(["gpasswd", "-a", name, GROUP], check=True, capture_output=True)
            shut.home.chmod(0o700)
            linked.directory.rename(linked.home / "elsewhere")
            linked.directory.symlink_to("elsewhere")
            daemon = serve_people(f'group = "{GROUP}"')
            assert daemon.ask(f"/~{ALICE}/").text == f"# {ALICE}\n"
            nobody = (BOB, shut.name, linked.name, f"no{NUMBER}", "root", "daemon", "nobody", ALICE.upper())
            for name in (*nobody, "", ".", "-", "a/b", "%00a", "%C3%A9", "a" * 200, "%2E%2E", "0", "*"):
                for path in (f"/~{name}/", f"/~{name}/index.gmi"):
                    answer = daemon.ask(path)
                    assert answer.raw == NOT_FOUND or (answer.status == 59 and "%" in name), path
    finally:
        subprocess.run(["groupdel", GROUP], check=True)


def test_a_race_leads_nowhere_else(serve_people, alice, bob):
    """A link leads to a directory of hers, of his, and of hers in his, in turn, while a page behind it is asked for."""
    alice.write("a/page.txt", "hers\n")
    bob.write("page.txt", "SECRET")
    bob.write("hers/page.txt", "SECRET")
    os.chown(bob.directory / "hers", alice.uid, -1)
    os.chown(bob.directory / "hers/page.txt", alice.uid, -1)
    daemon = serve_people()
    with swapping(alice.directory / "b", "a", str(bob.directory), "../../" + BOB + "/public_gemini/hers"):
        answers = {daemon.ask(f"/~{ALICE}/b/page.txt").raw for _ in range(300)}
    assert answers == {b"20 text/plain\r\nhers\n", NOT_FOUND}
    assert daemon.ask(f"/~{ALICE}/a/page.txt").text == "hers\n"


def test_what_protects_a_part_holds_by_every_name(serve_people, alice, public):
    alice.write("private/page.gmi", "SECRET")
    alice.write("open/page.gmi", "open\n")
    alice.link("other", "private")
    alice.link("open/page", "../private/page.gmi")
    more = f"""
[[host.location]]
path = "/~{ALICE}/private/"
client-certificate = "any"
[[host.location]]
path = "/~{ALICE}/old/"
gone = true
[[host.location]]
path = "/homes/"
root = "{public}"
"""
    daemon = serve_people(more=more)
    for path in (
        f"/~{ALICE}/private/page.gmi",
        f"/%7e{ALICE}/private/",
        f"/~{ALICE}/other/page.gmi",
        f"/~{ALICE}/open/page",
    ):
        assert daemon.ask(path).status == 60, path
    assert daemon.ask(f"/homes/{ALICE}/public_gemini/private/page.gmi").status == 60
    assert daemon.ask(f"/~{ALICE}/open/page.gmi").text == "open\n"
    assert daemon.ask(f"/~{ALICE}/old/page").status == 52
    daemon.replace_workers()
    for path in ("private/page.gmi", "other/page.gmi"):
        assert daemon.ask(f"/~{ALICE}/{path}").status == 60


def test_a_place_that_homes_are_in_is_protected(serve_people, alice, public):
    daemon = serve_people(
        more=f'[[host.location]]\npath = "/all/"\nroot = "{public}"\naccess = {{ deny = ["127.0.0.1"] }}'
    )
    assert daemon.ask(f"/~{ALICE}/").status == 50


WHO = "#!/bin/sh\necho '20 text/plain\r'; id -un; echo $SCRIPT_NAME $PATH_INFO\n"


def test_scripts_run_as_one_user_for_all_or_not_at_all(serve_people, alice, public):
    alice.write("cgi-bin/who", WHO, mode=0o755)
    alice.link("source", "cgi-bin/who")
    daemon = serve_people('cgi = "cgi-bin"', top='master-user = "root"\n[cgi]\nuser = "daemon"')
    answer = daemon.ask(f"/~{ALICE}/cgi-bin/who/a/b")
    assert answer.text.splitlines() == ["daemon", f"/~{ALICE}/cgi-bin/who /a/b"]
    assert daemon.ask(f"/~{ALICE}/source").raw == NOT_FOUND
    (alice.directory / "cgi-bin/his").write_text(WHO)
    (alice.directory / "cgi-bin/his").chmod(0o755)  # root's
    assert daemon.ask(f"/~{ALICE}/cgi-bin/his").raw == NOT_FOUND


def test_the_host_s_scripts_are_not_theirs(serve_people, alice):
    alice.write("cgi-bin/who", WHO, mode=0o755)
    daemon = serve_people(more='cgi = "cgi-bin"')
    assert daemon.ask(f"/~{ALICE}/cgi-bin/who").text == WHO


def test_nothing_is_uploaded_there(serve_people, alice):
    daemon = serve_people(more="titan = { public = true }")
    answer = daemon.send(f"titan://localhost:{daemon.port}/~{ALICE}/new.gmi;size=1\r\na".encode())
    assert answer.header == "53 No uploads are taken here"


def test_users_say_of_their_files_what_is_to_be_said_and_write_without_extensions(serve_people, alice, bob):
    alice.write("log", "log\n")
    alice.write(".meta", "log: text/x-log\n")
    alice.write("page.gmi", "page\n")
    bob.write("log", "log\n")
    daemon = serve_people(more='meta-files = true\ntry = ".gmi"\nlisting = { titles = true }')
    assert daemon.ask(f"/~{ALICE}/log").header == "20 text/x-log"
    assert daemon.ask(f"/~{BOB}/log").header == "20 application/octet-stream"
    assert daemon.ask(f"/~{ALICE}/page").text == "page\n"
    assert daemon.ask(f"/~{ALICE}/nothing").raw == NOT_FOUND
    (alice.directory / "index.gmi").unlink()
    os.chown(alice.write("foreign.gmi", "# SECRET\n"), bob.uid, -1)
    listing = daemon.ask(f"/~{ALICE}/").text
    assert "page.gmi" in listing
    assert "foreign" not in listing
    assert "SECRET" not in listing


SLOW = """
import pwd, time
ask = pwd.getpwnam
pwd.getpwnam = lambda name: time.sleep(6) if name.startswith("slow") else ask(name)
"""


def test_a_service_of_names_that_hangs_holds_up_nobody_else(serve_people, alice, public):
    env = change_constant(public, "gemd.responders.accounts._TIMEOUT", 2.0)
    with (public / "sitecustomize.py").open("a") as file:
        file.write(SLOW)
    daemon = serve_people(top="workers = 1", env=env, workers=1)
    assert daemon.ask(f"/~{ALICE}/").text == f"# {ALICE}\n"
    waiting = [daemon.tls(source=f"127.0.0.{2 + number % 8}") for number in range(24)]
    for number, tls in enumerate(waiting):
        tls.sendall(daemon.url(f"/~slow{number}/").encode() + b"\r\n")
    assert daemon.ask("/").seconds < 1
    assert daemon.ask(f"/~{ALICE}/").seconds < 1
    answers = [read_answer(tls) for tls in waiting]
    assert {answer.header for answer in answers} == {"40 This takes too long at the moment"}
    assert max(answer.seconds for answer in answers) < 4
    for tls in waiting:
        tls.close()


def test_what_t_says(public, alice):
    def check(table, more=""):
        text = CONF.replace("{table}", table).replace("{more}", more).replace("{top}", "")
        conf = public / "gemd.conf"
        conf.write_text(text.replace("{root}", str(public / "capsule")).replace("{tmp}", str(public)))
        command = [sys.executable, "-m", "gemd", "-t", "-c", conf, *AS_ROOT]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stderr

    assert check('group = "users"')[0] == 0
    code, said = check('group = "nosuch", cgi = "cgi-bin"')
    assert (code, "user-directories.cgi: needs cgi.user" in said) == (3, True)
    code, said = check('group = "nosuch"')
    assert (code, "user-directories.group: there is no group 'nosuch'" in said) == (3, True)
    code, said = check("", '[[host.location]]\npath = "/~nosuch/"\nclient-certificate = "any"')
    assert (code, "nosuch has no public_gemini that can be served" in said) == (0, True)
