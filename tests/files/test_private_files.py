"""Nobody else can read what the programs make, whatever the umask is: all of it is walked."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from chat.client.connection.saving import PartialFile
from chat.client.screen.crash_report import write_report
from chat.client.screen.log_file import LogFile, save
from chat.client.screen.model.entries import Said
from chat.client.screen.model.views import View
from chat.client.trust.known_hosts import KnownHosts
from chat.files.private_files import make_private_directory, private_opener, restrict_mode
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.net.certificates import Certificates
from chat.server.net.listening import listen
from chat.server.settings import Settings
from chat.server.storage.database import Database
from scripts.background import BackgroundServerError, ensure_listening
from tests.end_to_end.screen_stage import staged
from tests.end_to_end.server_process import eventually


@pytest.fixture(params=[0o000, 0o022], ids=oct)
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory for everyone, in a process that takes nothing from the modes of what it makes."""
    with tempfile.TemporaryDirectory(prefix="modes-") as directory:
        before = os.umask(request.param)
        try:
            yield Path(directory)
        finally:
            os.umask(before)


def modes(directory: Path) -> dict[str, str]:
    """Return type and permissions, as ``ls`` shows them, by path."""
    return {
        str(path.relative_to(directory)): stat.filemode(path.lstat().st_mode)
        for path in directory.rglob("*")
    }


def test_directories_with_all_that_lead_there(place: Path) -> None:
    (place / "theirs").mkdir(0o755)
    before = modes(place)
    for _ in range(2):
        make_private_directory(place / "theirs" / "a" / "b")
    private = "drwx------"
    assert modes(place) == {**before, "theirs/a": private, "theirs/a/b": private}


def test_where_a_file_is_there_can_be_no_directory(place: Path) -> None:
    (place / "file").touch()
    for path in (place / "file", place / "file" / "below"):
        with pytest.raises(NotADirectoryError):
            make_private_directory(path)


def test_a_file_that_is_there_keeps_its_mode(place: Path) -> None:
    (place / "shared").touch(0o644)
    (place / "shared").chmod(0o644)
    for name in ("shared", "new"):
        with open(place / name, "a", opener=private_opener) as file:
            file.write("x")
    assert modes(place) == {"shared": "-rw-r--r--", "new": "-rw-------"}


@pytest.mark.parametrize(
    ("mode", "afterwards"),
    [(0o644, 0o600), (0o666, 0o600), (0o604, 0o600), (0o640, 0o640), (0o400, 0o400)],
)
def test_a_secret_is_taken_from_everyone(mode: int, afterwards: int, place: Path) -> None:
    secret = place / "secret"
    secret.touch()
    secret.chmod(mode)
    assert restrict_mode(secret) is (mode != afterwards)
    assert stat.S_IMODE(secret.stat().st_mode) == afterwards
    assert not restrict_mode(secret)


def test_what_the_server_keeps(place: Path) -> None:
    directory = place / "deep" / "data"
    Certificates(Settings(data_directory=directory)).load()
    add_account(Database(directory), parse_user_name("alice"), "hash")
    with listen(Address(path=str(place / "socket")))[0]:
        assert modes(place) == {
            "deep": "drwx------",
            "deep/data": "drwx------",
            "deep/data/server.key": "-rw-------",
            "deep/data/server.crt": "-rw-------",
            "deep/data/chat.db": "-rw-------",
            "socket": "srw-rw----",
        }


def test_secrets_of_the_server_that_everyone_could_read(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(data_directory=place / "data")
    Certificates(settings).load()
    add_account(Database(place / "data"), parse_user_name("alice"), "hash")
    for name in ("server.key", "chat.db"):
        (place / "data" / name).chmod(0o644)
    Certificates(settings).load()
    with Database(place / "data").reading():
        assert set(modes(place / "data").values()) == {"-rw-------"}
    key = place / "data" / "server.key"
    assert (
        caplog.messages.count(f"everyone on this machine could read {key}; its mode is 0600 now")
        == 1
    )


def test_what_the_client_keeps(place: Path) -> None:
    said = Said(datetime.now(timezone.utc), "alice", "for bob alone")
    view = View()
    log = LogFile(view, place / "logs" / "deep" / "room.log")
    view.append(said)
    log.close()
    save([said], place / "saved", lambda: None)
    write_report(ZeroDivisionError(), place / "reports" / "deep")
    KnownHosts(place / "share" / "chat" / "known_hosts").remember(
        Address("chat.example", 1), Fingerprint(bytes(32))
    )
    assert len(modes(place)) == 10
    for path, mode in modes(place).items():
        assert mode in ("drwx------", "-rw-------"), path


def test_a_download_is_as_any_other(place: Path) -> None:
    """Browsers and curl do the same: the umask decides who may read a download."""
    umask = os.umask(0)
    os.umask(umask)
    part = PartialFile(place, "photo.jpg")
    part.write(b"x")
    readable = stat.filemode(stat.S_IFREG | 0o666 & ~umask)
    assert modes(place) == {"photo.jpg.part": readable}
    part.finish()
    assert modes(place) == {"photo.jpg": readable}


def test_what_make_run_keeps(place: Path) -> None:
    address = Address(path=str(place / "nobody"))
    with pytest.raises(BackgroundServerError):
        ensure_listening([address], lambda _: [sys.executable, "-c", "print('no')"], place / "run")
    found = modes(place)
    assert found.pop("run") == "drwx------"
    assert len(found) == 3
    assert set(found.values()) == {"-rw-------"}


def test_the_programs_themselves(tmp_path: Path) -> None:
    """A server and a screen, from their beginnings, with a umask of 0."""
    before = os.umask(0)
    try:
        with staged(tmp_path) as stage:
            stage.bob.command("/log on")
            stage.bob.wait_for("-- the log is written to")
            stage.say("worth keeping")
            stage.bob.wait_for("worth keeping$")
            stage.bob.command("/save kept")
            stage.bob.wait_for("the log is saved as")
            (log,) = tmp_path.rglob("*.log")
            eventually(lambda: "worth keeping" in log.read_text(encoding="utf-8"))
    finally:
        os.umask(before)
    made = {tmp_path / "kept", log, *(each for each in log.parents if tmp_path in each.parents)}
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_command_of_the_operator(tmp_path: Path) -> None:
    command = f"umask 0; {sys.executable} -m chat.server.cli users add alice --data-directory={tmp_path}/a/b"
    root = Path(__file__).resolve().parent.parent.parent
    subprocess.run(
        ["sh", "-c", command], cwd=root, input=b"correct horse\n", check=True, capture_output=True
    )
    assert modes(tmp_path) == {"a": "drwx------", "a/b": "drwx------", "a/b/chat.db": "-rw-------"}
