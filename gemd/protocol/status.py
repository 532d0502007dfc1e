"""Status codes of the Gemini protocol (specification 0.24.1, sections "Status codes" and appendix).

Rule: a code that is not in this table is never sent. Applications find the same table, by the same names, in gemd.app.
"""


class Status:
    """The two digits that begin a response, as plain integers, with the names that Jetforce gave them."""

    INPUT = 10
    SENSITIVE_INPUT = 11
    SUCCESS = 20
    REDIRECT_TEMPORARY = 30
    REDIRECT_PERMANENT = 31
    TEMPORARY_FAILURE = 40
    SERVER_UNAVAILABLE = 41
    CGI_ERROR = 42
    PROXY_ERROR = 43
    SLOW_DOWN = 44
    PERMANENT_FAILURE = 50
    NOT_FOUND = 51
    GONE = 52
    PROXY_REQUEST_REFUSED = 53
    BAD_REQUEST = 59
    CLIENT_CERTIFICATE_REQUIRED = 60
    CERTIFICATE_NOT_AUTHORISED = 61
    CERTIFICATE_NOT_VALID = 62


def asks_for_input(status: int) -> bool:
    """Class 1x: the client is to ask again, with what its user typed as the query."""
    return status // 10 == 1


def has_body(status: int) -> bool:
    """Only the success class (2x) has a body."""
    return status // 10 == 2


def is_redirect(status: int) -> bool:
    """Class 3x: META is where it has gone."""
    return status // 10 == 3


def needs_meta(status: int) -> bool:
    """Input and success (1x and 2x) have no meaning without a META. A redirect may have an empty one, for an empty
    reference is the same page (RFC 3986, 4.1)."""
    return status < 30


MOST_REDIRECTS = 5  # that clients follow one after the other ("Redirection")
DEFINED = frozenset(value for name, value in vars(Status).items() if name.isupper())
REDIRECTS = tuple(sorted(filter(is_redirect, DEFINED)))
