"""Uploads before their body: who may, how much, of which type, and who takes it."""

import datetime

import pytest

from gemd.config import parse_config
from gemd.config.host_settings import AnswerKind
from gemd.protocol.errors import GeminiError
from gemd.protocol.peer import ClientCertificate
from gemd.protocol.response import Response
from gemd.protocol.upload import Intake, Upload
from gemd.responders.judged import Unjudged
from gemd.responders.uploads.front import Uploads
from gemd.system.client_certificates import parse_client_certificate
from tests.responders.asking import peer, request
from tests.support.certificate_chains import Link, make_leaf

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
MINE = ClientCertificate(b"der", fingerprint="ab" * 32, not_before=NOW - DAY, not_after=NOW + DAY)
EXPIRED = ClientCertificate(b"der", fingerprint="ab" * 32, not_before=NOW - DAY, not_after=NOW - DAY / 2)
OTHER = ClientCertificate(b"der", fingerprint="cd" * 32, not_before=NOW - DAY, not_after=NOW + DAY)
LISTED = {"allow": ["SHA256:" + "ab" * 32]}
TAKEN = Response(20, "text/plain", b"taken")


class Receiver:
    """Takes what it is given, or leaves it."""

    def __init__(self, *, takes=True):
        self.seen = []
        self.takes = takes

    def __call__(self, request, location):
        self.seen.append(request)
        return TAKEN if self.takes else None


class Taking(Intake):
    """Is closed or not."""

    size = 5
    is_ready = True
    is_closed = False

    def begin(self, helper): ...

    def take(self, data): ...

    def finish(self): ...

    def close(self):
        self.is_closed = True


@pytest.fixture
def ask(tmp_path):
    """The answer to an upload at a host with this table, and what its receiver has seen."""

    def ask(titan, url="titan://h/a.gmi;size=5", certificate=MINE, receivers=None, **keys):
        host = {"name": "h", "root": str(tmp_path), "titan": titan, **keys}
        config = parse_config({"host": [host]}, base=tmp_path, source=None, cpus=1)
        location = config.hosts[0].locations[0]
        receiver = Receiver()
        uploads = Uploads([location], {AnswerKind.FILES: receiver} if receivers is None else receivers)
        try:
            answer = uploads(request(url, peer(client_certificate=certificate)), location)
        except GeminiError as refusal:
            answer = Response(refusal.status, refusal.meta)
        return answer, receiver.seen

    return ask


REFUSED = {
    "no certificate": (LISTED, None, ";size=5", 60, "A client certificate is required"),
    "none where any would do": ({"allow": "any"}, None, ";size=5", 60, "A client certificate is required"),
    "another one": (LISTED, OTHER, ";size=5", 61, "not authorised"),
    "one that has expired": (LISTED, EXPIRED, ";size=5", 62, "not valid"),
    "who may not hears of no limit": (LISTED, OTHER, ";size=99999999999;mime=a/b", 61, "not authorised"),
    "no parameters": (LISTED, MINE, "", 59, "says how much it is"),
    "no size": (LISTED, MINE, ";mime=text/plain", 59, "size is missing"),
    "size twice": (LISTED, MINE, ";size=5;size=5", 59, "size is there twice"),
    "another parameter": (LISTED, MINE, ";size=5;name=a", 59, "and no others"),
    "a semicolon in the path": (LISTED, MINE, ";b/c;size=5", 59, "has to be %3B"),
    "too large": ({**LISTED, "max-size": 4}, MINE, ";size=5", 59, "At most 4 bytes may be uploaded here"),
    "far too large": (LISTED, MINE, ";size=999999999999999", 59, "At most 10485760 bytes may be uploaded here"),
    "no token": ({**LISTED, "tokens": ["hunter2"]}, MINE, ";size=5", 50, "A valid token is needed"),
    "an empty token": ({**LISTED, "tokens": ["hunter2"]}, MINE, ";size=5;token=", 50, "A valid token is needed"),
    "another token": ({**LISTED, "tokens": ["a", "b"]}, MINE, ";size=5;token=ab", 50, "A valid token is needed"),
    "a token in capitals": ({**LISTED, "tokens": ["a"]}, MINE, ";size=5;token=A", 50, "A valid token is needed"),
    "a token before anything": ({**LISTED, "tokens": ["a"]}, MINE, ";size=999999999;mime=a/b", 50, "A valid token"),
    "a token for anybody": ({"public": True, "tokens": ["a"]}, None, ";size=5;token=b", 50, "A valid token is needed"),
    "nothing to be deleted": (LISTED, MINE, ";size=0", 59, "Nothing may be deleted here"),
    "nothing to be edited": ({**LISTED, "edit": False}, MINE, ";edit", 50, "Nothing is given out here to be edited"),
    "an edit of another's": (LISTED, OTHER, ";edit", 61, "not authorised"),
}


