"""Follow a log as a process of its own: ``following_program PORT NAME``.

Appends a record every few milliseconds, until the log ends or a line comes on stdin. Each line of the output is a JSON
array: ``["began", INCARNATION]``, ``["appended", RECORD]``, ``["applied", n]`` or ``["standing", WORD]``.
"""

from __future__ import annotations

import json
import sys

import gevent
from gevent.select import select

from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.cluster.log_entry import LogEntry
from chat.server.cluster.replicated_log import ReplicatedLog
from chat.server.cluster.standing import Standing
from chat.server.log.log import LogClosed
from tests.server.cluster.servers import EPOCH, HASTY, PREFIX


def main() -> None:
    port, name = sys.argv[1:]

    def write(*words: str | int) -> None:
        print(json.dumps(words), flush=True)

    def apply(entry: LogEntry) -> None:
        write("applied", entry.id.n)

    def tell(standing: Standing, reason: str) -> None:
        write("standing", standing.value)

    url = EngineUrl((Address("127.0.0.1", int(port)),), prefix=PREFIX)
    log = ReplicatedLog(url, name, EPOCH, apply=apply, tell=tell, limits=HASTY)
    write("began", log.incarnation)
    log.start()
    number = 0
    while not select([sys.stdin], [], [], 0.005)[0]:
        number += 1
        record = f"{name} {number}"
        try:
            log.append(record.encode())
        except LogClosed:
            break
        write("appended", record)
    gevent.sleep(0)
    log.close(5.0)


if __name__ == "__main__":
    main()
