"""What stories of a service share."""

import os

USER = 'user = "root"\n' if os.geteuid() == 0 else ""
