"""Configurations of other servers, made into gemd's: `gemctl config import`.

Rules: a line of the original becomes a setting that means the same, or a comment that shows it and says why not; nobody
sees more than before; the same original gives the same text.
"""
