"""Whether a test may be skipped whose needs are missing, and whether the slow ones of a whole machine are wanted.

Rule: these variables are taken out of the environment, since gemd takes those that begin so for keys.
"""

import os

MAY_SKIP = os.environ.pop("GEMD_TESTS_MAY_SKIP", "yes") != "no"
WANTS_SYSTEM = bool(os.environ.pop("GEMD_SYSTEM_TEST", ""))
