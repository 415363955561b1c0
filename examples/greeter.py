"""Says hello to whoever comes in: ``greeter.py ADDRESS USERNAME``."""

import sys

from chat.client import Joined, connect

with connect(sys.argv[1], sys.argv[2]) as room:
    for event in room:
        if isinstance(event, Joined):
            room.send_text(f"Hello, {event.username}!")
