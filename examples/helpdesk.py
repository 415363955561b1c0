"""Passes questions on: ``helpdesk.py ADDRESS USERNAME QUESTIONS STAFF``.

It is in two rooms, which it makes if there are none. It passes questions of the room QUESTIONS on to the room STAFF,
and passes back each answer there that begins with the name of a user: "alice: try again".
"""

import sys
import threading

from chat.client import ChatError, Room, Text, connect

if len(sys.argv) != 5:
    sys.exit("usage: helpdesk.py ADDRESS USERNAME QUESTIONS STAFF")


def pass_on(source: Room, target: Room) -> None:
    """Pass on what users ask, until this program leaves."""
    for event in source:
        if isinstance(event, Text) and not event.own:
            target.send_text(f"{event.sender} asks: {event.text}"[:10_000])


def pass_back(source: Room, target: Room) -> None:
    """Pass answers back to users who are there."""
    for event in source:
        if isinstance(event, Text) and not event.own:
            name, _, answer = event.text.partition(": ")
            if answer and name in target.users:
                target.send_text(f"{name}: {answer}")


try:
    with connect(sys.argv[1], sys.argv[2], rooms=()) as connection:
        questions, staff = connection.join(sys.argv[3]), connection.join(sys.argv[4])
        print(f"in {questions.name} and {staff.name}", flush=True)
        threading.Thread(target=pass_on, args=(questions, staff), daemon=True).start()
        # The loops over two rooms take turns in reading; neither takes what is for the other.
        pass_back(staff, questions)
except (ChatError, ValueError) as problem:  # ValueError: an invalid address
    sys.exit(str(problem))
except KeyboardInterrupt:
    sys.exit(0)
