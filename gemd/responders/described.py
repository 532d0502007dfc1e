"""Files as `.meta` files describe them: the responder for locations with `meta-files`.

Rules: what is asked is looked up first, as it is without a description, so that who may not see it is told that and
nothing else; a description changes the type of a file, or is told in the place of one, whether it is there or not. Of
a directory that is there nothing is said.
"""

from collections.abc import Mapping, Sequence

from gemd.config.host_settings import Location
from gemd.protocol.errors import NotFound
from gemd.protocol.meta_file import Preset
from gemd.protocol.mime import add_parameters, guess_type, has_charset
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import MAX_META, Answer, Response
from gemd.protocol.status import Status
from gemd.responders.convert.pages import ConvertedPage
from gemd.responders.meta_files import MetaFiles
from gemd.responders.protection import Protection
from gemd.responders.refusals import NOT_FOUND
from gemd.responders.static import Convert, StaticFiles


class DescribedFiles(StaticFiles):
    """The responder for files that are described. `locations` are those of all hosts."""

    def __init__(
        self,
        locations: Sequence[Location],
        mime_table: Mapping[str, str],
        max_listing: int,
        protection: Protection,
        convert: Convert | None = None,
    ) -> None:
        super().__init__(mime_table, max_listing, protection, convert)
        self._meta_files = MetaFiles(locations, protection)

    def _look_up(self, root: int, names: Sequence[str], request: Request, location: Location) -> Answer:
        preset = self._meta_files.find(root, names, location, request.peer)
        try:
            answer = super()._look_up(root, names, request, location)
        except (NotFound, OSError) as error:
            if preset is None or not preset.is_header or (isinstance(error, OSError) and error.errno not in NOT_FOUND):
                raise
            return Response(preset.status, preset.text)
        if preset is None or request.url.is_directory:
            return answer
        return self._describe(answer, preset, names[-1], location)

    def _answer_index_file(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> Answer | None:
        preset = self._meta_files.find(root, names, location, peer)
        answer = super()._answer_index_file(root, names, location, peer)
        if preset is None or answer is None:
            return answer
        return self._describe(answer, preset, names[-1], location)

    def _describe(self, answer: Answer, preset: Preset, name: str, location: Location) -> Answer:
        """The answer with a file of this name, by what is said of it; another one is as it was, and a page that is
        converted has its converter's type."""
        if isinstance(answer, Response) and answer.status != Status.SUCCESS:
            return answer
        if preset.is_header:
            pending = answer.body if isinstance(answer, Response) else answer
            if not isinstance(pending, bytes):
                pending.close()
            return Response(preset.status, preset.text)
        if not isinstance(answer, Response) or isinstance(answer, ConvertedPage):
            return answer
        media_type = preset.describe(guess_type(name, location.mime, self._mime_table))
        forced = location.force_charset and not has_charset(preset.text)
        meta = add_parameters(media_type, lang=None, charset=location.charset, is_forced=forced)
        return Response(Status.SUCCESS, meta, answer.body) if len(meta) <= MAX_META else answer
