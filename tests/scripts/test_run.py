"""``make run`` and its environment."""

import pytest

from chat.net.address import parse_address
from scripts.run import is_here, login_name


@pytest.mark.parametrize(
    ("login", "name"),
    [
        ("alice", "alice"),
        ("алиса", "алиса"),
        ("CORP\\bob.smith", "CORPbob.smith"),
        ("_apt", "apt"),
        ("o'brien", "obrien"),
        ("x" * 40, "x" * 32),
        ("$$$", "guest"),
        ("server", "guest"),
        ("Ѕerver", "guest"),
    ],
)
def test_the_login_name_becomes_a_user_name(
    login: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USERNAME", raising=False)
    monkeypatch.setenv("LOGNAME", login)
    assert login_name() == name


def test_a_user_without_an_entry_is_a_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert login_name() == "guest"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:8080",
        "127.1.2.3:1",
        "localhost:8080",
        ":8080",
        "0.0.0.0:80",
        "[::1]:8080",
        "[::]:1",
        "unix:/run/chat",
    ],
)
def test_a_server_for_these_addresses_would_be_here(text: str) -> None:
    assert is_here(parse_address(text))


@pytest.mark.parametrize("text", ["chat.example:8080", "192.0.2.1:8080", "[2001:db8::1]:8080"])
def test_a_server_for_these_is_somewhere_else(text: str) -> None:
    assert not is_here(parse_address(text))
