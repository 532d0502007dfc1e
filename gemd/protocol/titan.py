"""The parameters of an upload ("The Titan Specification"; the parameter `edit` is its proposal "Edit link").

Rules: names are matched exactly and in any order, and each is there at most once; each fault has words of its own,
which never repeat what was sent, for that may be somebody's token.
"""

import re
from urllib.parse import unquote_to_bytes

import msgspec

from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import BadRequest
from gemd.protocol.mime import is_media_type
from gemd.protocol.upload import Upload
from gemd.protocol.url import Url

_SIZE = re.compile("[0-9]{1,15}")
_EDIT = "edit"
_WITH_VALUE = ("size", "mime", "token")


def parse_upload(parameters: str) -> Upload:
    """What they announce; they are raw, without the semicolon before them. Raises BadRequest (59)."""
    if not parameters:
        raise BadRequest("An upload says how much it is, behind the path: ;size=N in bytes")
    given: dict[str, str] = {}
    for parameter in parameters.split(";"):
        name, mark, value = parameter.partition("=")
        if name not in (*_WITH_VALUE, _EDIT):
            raise BadRequest(_explain_unknown(name))
        if name in given:
            raise BadRequest(f"The parameter {name} is there twice")
        if bool(mark) == (name == _EDIT):
            raise BadRequest(f"The parameter {name} needs {'no' if mark else 'a'} value")
        given[name] = value
    if _EDIT in given:
        if len(given) > 1:
            raise BadRequest("The parameter edit stands alone: there is no upload with it")
        return Upload(is_edit=True)
    if "size" not in given:
        raise BadRequest("The parameter size is missing: how many bytes the upload has")
    if not _SIZE.fullmatch(given["size"]):
        raise BadRequest("The parameter size has 1 to 15 digits, and nothing else")
    token = _decode("token", given["token"]) if "token" in given else None
    if "mime" not in given:
        return Upload(int(given["size"]), token=token)
    media_type = _decode("mime", given["mime"])
    if not media_type.isascii() or not is_media_type(media_type):
        raise BadRequest("The parameter mime is no media type, such as text/gemini")
    return Upload(int(given["size"]), media_type, token)


def without_parameters(url: Url) -> Url:
    """The URL, the text of which has no parameters any more: they are in a field of their own."""
    head, mark, query = url.text.partition("?")
    return msgspec.structs.replace(url, text=head.partition(";")[0] + mark + query)


def _explain_unknown(name: str) -> str:
    if "/" in name:
        return "A semicolon begins the parameters, so that one within the path has to be %3B"
    if not name:
        return "A parameter is empty: there is a semicolon too many"
    return "An upload has the parameters size, mime, token and edit, in lower case, and no others"


def _decode(name: str, value: str) -> str:
    """The text of a value that is percent-encoded, once."""
    try:
        text = unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise BadRequest(f"The parameter {name} is not UTF-8") from None
    if is_misleading(text):
        raise BadRequest(f"The parameter {name} has a control character")
    return text
