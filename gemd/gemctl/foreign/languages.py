"""The languages of a capsule, as another server is told them.

Rule: what is no language tag is not carried over, as gemd refuses it; the locale that is often meant by it is.
"""

from gemd.config.names_known import is_languages


def judge_language(text: str) -> tuple[str | None, str]:
    """The value of `lang`, None for none, and what is to be said of it."""
    if is_languages(text):
        return text, ""
    tag = text.partition(".")[0].replace("_", "-")
    if is_languages(tag):
        return tag, f"A language tag has hyphens, and no encoding: {tag}."
    return None, "This is no language tag, as en or en-GB is."
