"""A client that is told over its stdin to log in, and tells on its stdout what came of it: for another namespace."""

from __future__ import annotations

import json
import sys

from tests.peers.wire_client import WireClient


def main() -> None:
    clients = []  # kept, so that none is closed
    for line in sys.stdin:
        host, port, header = json.loads(line)
        client = WireClient((host, port))
        clients.append(client)
        reply = client.try_login(header)
        told = {"type": reply.type, "header": reply.header, "port": client.socket.getsockname()[1]}
        if reply.type == 1:
            told["welcome"] = json.loads(client.read_frame().content)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
