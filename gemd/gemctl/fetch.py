"""`gemctl fetch`: a small Gemini client, for looking at one's own server.

Rules: redirects are followed and prompts answered only if that is said; what is not the body goes to standard error,
escaped.
"""

import argparse

from gemd.gemctl.answers import explain_header, show_header, take_body
from gemd.gemctl.course import Course
from gemd.gemctl.failure import ExitCode
from gemd.gemctl.gemini_client import Header
from gemd.gemctl.target import Target, parse_target
from gemd.gemctl.terminal import complain
from gemd.gemctl.trust import connect_trusted
from gemd.protocol.status import has_body
from gemd.system.encoding import decode_typed


def fetch(options: argparse.Namespace) -> ExitCode:
    """Fetch the URL. Raises Failure, and CertificateError for a certificate that can't be read."""
    target = parse_target(decode_typed(options.url))
    course = Course(target, options, None if options.input is None else decode_typed(options.input))
    header = _ask(course.options_for(target), target)
    while (following := course.find_next(target, header)) is not None:
        target = following
        header = _ask(course.options_for(target), target)
    complain(*explain_header(header, target), *course.say_what_is_left())
    return ExitCode.OK if has_body(header.status) else ExitCode.FAILED


def _ask(options: argparse.Namespace, target: Target) -> Header:
    """Show what comes. Raises Failure, and CertificateError."""
    with connect_trusted(options, target) as connection:
        header = connection.request(target.url)
        show_header(header)
        if not options.head:
            take_body(header, connection)
        return header
