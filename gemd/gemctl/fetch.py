"""`gemctl fetch`: a small Gemini client, for looking at one's own server.

Rules: redirects are shown, not followed; what is not the body goes to standard error, escaped.
"""

import argparse

from gemd.gemctl.answers import explain_header, show_header, take_body
from gemd.gemctl.failure import ExitCode
from gemd.gemctl.target import parse_target
from gemd.gemctl.terminal import complain
from gemd.gemctl.trust import connect_trusted
from gemd.protocol.status import has_body
from gemd.system.encoding import decode_typed


def fetch(options: argparse.Namespace) -> ExitCode:
    """Fetch the URL. Raises Failure, and CertificateError for a certificate that can't be read."""
    target = parse_target(decode_typed(options.url))
    with connect_trusted(options, target) as connection:
        header = connection.request(target.url)
        show_header(header)
        if not options.head:
            take_body(header, connection)
        complain(*explain_header(header, target))
    return ExitCode.OK if has_body(header.status) else ExitCode.FAILED
