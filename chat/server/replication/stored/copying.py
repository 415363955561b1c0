"""Copy the data of a server that runs, for another one, in a process of its own.

In a thread of the server, SQLite and the event loop would wait for each other: Python executes one thread at a time.
The program has the arguments DIRECTORY and INTO. It ends with the server: then its input ends. It prints a line if it
cannot make the copy.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

from chat.server.history.copies import copy_database
from chat.server.history.faults import HistoryFault
from chat.server.history.reader import FILE_NAME as HISTORY_FILE
from chat.server.process.helper_process import become_helper, helper_command, helper_environment
from chat.server.storage.database import FILE_NAME as DATABASE_FILE

_PROGRAM = "chat.server.replication.stored.copying"


def copy_data(directory: Path, into: Path) -> None:
    """Put a copy of the data in ``directory``, where a server may run, into the directory ``into``.

    Waits for the process; called in a thread. Raises HistoryFault.
    """
    try:
        process = subprocess.Popen(
            helper_command(_PROGRAM, str(directory), str(into)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=helper_environment(),
        )
    except OSError as problem:
        raise HistoryFault(f"cannot start a copy: {problem.strerror or problem}") from None
    with process:
        assert process.stdout is not None
        told = process.stdout.read().decode(errors="replace").strip()
    if process.returncode:
        raise HistoryFault(told or f"the copy has ended with status {process.returncode}")


def main(arguments: list[str]) -> int:
    """Copy; return the exit status."""
    become_helper()
    Thread(target=_end_with_the_server, daemon=True).start()
    directory, into = map(Path, arguments)
    try:
        # The history is copied last: so it is not behind the place in the database.
        for name in (DATABASE_FILE, HISTORY_FILE):
            # It is sent, and removed. So it need not survive a power loss here.
            in_turns = name == HISTORY_FILE
            copy_database(directory / name, into / name, lasts=False, in_turns=in_turns)
    except HistoryFault as fault:
        print(fault)
        return 1
    return 0


def _end_with_the_server() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
