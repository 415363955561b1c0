"""The options of a server that shares its chat with others: values, defaults, and one line for each mistake."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chat.config.command_line import parse_options
from chat.net.address import Address
from chat.net.engine_url import parse_engine_url
from chat.server import cli
from chat.server.config.options import Config, ConfigErrors, read_config
from chat.server.settings import Settings
from tests.package_tree import ROOT
from tests.tables import table

ENGINE = "redis://127.0.0.1:6379/work"
SECRET = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The name of this machine, so to say."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "data"))
    monkeypatch.setattr(socket, "gethostname", lambda: "chat7.example.org")
    return "chat7.example.org"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def config(*arguments: str) -> Config:
    return read_config(parse_options(cli.__doc__ or "", list(arguments), "version"))


def in_cluster(secret: Path, *arguments: str) -> Settings:
    return config(f"--cluster={ENGINE}", f"--peer-secret-file={secret}", *arguments).settings


def problems_of(*arguments: str) -> tuple[str, ...]:
    with pytest.raises(ConfigErrors) as caught:
        config(*arguments)
    assert not any("\n" in problem for problem in caught.value.problems)
    return caught.value.problems


def test_a_server_alone_has_none_of_it() -> None:
    settings = config().settings
    assert settings.cluster is None
    assert (settings.node, settings.peer_address) == ("", None)


def test_what_is_not_said_comes_from_the_machine(secret: Path) -> None:
    settings = in_cluster(secret)
    assert settings.cluster == parse_engine_url(ENGINE)
    assert settings.node == "chat7"
    assert settings.peer_listen == Address("", 8090)
    assert settings.peer_address == Address("chat7.example.org", 8090)
    assert settings.peer_secret_file == secret
    assert settings.public_addresses == ()


def test_everything_can_be_said(secret: Path) -> None:
    settings = in_cluster(
        secret,
        "--node=left",
        "--public-address=left.example.org, [2001:db8::1]:9000",
        "--peer-listen=:7000",
        "--peer-address=10.0.0.1",
    )
    assert settings.node == "left"
    assert settings.public_addresses == (
        Address("left.example.org", 8080),
        Address("2001:db8::1", 9000),
    )
    assert settings.peer_listen == Address("", 7000)
    assert settings.peer_address == Address("10.0.0.1", 8090)


@pytest.mark.parametrize(
    ("listen", "reached"),
    [
        ("127.0.0.1:8091", Address("127.0.0.1", 8091)),
        ("8091", Address("127.0.0.1", 8091)),
        (":8091", Address("chat7.example.org", 8091)),
        ("0.0.0.0:8091", Address("chat7.example.org", 8091)),
        ("[::]:8091", Address("chat7.example.org", 8091)),
        ("10.0.0.1", Address("10.0.0.1", 8090)),
    ],
)
def test_others_reach_a_server_where_it_listens(
    listen: str, reached: Address, secret: Path
) -> None:
    assert in_cluster(secret, f"--peer-listen={listen}").peer_address == reached


def test_a_file_says_the_same(secret: Path, tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(
        f'cluster = "{ENGINE}"\nnode = "left"\npeer-secret-file = "{secret}"\n'
        'public-address = ["a.example.org:1", "b.example.org"]\n'
    )
    settings = config(f"--config={file}").settings
    assert settings.cluster == parse_engine_url(ENGINE)
    assert settings.public_addresses == (
        Address("a.example.org", 1),
        Address("b.example.org", 8080),
    )


# Mistakes


@table(
    ("argument", "expected"),
    [
        ("--cluster=127.0.0.1", "--cluster: invalid engine '127.0.0.1': expected redis://"),
        ("--cluster=redis://u:geheim@h", "--cluster: a password in the URL is visible to others"),
        (
            "--cluster=redis://h?password-file=/no/such",
            "--cluster: cannot read /no/such, which the URL",
        ),
        ("--cluster=rediss://h?ca-file=/no/such", "--cluster: cannot read /no/such, which the URL"),
        ("--node=a b", "--node=a b: expected 1 to 64 of A-Z"),
        ("--node=", "--node=: expected 1 to 64 of A-Z"),
        ("--public-address=:8080", "--public-address: no host in ':8080': expected HOST"),
        ("--public-address=unix:/x", "--public-address: no host in 'unix:/x': expected HOST"),
        ("--public-address=,", "--public-address is empty: expected addresses"),
        ("--public-address=a,b:c", "--public-address: invalid address 'b:c'"),
        ("--peer-listen=unix:/x", "--peer-listen=unix:/x: other machines cannot reach a file"),
        ("--peer-address=:8090", "--peer-address: no host in ':8090'"),
        (
            "--peer-secret-file=/no/such",
            "--peer-secret-file=/no/such: cannot read it (No such file",
        ),
        (
            "--peer-secret-file=/dev/null",
            "--peer-secret-file=/dev/null: its first line is too short",
        ),
        ("--peer-secret-file=/dev/zero", "first line is too long; expected at most 1024 bytes"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_one_line(argument: str, expected: str) -> None:
    [problem] = problems_of(argument)
    assert expected in problem
    assert "geheim" not in problem


def test_a_secret_that_can_be_guessed_is_refused(secret: Path) -> None:
    secret.write_text(f"{SECRET[1:]}\nmore than enough in the second line\n")
    [problem] = problems_of(f"--cluster={ENGINE}", f"--peer-secret-file={secret}")
    assert problem == (
        f"--peer-secret-file={secret}: its first line is too short; expected at least 32 bytes, "
        "as from: openssl rand -hex 32"
    )


def test_a_cluster_needs_a_secret() -> None:
    assert problems_of(f"--cluster={ENGINE}") == (
        "--cluster needs --peer-secret-file, with one secret for all servers of the cluster",
    )


def test_a_cluster_needs_history(secret: Path) -> None:
    assert problems_of(f"--cluster={ENGINE}", f"--peer-secret-file={secret}", "--history=off") == (
        "--cluster needs history: a server starts again from the messages that it keeps",
    )


def test_a_text_fits_into_the_log(secret: Path) -> None:
    assert in_cluster(secret, "--max-text=4M").max_text == 4 << 20
    [problem] = problems_of(f"--cluster={ENGINE}", f"--peer-secret-file={secret}", "--max-text=5M")
    assert (
        problem == "--max-text: a text travels through the log; expected at most 4M with --cluster"
    )
    assert config("--max-text=5M").settings.max_text == 5 << 20


@pytest.mark.parametrize("missing", ["redis", "hiredis"])
def test_a_cluster_needs_its_extra(
    missing: str, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "chat.server.config.cluster_options.find_spec", lambda name: None if name == missing else 1
    )
    assert problems_of(f"--cluster={ENGINE}", f"--peer-secret-file={secret}") == (
        "--cluster needs a package that is missing; install it with: pip install '.[cluster]'",
    )


@pytest.mark.parametrize(
    "other",
    ["--address=:8090", "--metrics-address=:8090"],
)
def test_a_port_is_for_one_thing(other: str, secret: Path) -> None:
    [problem] = problems_of(f"--cluster={ENGINE}", f"--peer-secret-file={secret}", other)
    name = other.partition("=")[0]
    assert problem == f"--peer-listen=:8090: {name} uses this address; expected another"


@pytest.mark.parametrize(
    ("name", "complaints"),
    [
        ("büro", ("--node is missing: the host name 'büro' cannot be the name of a server",)),
        ("a..b", ("--peer-address is missing: the host name 'a..b' is no address",)),
    ],
)
def test_a_host_name_that_is_of_no_use(
    name: str, complaints: tuple[str, ...], secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert problems_of(f"--cluster={ENGINE}", f"--peer-secret-file={secret}") == complaints
    assert in_cluster(secret, "--node=a", "--peer-address=b").node == "a"


def test_a_check_tries_to_listen(secret: Path) -> None:
    [problem] = problems_of(
        "--check",
        "--address=127.0.0.1:0",
        f"--cluster={ENGINE}",
        f"--peer-secret-file={secret}",
        "--peer-listen=192.0.2.1:80",
    )
    assert problem.startswith("--peer-listen=192.0.2.1:80: cannot listen there (")


# Warnings


def test_secrets_that_everyone_can_read(secret: Path, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("of the engine")
    arguments = [f"--cluster={ENGINE}?password-file={password}", f"--peer-secret-file={secret}"]
    for path in (secret, password):
        path.chmod(0o640)
    assert config(*arguments).warnings == ()
    for path in (secret, password):
        path.chmod(0o644)
    assert config(*arguments).warnings == (
        f"{secret} can be read by all users of this machine",
        f"{password} can be read by all users of this machine",
    )


def test_settings_of_a_cluster_without_one() -> None:
    assert config("--node=left", "--peer-listen=:1").warnings == (
        "--node has no effect: there is no --cluster",
        "--peer-listen has no effect: there is no --cluster",
    )


def test_a_server_alone_loads_nothing_for_it() -> None:
    code = (
        "import sys; from chat.server.config.options import read_config; read_config({});"
        "print(*sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not [name for name in found.stdout.split() if name.startswith("chat.server.cluster")]
