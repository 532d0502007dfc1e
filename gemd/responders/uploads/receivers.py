"""Who takes what is uploaded, by what a location answers with."""

from collections.abc import Collection, Mapping
from typing import cast

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config
from gemd.config.upload_locations import find_uploads
from gemd.protocol.request import Request
from gemd.protocol.response import Answer
from gemd.responders.hosts import Responder
from gemd.responders.uploads.files import FileUploads
from gemd.responders.uploads.front import Receive, Uploads
from gemd.responders.uploads.own_files import find_own_files
from gemd.responders.uploads.programs import PROGRAMS, MakeFile, ProgramUploads
from gemd.system.authorities import Read


def build_uploads(
    config: Config,
    responders: Mapping[AnswerKind, Responder],
    mime_table: Mapping[str, str],
    private: Collection[str],
    read: Read,
    make_file: MakeFile,
) -> Uploads:
    """The responder for uploads. `responders` are those for requests, `private` the paths of files that are gemd's
    alone, `read` has authorities, and `make_file` makes files for uploads to programs."""
    files = responders[AnswerKind.FILES]

    def serve(request: Request, location: Location) -> Answer:
        return cast(Answer, files(request, location))  # files decline nothing, and take nothing in

    everybody = config.locations
    alone = (*private, *find_own_files(config))
    receivers: dict[AnswerKind, Receive] = {
        kind: ProgramUploads(responders[kind], make_file) for kind in PROGRAMS if kind in responders
    }
    receivers[AnswerKind.FILES] = FileUploads(everybody, mime_table, serve, alone)
    return Uploads([location for _, location, _ in find_uploads(config)], receivers, read)
