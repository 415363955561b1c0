"""Joins two rooms into one: ``bridge.py ADDRESS OTHER_ADDRESS USERNAME``.

On gevent: a greenlet reads each room, and either may send to the other.
"""

import sys

import gevent

from chat.client import ChatError, Connection, Text, connect
from chat.client.gevent_runtime import GEVENT


def carry(source: Connection, target: Connection) -> None:
    """Say there what is said to everyone here."""
    for event in source:
        if isinstance(event, Text) and not event.own and event.to is None:
            target.send_text(f"{event.sender}: {event.text}")


def main(address: str, other_address: str, username: str) -> None:
    with (
        connect(address, username, runtime=GEVENT) as one,
        connect(other_address, username, runtime=GEVENT) as other,
    ):
        print("both rooms are one", flush=True)
        ways = [gevent.spawn(carry, one, other), gevent.spawn(carry, other, one)]
        gevent.joinall(ways, raise_error=True, count=1)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: bridge.py ADDRESS OTHER_ADDRESS USERNAME")
    try:
        main(*sys.argv[1:])
    except (ChatError, ValueError) as problem:  # ValueError: an invalid address
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(0)
