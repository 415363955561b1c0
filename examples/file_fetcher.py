"""Saves whatever is sent to the room: ``file_fetcher.py ADDRESS USERNAME DIRECTORY``.

A small file comes with its message, and the connection saves it in the background. A large file is offered, and a
thread fetches it. The talk goes on meanwhile.
"""

import sys
import threading
from functools import partial

from chat.client import Attachment, ChatError, Connection, Saving, connect


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


def saved(event: Attachment, saving: Saving) -> None:
    if saving.path is None:
        report(saving.problem)
    else:
        report(f"{event.sender} sent {saving.path.name!r}, {event.size} bytes")


def main(address: str, username: str, directory: str) -> None:
    with connect(address, username, save_directory=directory) as room:
        report(f"saving what is sent to {directory}")
        for event in room:
            if not isinstance(event, Attachment) or event.own:
                continue
            if event.offer is not None:
                threading.Thread(target=fetch, args=(room, event), daemon=True).start()
            elif event.saving is not None:
                event.saving.then(partial(saved, event))
            else:
                report(event.problem)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: file_fetcher.py ADDRESS USERNAME DIRECTORY")
    try:
        main(*sys.argv[1:])
    except (ChatError, ValueError) as problem:  # ValueError: an invalid address
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(0)
