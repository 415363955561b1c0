from __future__ import annotations

import stat
import threading
from pathlib import Path

import platformdirs
import pytest

from chat.client.trust.known_hosts import Known, KnownHosts, KnownHostsError, host_name
from chat.net.address import Address, parse_address
from chat.net.fingerprint import fingerprint_of_key

ONE, TWO = fingerprint_of_key(b"one"), fingerprint_of_key(b"two")
SERVER = Address("chat.example", 8080)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "known_hosts"


def write(path: Path, text: str) -> KnownHosts:
    path.parent.mkdir()
    path.write_text(text)
    return KnownHosts(path)


def test_without_a_file_nobody_is_known(path: Path) -> None:
    assert not KnownHosts(path).find(SERVER)


def test_what_is_remembered_is_found(path: Path) -> None:
    KnownHosts(path).remember(SERVER, ONE)
    KnownHosts(path).remember(Address("chat.example", 8081), TWO)
    KnownHosts(path).remember(Address("other.example", 8080), None)
    assert path.read_text() == (
        f"chat.example:8080 {ONE}\nchat.example:8081 {TWO}\nother.example:8080 authority\n"
    )
    assert KnownHosts(path).find(SERVER) == Known((ONE,))
    assert KnownHosts(path).find(Address("other.example", 8080)) == Known(by_authority=True)
    assert not KnownHosts(path).find(Address("another.example", 8080))


def test_remembering_twice_is_one_line(path: Path) -> None:
    KnownHosts(path).remember(SERVER, ONE)
    KnownHosts(path).remember(SERVER, ONE)
    assert path.read_text() == f"chat.example:8080 {ONE}\n"


def test_it_is_for_the_user_alone(path: Path) -> None:
    KnownHosts(path).remember(SERVER, ONE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["known_hosts"]


def test_what_somebody_wrote_by_hand(path: Path) -> None:
    known = write(
        path, f"# mine\n\n  Chat.Example:8080\t{ONE}  # the old one\nchat.example:8080 {TWO}"
    )
    assert known.find(SERVER) == Known((ONE, TWO))
    known.remember(Address("new.example", 1), ONE)
    assert path.read_text().startswith("# mine\n\n  Chat.Example")
    assert known.find(SERVER) == Known((ONE, TWO))


@pytest.mark.parametrize(
    "line", ["chat.example:8080", "chat.example:8080 SHA256:abc", f"{ONE} a b"]
)
def test_a_line_that_makes_no_sense_is_not_passed_over(path: Path, line: str) -> None:
    known = write(path, f"a.example:1 {ONE}\n{line}\n")
    with pytest.raises(KnownHostsError, match=r"known_hosts: line 2: expected HOST:PORT"):
        known.find(SERVER)


def test_what_is_no_text(path: Path) -> None:
    known = write(path, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KnownHostsError, match="expected a text in UTF-8"):
        known.find(SERVER)


def test_what_is_too_long(path: Path) -> None:
    known = write(path, "#" * (1 << 20))
    with pytest.raises(KnownHostsError, match="too large"):
        known.find(SERVER)


def test_what_can_not_be_read_is_not_taken_for_empty(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(KnownHostsError, match="can't be read: Is a directory"):
        KnownHosts(path).find(SERVER)


def test_what_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KnownHostsError, match=r"can't be (written|read)"):
        KnownHosts(tmp_path / "file" / "known_hosts").remember(SERVER, ONE)


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    known = write(path, "")
    kept = tmp_path / "kept"
    kept.write_text("# kept elsewhere\n")
    path.unlink()
    path.symlink_to(kept)
    known.remember(SERVER, ONE)
    assert path.is_symlink()
    assert kept.read_text() == f"# kept elsewhere\nchat.example:8080 {ONE}\n"


def test_those_who_write_at_once_lose_nothing(path: Path) -> None:
    def remember(number: int) -> None:
        KnownHosts(path).remember(Address("chat.example", number), ONE)

    threads = [threading.Thread(target=remember, args=[number]) for number in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(path.read_text().splitlines()) == 20


def test_the_usual_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, **_: tmp_path / name)
    assert KnownHosts().path == tmp_path / "chat" / "known_hosts"


def test_a_user_without_a_home_knows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, **_: Path("~") / name)
    assert not KnownHosts().find(SERVER)
    with pytest.raises(KnownHostsError, match=r"^known_hosts can't be written: no home .*HOME\.$"):
        KnownHosts().remember(SERVER, ONE)


def test_below_a_file_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    known_hosts = KnownHosts(tmp_path / "file" / "chat" / "known_hosts")
    assert not known_hosts.find(SERVER)
    with pytest.raises(KnownHostsError, match="can't be written: "):
        known_hosts.remember(SERVER, ONE)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("Chat.Example.:8080", "chat.example:8080"),
        ("[2001:DB8:0::1]:80", "[2001:db8::1]:80"),
        ("192.0.2.7:80", "192.0.2.7:80"),
        (":80", "localhost:80"),
        ("unix:/run/a b", "unix:/run/a%20b"),
    ],
)
def test_one_spelling_for_each(address: str, name: str) -> None:
    assert host_name(parse_address(address)) == name
