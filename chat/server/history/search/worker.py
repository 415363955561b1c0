"""The process that searches, with the arguments DIRECTORY and BUDGET: see ``search_process``.

It reads requests from the standard input and writes answers to the standard output. It ends with the server, whatever
becomes of it: then there is no input any more.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from contextlib import suppress
from pathlib import Path

from chat.server.history.faults import HistoryFault
from chat.server.history.search.looking import FileSearch, SearchPage
from chat.server.history.search.search_process import read, write

# Those who talk come before those who search.
_NICENESS = 10
# Meant for the server, which ends this process: a signal such as Ctrl-C goes to the whole group.
_MEANT_FOR_THE_SERVER = (
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def main(arguments: list[str]) -> None:
    """Answer requests until the server has ended."""
    for number in _MEANT_FOR_THE_SERVER:
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # where a sandbox forbids it
        os.nice(_NICENESS)
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
