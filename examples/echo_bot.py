"""Answers everyone with their own words, privately if spoken to so: ``echo_bot.py ADDRESS USERNAME``.

It comes back after the server was restarted, and ends quietly on Ctrl-C.
"""

import sys
import time

from chat.client import ChatError, ConnectionLost, Text, connect


def answer(address: str, username: str) -> None:
    """Until the connection is lost."""
    with connect(address, username) as room:
        print(f"{room.username} is in a room with {len(room.users) - 1} others", flush=True)
        for event in room:
            if isinstance(event, Text) and not event.own:
                private = event.to is not None
                room.send_text(event.text, to=event.sender if private else None)


def main(address: str, username: str) -> None:
    while True:
        try:
            answer(address, username)
        except ConnectionLost as problem:
            print(f"{problem} Trying again.", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: echo_bot.py ADDRESS USERNAME")
    try:
        main(*sys.argv[1:])
    except (ChatError, ValueError) as problem:  # ValueError: an invalid address
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(0)
