"""The process that searches, with the arguments DIRECTORY and BUDGET: see ``search_process``.

It reads requests from the standard input and writes answers to the standard output. It ends with the server, whatever
becomes of it: then there is no input any more.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from pathlib import Path

from chat.server.history.faults import HistoryFault
from chat.server.history.search.looking import FileSearch, SearchPage
from chat.server.history.search.search_process import read, write
from chat.server.process.helper_process import become_helper


def main(arguments: list[str]) -> None:
    """Answer requests until the server has ended."""
    become_helper()
    search = FileSearch(Path(arguments[0]), float(arguments[1]))
    with (
        open(0, "rb", buffering=0) as requests,
        open(1, "wb", buffering=0) as answers,
        suppress(EOFError, BrokenPipeError),
    ):
        while True:
            answer = _answer(search, read(requests))
            write(answers, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


def _answer(search: FileSearch, request: bytes) -> SearchPage | HistoryFault:
    try:
        return search.find(pickle.loads(request))  # of our own server
    except HistoryFault as problem:
        return problem


if __name__ == "__main__":
    main(sys.argv[1:])
