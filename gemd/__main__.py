"""The command `gemd`: what has to come before everything else, and then the command itself.

Rule: signals wait from the first instruction on, until somebody can obey them.
"""

import gc
import os
import sys

from gemd.requirements import explain_import_error
from gemd.system.last_words import heed_predecessor, tell_predecessor
from gemd.system.signals import block_signals


def main() -> int:
    """Run gemd with the arguments of this process; return its exit code."""
    block_signals()
    heed_predecessor(os.environ)
    gc.disable()  # what is imported stays: looking again and again for what of it is garbage takes 10 ms
    try:
        from gemd.startup.first_look import wants_tickets
        from gemd.system.openssl import WITH_TICKETS, WITHOUT_TICKETS, load_openssl

        # Before whatever needs it.
        load_openssl(WITH_TICKETS if wants_tickets(sys.argv[1:]) else WITHOUT_TICKETS)

        from gemd.startup.command import run
    except ImportError as error:
        reason = explain_import_error(error)
        tell_predecessor([reason])
        sys.exit(f"gemd: {reason}")
    gc.freeze()
    gc.enable()
    return run()


if __name__ == "__main__":
    sys.exit(main())
