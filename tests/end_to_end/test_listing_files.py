"""Files that were sent before a client came, found by their names and saved, over a restart of the server."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from chat.protocol.descriptor import MessageType
from tests.end_to_end.client_process import ClientProcess
from tests.end_to_end.server_process import running_server
from tests.peers.wire_client import WireClient

PLAN, PHOTO = os.urandom(200_000), os.urandom(1000)


def test_a_file_is_found_and_saved_after_a_restart(tmp_path: Path) -> None:
    options = ("--history=on", f"--data-directory={tmp_path / 'data'}")
    with (
        running_server(*options) as server,
        WireClient.joined(server.address, "alice", inline=0) as alice,
    ):
        for name, content in (("plan [2].pdf", PLAN), ("photo.jpg", PHOTO)):
            alice.send(MessageType.FILE, {"filename": name}, content)
            alice.expect(MessageType.FILE)
    with running_server(*options) as server:
        address = f"{server.address[0]}:{server.address[1]}"
        with ClientProcess(address, "bob", "--plain", "--commands", directory=tmp_path) as bob:
            bob.type("/files\n")
            found = bob.output.wait_for(r"files:\n.*photo\.jpg.*\n.*plan \[2\]\.pdf.*$")[0]
            assert re.search(
                r"(\d)\. plan \[2\]\.pdf \(195 KiB\) from alice, .*: /get \1 saves it", found
            )
            bob.type("/files PLAN\n")
            number = bob.output.wait_for(r"files:\n[ |]*(\d)\. plan")[1]
            bob.type(f"/get {number}\n")
            bob.output.wait_for(r"saved as plan \[2\]\.pdf")
            bob.type("/files nothing\n")
            bob.output.wait_for("no file has this in its name")
        assert (tmp_path / "plan [2].pdf").read_bytes() == PLAN
        with ClientProcess(address, "carol", "--json", directory=tmp_path) as carol:
            carol.ask(type="files", query="photo", id=1)
            line = json.loads(carol.output.wait_for(r'^\{"type":"files".*$')[0])
            [photo] = line["files"]
            assert (photo["filename"], photo["size"], photo["from"]) == ("photo.jpg", 1000, "alice")
            carol.ask(type="get", number=photo["number"], id=2)
            carol.output.wait_for(r'"done","id":2')
        assert (tmp_path / "photo.jpg").read_bytes() == PHOTO
