"""Read paths in the form in which terminals type them when a file is dropped on the window."""

from __future__ import annotations

_FILE_URL = "file://"


def shell_word(text: str) -> str | None:
    """Return what a POSIX shell, or a browser, reads ``text`` as: a path without its quotes and backslashes.

    Return None if ``text`` is no single word of a shell, or if it means itself.
    """
    if text.startswith(_FILE_URL):
        return _path_of(text)
    # A quick exit: only these three characters quote.
    if not any(character in text for character in "\\'\""):
        return None
    import shlex  # takes a while to import, for few paths

    try:
        words = shlex.split(text)
    except ValueError:  # a quote without its end, as in: it's.txt
        return None
    return words[0] if len(words) == 1 and words[0] != text else None


def _path_of(url: str) -> str | None:
    """Return the path in a URL of RFC 8089; None if the file is on another machine."""
    from urllib.parse import unquote  # takes a while to import, for few paths

    host, slash, path = url.removeprefix(_FILE_URL).partition("/")
    return unquote(slash + path) if slash and host in ("", "localhost") else None
