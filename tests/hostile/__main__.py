"""Attacks of full size on the real server: ``python -m tests.hostile [ATTACK...]``.

Bounded in count and time: about four minutes, on loopback. Prints for each attack what the two users inside saw, and
what it cost the log; ends with 1 if one of their texts was lost or something was not given back.
"""

from __future__ import annotations

import os
import sys
import time

from tests.end_to_end.server_process import running_server
from tests.hostile import attack_run as attack_run_module
from tests.hostile import trouble
from tests.hostile.attacks import ATTACKS, Attack, connection_flood
from tests.hostile.crowds import crowds
from tests.hostile.witnesses import witnesses_on

FLOOD, COUNT, SECONDS = 5000, 600, 8.0


def main(names: list[str]) -> int:
    lost = 0
    for scene in (*trouble.SCENES, crowds):
        if not names or scene.__name__ in names:
            try:
                lost += scene()
            except trouble.LeftOut as problem:
                print(f"{scene.__name__.replace('_', ' ')}: left out, {problem}")
    chosen = [
        pair
        for pair in attack_run_module.numbered(ATTACKS)
        if not names or pair[1].__name__ in names
    ]
    return 1 if lost + (attack_all(chosen) if chosen else 0) else 0


def attack_all(chosen: list[tuple[int, Attack]]) -> int:
    """Run one attack after the other on one server; return how many texts were lost."""
    lost = connections = 0
    with (
        running_server(*attack_run_module.OPTIONS, "--login-timeout=5") as server,
        witnesses_on(server.address[1]) as witnesses,
    ):
        os.nice(
            10
        )  # attackers have processors of their own, and take none from the server and its users
        print(f"{'quiet':70s}{attack_run_module.quiet(witnesses, 10)}", flush=True)
        before, began = attack_run_module.resources_of(server), len(server.log)
        for first, attack in chosen:
            count = FLOOD if attack is connection_flood else COUNT
            outcome = attack_run_module.run_attack(
                server, witnesses, attack, count=count, seconds=SECONDS, first=first
            )
            connections += outcome.connections
            lost += outcome.phase.lost
            print(outcome, flush=True)
        time.sleep(62)  # the log's counts are told once a minute
        each = (len(server.log) - began) / connections
        print(f"in all {connections} connections, {each:.1f} log bytes each with all counts")
        print(f"before: {before}\nafter:  {attack_run_module.resources_of(server)}")
        print(f"{'quiet again':70s}{attack_run_module.quiet(witnesses, 10)}", flush=True)
    return lost


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
