"""Saves whatever is sent to the room: ``file_fetcher.py ADDRESS USERNAME DIRECTORY``.

What is small comes with its message and is saved by the connection itself; what is large is offered, and fetched
by a thread of its own, so that the talk goes on.
"""

import sys
import threading

from chat.client import Attachment, ChatError, Connection, connect


def report(what: object) -> None:
    # A line in one piece: threads may have something to say at the same time.
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def fetch(room: Connection, offer: Attachment) -> None:
    try:
        path = room.fetch(offer, progress=lambda done, total: None)
    except ChatError as problem:
        report(problem)
    else:
        report(f"{offer.sender} sent {path.name!r}, {offer.size} bytes")


def main(address: str, username: str, directory: str) -> None:
    with connect(address, username, save_directory=directory) as room:
        report(f"saving what is sent to {directory}")
        for event in room:
            if not isinstance(event, Attachment) or event.own:
                continue
            if event.offer is not None:
                threading.Thread(target=fetch, args=(room, event), daemon=True).start()
            elif event.path is not None:
                report(f"{event.sender} sent {event.path.name!r}, {event.size} bytes")
            else:
                report(event.problem)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ChatError as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(0)
