"""Files as `.meta` files describe them: the responder for locations with `meta-files`.

Rules: what is asked is looked up first, as it is without a description, so that who may not see it is told that and
nothing else; a description changes the type of a file, or is told in the place of one, whether it is there or not. Of
a directory that is shown nothing is said.
"""

from collections.abc import Callable, Mapping, Sequence

from gemd.config.host_settings import Location
from gemd.protocol.errors import NotFound
from gemd.protocol.meta_file import Preset
from gemd.protocol.mime import add_parameters, write_languages
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import MAX_META, Answer, Pending, Response
from gemd.protocol.status import Status
from gemd.responders.convert.pages import ConvertedPage
from gemd.responders.directories import guess_sent_type
from gemd.responders.judged import Unjudged
from gemd.responders.location_rules import Rule
from gemd.responders.meta_files import MetaFiles
from gemd.responders.protection import Protection
from gemd.responders.refusals import NOT_FOUND, open_root_of
from gemd.responders.static import NO_RULES, Convert, StaticFiles
from gemd.responders.wrapped import WrappedAnswer


class DescribedFiles(StaticFiles):
    """The responder for files that `meta_files` describe."""

    def __init__(
        self,
        meta_files: MetaFiles,
        mime_table: Mapping[str, str],
        max_listing: int,
        protection: Protection,
        convert: Convert | None = None,
        rules: Mapping[str, Sequence[Rule]] = NO_RULES,
        open_root: Callable[[Location], int] = open_root_of,
    ) -> None:
        super().__init__(mime_table, max_listing, protection, convert, rules, open_root)
        self._meta_files = meta_files
        self._directories.describe_by(self._find_type)

    def _find_type(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> str:
        """The media type by which a file is answered; "" where something else is said in its place."""
        media_type = guess_sent_type(names[-1], location, self._mime_table)
        preset = self._meta_files.find(root, names, location, peer)
        if preset is None:
            return media_type
        return "" if preset.is_header else preset.describe(media_type)

    def _look_up(self, root: int, names: Sequence[str], request: Request, location: Location) -> Answer:
        is_directory = request.url.is_directory
        preset = None if is_directory else self._meta_files.find(root, names, location, request.peer)
        try:
            answer = super()._look_up(root, names, request, location)
        except (NotFound, OSError) as error:
            if isinstance(error, OSError) and error.errno not in NOT_FOUND:
                raise
            if is_directory:
                preset = self._meta_files.find(root, names, location, request.peer)
            if preset is None or not preset.is_header:
                raise
            return Response(preset.status, preset.text)
        return answer if preset is None else describe_answer(answer, preset, location)

    def _answer_index_file(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> Answer | None:
        answer = super()._answer_index_file(root, names, location, peer)
        if answer is None:
            return None
        try:
            preset = self._meta_files.find(root, names, location, peer)
        except Unjudged:
            _let_go(answer)
            raise
        return answer if preset is None else describe_answer(answer, preset, location)


def describe_answer(answer: Answer, preset: Preset, location: Location) -> Answer:
    """The answer with a file, by what is said of it; a refusal or redirect is as it was. What is pending, or was, is a
    page that is made of a file: that has its own type, which has the parameters."""
    if isinstance(answer, Response) and answer.status != Status.SUCCESS:
        return answer
    if preset.is_header:
        _let_go(answer)
        return Response(preset.status, preset.text)
    if preset.is_type and (isinstance(answer, ConvertedPage) or not isinstance(answer, Response)):
        return answer
    if not isinstance(answer, Response):
        return DescribedAnswer(answer, lambda response: describe_answer(response, preset, location))
    meta = _describe_type(answer.meta, preset, location)
    return Response(Status.SUCCESS, meta, answer.body) if len(meta) <= MAX_META else answer


def _let_go(answer: Answer) -> None:
    """Close what is not sent."""
    pending = answer.body if isinstance(answer, Response) else answer
    if not isinstance(pending, bytes):
        pending.close()


def _describe_type(media_type: str, preset: Preset, location: Location) -> str:
    """What a file with this type has, which is the location's."""
    if location.lang is not None:
        media_type = media_type.removesuffix(f"; lang={write_languages(location.lang)}")
    return add_parameters(preset.describe(media_type), lang=None, charset=location.charset)


class DescribedAnswer(WrappedAnswer):
    """A pending answer that comes to be a file, in one piece, of which something is said."""

    def __init__(self, answer: Pending, describe: Callable[[Response], Answer]) -> None:
        super().__init__(answer)
        self._describe = describe

    def settle(self) -> Answer | None:
        """The file, once it is there. Raises what the answer raises."""
        found = self._answer.settle()
        return self._describe(found) if isinstance(found, Response) else found
