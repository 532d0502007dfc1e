"""What a location may answer with."""

import enum
from collections.abc import Collection


class Answer(enum.Enum):
    """In the order in which they are tried, each by the key that says so."""

    REDIRECT = "redirect"
    GONE = "gone"
    CGI = "cgi"
    APP = "app"
    FILES = "root"

    def is_about(self, key: str) -> bool:
        """Whether the key is this answer's alone: for an application `app` itself, `app-path` and the like."""
        return key == self.value or key.startswith(f"{self.value}-") or (self is Answer.APP and key == "preload")

    def passes_to(self, others: Collection["Answer"]) -> bool:
        """Whether a location that has these answers of its own has its host's too.

        A redirect is for one path; files and scripts are for all that is below the root; anything else holds until
        there is something in its place.
        """
        if self in (Answer.REDIRECT, Answer.GONE):
            return False
        return self in (Answer.FILES, Answer.CGI) or not others
