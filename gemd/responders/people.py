"""Users' directories: `/~alice/` is what the user alice has in one directory of the home, and nothing else.

Rules: all of it is alice's own; who may have none, or is nobody, has nothing there, in the same words; scripts run as
whom `cgi.user` says, or not at all. The settings are those of the location that asks.
"""

from gemd.config.host_settings import Host, Location
from gemd.config.people import count_before
from gemd.config.script_settings import find_script_settings
from gemd.config.settings import Config
from gemd.protocol.errors import NotFound, ProxyRefused
from gemd.protocol.request import Request
from gemd.protocol.response import Answer
from gemd.protocol.upload import Intake
from gemd.protocol.url import split_path
from gemd.responders.accounts import Accounts
from gemd.responders.bounded import Bounded
from gemd.responders.home_answers import HomeAnswers
from gemd.responders.hosts import Responder
from gemd.responders.owned_files import HomeLocation
from gemd.system.accounts import Account, FindAccount, find_account, is_user_name
from gemd.system.log import error_log

_MAX_HOMES = 1024  # that are kept
# What a location has that is not for the directory of a user in it.
_NOTHING = {
    **dict.fromkeys(("answer", "redirect", "script", "app", "fastcgi", "scgi", "proxy", "hosts", "people")),
    **dict.fromkeys(("gone", "titan"), False),
}


_Home = tuple[HomeLocation, tuple[Responder, ...]]  # and what is asked there


class People:
    """The responder for users' directories, of all hosts. `find` looks users up, by default those of this machine."""

    def __init__(self, config: Config, answers: HomeAnswers, find: FindAccount | None = None) -> None:
        self._config = config
        self._answers = answers
        self._accounts = Accounts(find or find_account)
        self._named = {host.name: _find_named(host) for host in config.hosts}
        self._homes: Bounded[tuple[str, str], tuple[Account, _Home | None]] = Bounded(_MAX_HOMES, of="accounts")

    def __call__(self, request: Request, location: Location) -> Answer | Intake | None:
        """What the URL names in a user's directory; declines where it leads to none.

        Raises NotFound (51), also where there is no such user, what protects it has to say, and Unjudged where the name
        has to be looked up.
        """
        table, url = location.people, request.url
        assert table is not None
        name = table.find_user(url.rule_names)
        if name is None:
            return None
        depth = len(table.prefix) + 1
        if url.names[:depth] != url.rule_names[:depth] or not is_user_name(name):  # an encoded slash is in no name
            raise NotFound
        account = self._accounts.find(name, table)
        home = self._find_home(account, name, location, url.names[:depth]) if account is not None else None
        if home is None:
            raise NotFound
        location, responders = home
        answers = (responder(request, location) for responder in responders)
        return next((answer for answer in answers if answer is not None), None)

    def put_among(self, answers: tuple[Responder, ...], location: Location) -> tuple[Responder, ...]:
        """What is asked in a location that has users' directories, in its order."""
        before = count_before(location)
        return (*answers[:before], self, *answers[before:])

    def keep_uploads(self, uploads: Responder) -> Responder:
        """The same for uploads, of which users' directories take none."""

        def receive(request: Request, location: Location) -> Answer | Intake | None:
            if location.people is not None and location.people.find_user(request.url.rule_names) is not None:
                raise ProxyRefused("No uploads are taken here")
            return uploads(request, location)

        return receive

    def _find_home(self, account: Account, name: str, location: Location, mount: tuple[str, ...]) -> _Home | None:
        """A user's directory as the location that it is, made once for as long as the user is known."""
        key = location.where, name
        known = self._homes.find(key)
        if known is None or known[0] is not account:
            home = self._make_location(account, name, location, mount)
            known = account, (home, self._answers.of(home, location)) if home is not None else None
            self._homes.keep(key, known)
        return known[1]

    def _make_location(
        self, account: Account, name: str, location: Location, mount: tuple[str, ...]
    ) -> HomeLocation | None:
        table = location.people
        assert table is not None
        if self._named[location.host].get(name, account.path) != account.path:
            text = "the directory of %s is %s now, where the rules of locations don't hold yet: reload"
            error_log.warning(text, name, account.path)
            return None
        has_user = find_script_settings(self._config, location).cgi.user is not None
        values = {field: getattr(location, field) for field in Location.__struct_fields__}
        return HomeLocation(
            **values
            | _NOTHING
            | {
                "root": account.path,
                "mount": mount,
                "cgi": table.cgi if has_user else None,
                "symlinks": "none" if location.symlinks == "none" else "beneath",
            },
            account=account,
            directory=split_path(table.directory),
        )


def _find_named(host: Host) -> dict[str, str | None]:
    """The users for whom there are locations, with the directory that these rules are for, None where there was none
    when the configuration was read."""
    table = host.user_directories
    found: dict[str, str | None] = {}
    for location in host.locations if table is not None else ():
        name = table.find_user(location.names) if table is not None and location.people is not None else None
        if name is not None and location.match != "glob":
            found[name] = location.root if location.mount else None
    return found
