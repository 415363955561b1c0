"""Saves whatever is sent to the room: ``file_fetcher.py ADDRESS USERNAME DIRECTORY``.

What is small comes with its message and is saved by the connection itself; what is large is offered, and fetched
by a thread of its own, so that the talk goes on.
"""

import sys
import threading

from chat.client import Attachment, ChatError, Connection, connect


def fetch(room: Connection, offer: Attachment) -> None:
    try:
        path = room.fetch(offer, progress=lambda done, total: None)
    except ChatError as problem:
        print(problem, flush=True)
    else:
        print(f"{offer.sender} sent {path.name!r}, {offer.size} bytes", flush=True)


def main(address: str, username: str, directory: str) -> None:
    with connect(address, username, save_directory=directory) as room:
        print(f"saving what is sent to {directory}", flush=True)
        for event in room:
            if not isinstance(event, Attachment) or event.own:
                continue
            if event.offer is not None:
                threading.Thread(target=fetch, args=(room, event), daemon=True).start()
            elif event.path is not None:
                print(f"{event.sender} sent {event.path.name!r}, {event.size} bytes", flush=True)
            else:
                print(event.problem, flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ChatError as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(0)
