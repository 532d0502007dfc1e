"""A generation: everything that one reading of the configuration decided, and that its workers inherit by fork.

Rules: it is complete before the first of its workers is forked, and never changed; a reload makes another one, which
shares what did not change: listeners, log files, budgets.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gemd.config.listen import Listen
from gemd.config.pass_settings import PassHost
from gemd.config.settings import Config
from gemd.responders.app.applications import Applications
from gemd.responders.attribution import Note
from gemd.responders.own_texts import WordRefusal
from gemd.responders.router import Respond
from gemd.shared.cells import Cells
from gemd.shared.counts import HostSlots
from gemd.shared.host_process import HostProcess
from gemd.shared.rate_limit import RateLimit
from gemd.system.access_log import AccessLog
from gemd.system.confinement import Confinement
from gemd.system.known_servers import KnownServers
from gemd.system.listener import Listener
from gemd.system.logs import Logs
from gemd.system.privileges import Identity
from gemd.system.spool_directory import SpoolDirectory
from gemd.system.tls import ConnectionMaker


class Generation(msgspec.Struct, frozen=True, eq=False):
    """What workers are made of. `listen` is what is configured for each of the listeners; `context` is None where none
    uses TLS. `identity` is who they become after the fork, None when they are that already.

    `word_refusal` has own texts for what workers refuse themselves. `has_room` says whether what answers could take one
    more request at once, and `end_by` has answers that other programs give broken off at a moment, in monotonic
    seconds; `count_answers` says to whom each answer of a gateway is told, with its kind and status. `confinement` is
    what scripts may touch, None for all that the user may. `cells` have the budgets of all limits. `may_come` says
    whether an address may, None where all may. `hosts` are the processes beside the workers: for scripts that have a
    user of their own, and for applications that have a process of their own. `passes` are the hosts that workers pass
    on, with paths as these see them. `known_servers` are those that requests are passed on to, as they were met; None
    where that is not asked. `upload_directories` are where uploads become files, as workers see them, and
    `upload_spool` is where uploads wait that are for programs, None where there are none. `note` tells whose the last
    answer is, `host_slots` where each host is counted, and `certificate_ends` when the certificate of each ends, in
    seconds since the epoch.
    """

    number: int
    config: Config
    listeners: Sequence[Listener]
    listen: Sequence[Listen]
    context: ConnectionMaker | None
    respond: Respond
    word_refusal: WordRefusal
    has_room: Callable[[], bool]
    end_by: Callable[[float], None]
    count_answers: Callable[[Callable[[str, int], None]], None]
    applications: Applications
    cells: Cells
    rate_limit: RateLimit | None
    handshake_limit: RateLimit | None
    may_come: Callable[[str], bool] | None
    logs: Logs
    access_log: AccessLog
    identity: Identity | None
    confinement: Confinement | None
    note: Note
    host_slots: HostSlots
    certificate_ends: Mapping[str, float]
    hosts: Sequence[HostProcess] = ()
    passes: Sequence[PassHost] = ()
    known_servers: KnownServers | None = None
    upload_directories: Sequence[str] = ()
    upload_spool: SpoolDirectory | None = None

    def close_all_but(self, kept: "Generation | None") -> None:
        """Close the listeners and logs that `kept` does not share, and what leads to processes beside the workers, or
        is known of servers, which are never shared: for good, or in a worker of that generation."""
        shared = kept.listeners if kept is not None else ()
        for listener in self.listeners:
            if listener not in shared:
                listener.close()
        self.logs.close_all_but(kept.logs if kept is not None else None)
        for host in self.hosts:
            host.close()
        for opened in (self.known_servers, self.upload_spool):
            if opened is not None:
                opened.close()
