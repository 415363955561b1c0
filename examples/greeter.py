"""Says hello to whoever comes in: ``greeter.py ADDRESS USERNAME``."""

import sys

from chat.client import ChatError, Joined, connect

if len(sys.argv) != 3:
    sys.exit("usage: greeter.py ADDRESS USERNAME")
try:
    with connect(sys.argv[1], sys.argv[2]) as room:
        for event in room:
            if isinstance(event, Joined):
                room.send_text(f"Hello, {event.username}!")
except (ChatError, ValueError) as problem:  # ValueError: an invalid address
    sys.exit(str(problem))
except KeyboardInterrupt:
    sys.exit(0)
