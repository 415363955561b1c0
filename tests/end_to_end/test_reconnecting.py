"""A client that outlives its server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.end_to_end.client_process import (
    CLIENT,
    ENVIRONMENT,
    PATIENCE,
    ClientProcess,
    Collector,
    listening,
)
from tests.end_to_end.server_process import ServerProcess


def test_a_log_that_is_followed_survives_a_restart(tmp_path: Path) -> None:
    """The lines that are written while there is no server arrive after it, once each, in order."""
    log = tmp_path / "app.log"
    log.write_text("")
    first = ServerProcess()
    host, port = first.address
    address = f"{host}:{port}"
    tail = subprocess.Popen(["tail", "-n+1", "-F", str(log)], stdout=subprocess.PIPE)
    client = subprocess.Popen(
        [*CLIENT, f"--address={address}", "--username=logs"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdin=tail.stdout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert client.stdout is not None
    assert client.stderr is not None
    output, errors = Collector(client.stdout.fileno()), Collector(client.stderr.fileno())
    second = None
    try:
        output.wait_for("you are in the room")
        with open(log, "a", buffering=1) as file:
            file.write("line 0\n")
            output.wait_for(r"\[logs\]: line 0$")
            assert first.stop() == 0
            errors.wait_for("Trying again")
            for number in range(1, 50):
                file.write(f"line {number}\n")
            second = ServerProcess(address=address)
            with listening(address, "alice", directory=tmp_path) as alice:
                output.wait_for(r"\[logs\]: line 49$")
                alice.output.wait_for(r"-- logs joined$|with logs$")
                for number in range(50, 100):
                    file.write(f"line {number}\n")
                output.wait_for(r"\[logs\]: line 99$")
                alice.output.wait_for(r"\[logs\]: line 99$")
        tail.terminate()
        assert client.wait(PATIENCE) == 0
        said = [
            line.partition("]: ")[2] for line in output.wait_for_end().splitlines() if "]: " in line
        ]
        assert said == [f"line {number}" for number in range(100)]
    finally:
        for process in (tail, client):
            process.kill()
            process.wait()
        assert "Traceback" not in errors.wait_for_end()
        for stream in (tail.stdout, client.stdout, client.stderr):
            assert stream is not None
            stream.close()
        first.end()
        if second is not None:
            second.end()


def test_a_killed_server_that_comes_back(home: Path) -> None:
    first = ServerProcess()
    host, port = first.address
    address = f"{host}:{port}"
    second = None
    try:
        with ClientProcess(address, "bob", "--json", directory=home) as bob:
            bob.output.wait_for('"welcome"')
            first.end()
            bob.output.wait_for('"disconnected"')
            bob.ask(type="text", text="still here", id=1)
            second = ServerProcess(address=address)
            bob.output.wait_for('"done","id":1')
            bob.end_input()
            assert bob.wait() == 0
            kinds = [each["type"] for each in bob.objects if each["type"] != "disconnected"]
            assert kinds == ["welcome", "welcome", "text", "done"]
    finally:
        first.end()
        if second is not None:
            second.end()
