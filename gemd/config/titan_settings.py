"""The settings of uploads by Titan: who may write in a location, how much, and of which types."""

from typing import Annotated, Literal

from msgspec import Meta

from gemd.config.types import CAFile, Settings, Text

UploadSize = Annotated[int, Meta(ge=1, le=10**15 - 1, description="a whole number of bytes, at least 1")]
# What nobody is shown who is told of a mistake.
Tokens = Annotated[tuple[Text, ...], Meta(description="a list of texts", extra={"is_secret": True})]


class TitanSettings(Settings, frozen=True):
    """A `titan` table. `allow` is whose certificate lets them write, None for nobody's, and `public` that none is asked
    for; `tokens` are passwords, one of which is needed besides where there are any."""

    allow: Literal["any"] | tuple[Text, ...] | CAFile | None = None
    max_size: UploadSize = 10 * 1024**2
    types: tuple[Text, ...] = ("text/gemini", "text/plain")
    tokens: Tokens = ()
    delete: bool = False
    edit: bool = True
    mkdir: bool = False
    public: bool = False

    def allows_type(self, media_type: str) -> bool:
        """Whether something of this type may be uploaded. Parameters and upper case don't matter."""
        wanted = media_type.partition(";")[0].strip().lower()
        return wanted in self.types or wanted.partition("/")[0] + "/*" in self.types or "*/*" in self.types