@pytest.mark.parametrize(("titan", "certificate", "parameters", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_what_the_limit_is(ask, titan, certificate, parameters, status, said):
    answer, seen = ask(titan, f"titan://h/a.gmi{parameters}", certificate)
    assert answer.status == status
    assert said in answer.meta
    assert seen == []


PASSED = {
    "all": (LISTED, MINE, ";size=5", Upload(5)),
    "as much as may be": ({**LISTED, "max-size": 5}, MINE, ";size=5;mime=text/plain", Upload(5, "text/plain")),
    "any certificate": ({"allow": "any"}, OTHER, ";size=5", Upload(5)),
    "anybody": ({"public": True}, None, ";size=5", Upload(5)),
    "a token": ({**LISTED, "tokens": ["a", "b;c"]}, MINE, ";token=b%3Bc;size=5", Upload(5, token="b;c")),
    "a token that nobody asks for": (LISTED, MINE, ";size=5;token=x", Upload(5, token="x")),
    "a deletion, of whatever type": (
        {**LISTED, "delete": True},
        MINE,
        ";mime=image/png;size=0",
        Upload(0, "image/png"),
    ),
    "an edit": (LISTED, MINE, ";edit", Upload(is_edit=True)),
    "an edit where there are tokens": ({**LISTED, "tokens": ["a"]}, MINE, ";edit", Upload(is_edit=True)),
    "a file has the type of its name": (LISTED, MINE, ";size=5;mime=image/png", Upload(5, "image/png")),
}


@pytest.mark.parametrize(("titan", "certificate", "parameters", "upload"), PASSED.values(), ids=PASSED)
def test_what_passes(ask, titan, certificate, parameters, upload):
    answer, (asked,) = ask(titan, f"titan://h/a.gmi{parameters}", certificate)
    assert answer is TAKEN
    assert asked.upload == upload
    assert asked.peer.tls.client_certificate is certificate


@pytest.mark.parametrize("query", ["", "?", "?q;token=x"])
def test_who_takes_it_sees_no_parameters_in_the_url(ask, query):
    _, (asked,) = ask(LISTED, f"titan://h/dir/a%3Bb.gmi;size=5;token=hunter2;mime=text/gemini{query}")
    assert asked.url.text == f"titan://h/dir/a%3Bb.gmi{query}"
    assert asked.url.segments == ("dir", "a;b.gmi")
    assert asked.url.parameters == "size=5;token=hunter2;mime=text/gemini"  # as another server may be told


TYPES = {
    "what may be": (["text/plain"], ";mime=Text/Plain%3Bcharset=utf-8", None),
    "a kind": (["image/*"], ";mime=image/png", None),
    "another": (["text/plain", "image/*"], ";mime=text/html", "The type may be: text/plain, image/*"),
    "the type that is meant by none": (["text/plain"], "", "The type may be: text/plain"),
    "too many for a header": ([f"text/x-{number}" for number in range(200)], "", "No such type may be uploaded here"),
}


@pytest.mark.parametrize(("types", "parameter", "said"), TYPES.values(), ids=TYPES)
def test_a_program_is_sent_types_that_may_be(ask, types, parameter, said):
    intake = Taking()
    receivers = {AnswerKind.SCRIPT: lambda request, location: intake}
    titan = {**LISTED, "types": types}
    answer, _ = ask(titan, f"titan://h/a;size=5{parameter}", receivers=receivers, script="/bin/true")
    if said is None:
        assert answer is intake
        assert not intake.is_closed
    else:
        assert (answer.status, answer.meta) == (59, said)
        assert intake.is_closed


def test_who_only_deletes_says_no_type(ask):
    receivers = {AnswerKind.SCRIPT: Receiver()}
    titan = {**LISTED, "types": ["text/plain"], "delete": True}
    answer, _ = ask(titan, "titan://h/a;size=0", receivers=receivers, script="/bin/true")
    assert answer is TAKEN


def test_who_answers_first_may_leave_it_to_the_next(ask, tmp_path):
    (tmp_path / "bin").mkdir()
    scripts, files = Receiver(takes=False), Receiver()
    receivers = {AnswerKind.CGI: scripts, AnswerKind.FILES: files}
    answer, _ = ask(LISTED, receivers=receivers, cgi="bin")
    assert answer is TAKEN
    assert scripts.seen == files.seen != []


def test_what_nobody_takes_is_refused(ask):
    answer, _ = ask(LISTED, receivers={AnswerKind.FILES: Receiver(takes=False)})
    assert (answer.status, answer.meta) == (53, "No uploads are taken here")


def test_who_has_an_authority_is_judged_at_length(tmp_path):
    root = Link()
    (tmp_path / "ca.pem").write_bytes(root.pem)
    host = {"name": "h", "root": str(tmp_path), "titan": {"allow": {"ca": "ca.pem"}}}
    location = parse_config({"host": [host]}, base=tmp_path, source=None, cpus=1).hosts[0].locations[0]
    uploads = Uploads([location], {AnswerKind.FILES: Receiver()})

    def send(link):
        chain = make_leaf(link, 3).chain
        sent = request(
            "titan://h/a;size=1", peer(client_certificate=parse_client_certificate(chain[0]), client_chain=chain)
        )
        with pytest.raises(Unjudged) as unjudged:
            uploads(sent, location)
        unjudged.value.judge()
        return uploads(sent, location)

    assert send(root) is TAKEN
    with pytest.raises(GeminiError) as refusal:
        send(Link("stranger"))
    assert refusal.value.status == 61


def test_tokens_are_compared_as_a_whole(ask):
    """Every token is hashed before it is looked at, so that neither its length nor its beginning changes the work."""
    long = "x" * 400
    assert ask({**LISTED, "tokens": [long]}, f"titan://h/a;size=5;token={long[:-1]}y")[0].status == 50
    assert ask({**LISTED, "tokens": [long]}, f"titan://h/a;size=5;token={long}")[0] is TAKEN


def test_what_an_upload_of_no_bytes_does_begins_once_none_have_come(ask):
    class Deletion:
        descriptors = ()
        deadline = 0.0
        is_closed = False

        def close(self):
            self.is_closed = True

    deletion = Deletion()
    receivers = {AnswerKind.FILES: lambda request, location: deletion}
    titan = {"public": True, "delete": True}
    intake, _ = ask(titan, "titan://h/a;size=0", receivers=receivers)
    assert isinstance(intake, Intake)
    assert intake.size == 0
    intake.close()
    assert deletion.is_closed
    deletion.is_closed = False
    intake, _ = ask(titan, "titan://h/a;size=0", receivers=receivers)
    assert intake.finish() is deletion
    intake.close()
    assert not deletion.is_closed  # whoever answers with it does that
    assert ask(titan, "titan://h/a;edit", receivers=receivers)[0] is deletion
