"""Each option of the server, from the command line and from a file, and one line for each error."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from chat.config.command_line import parse_options
from chat.config.options import Kind, Option
from chat.net.address import Address
from chat.server import cli
from chat.server.config.options import OPTIONS, Config, ConfigErrors, read_config
from chat.server.settings import Rate, Settings, TlsMode
from tests.peers.certificates import make_identity
from tests.tables import table

HELP = cli.__doc__ or ""


@pytest.fixture(autouse=True)
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default one."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "data"))
    return tmp_path / "data"


def config(*arguments: str) -> Config:
    return read_config(parse_options(HELP, list(arguments), "version"))


def settings(*arguments: str) -> Settings:
    """Return the settings with which the server would run."""
    return config(*arguments).settings


def config_errors(*arguments: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        config(*arguments)
    problems = list(caught.value.problems)
    assert not any("\n" in problem for problem in problems)
    return problems


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    identity = make_identity(tmp_path)
    identity.key.chmod(0o600)
    return identity.certificate, identity.key


# Each option


def test_without_options_the_settings_are_the_defaults(data_directory: Path) -> None:
    assert settings() == Settings(tls=TlsMode.OPTIONAL, data_directory=data_directory)
    assert (config().log_level, config().warnings) == ("info", ())


def test_each_option_is_a_setting(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    motd = tmp_path / "motd.txt"
    motd.write_text("  Willkommen, привет!\nSecond line.\n\n", encoding="utf-8")
    password = tmp_path / "password"
    password.write_text("open sésame \r\nnot this\n", encoding="utf-8")
    cert, key = certificate

    assert settings(
        "--address=[::1]:9000",
        f"--data-directory={tmp_path}",
        f"--spool-directory={tmp_path}",
        "--tls=required",
        f"--tls-cert={cert}",
        f"--tls-key={key}",
        "--members-only",
        f"--password-file={password}",
        "--no-register",
        "--max-users=5",
        "--max-sessions=3",
        "--max-per-address=6",
        "--max-connects=3",
        "--max-logins=4",
        "--exempt=10.0.0.0/8, 2001:db8::/32,192.0.2.1",
        "--proxy=10.1.0.0/16,::1",
        "--login-timeout=7",
        f"--motd={motd}",
        "--max-text=8",
        "--max-file=9K",
        "--max-spool=10m",
        "--max-backlog=11M",
        "--max-backlog-total=12G",
        "--rate=13/14",
        "--byte-rate=15K/16M",
        "--metrics-address=:9100",
    ) == Settings(
        address=Address("::1", 9000),
        data_directory=tmp_path,
        spool_directory=tmp_path,
        tls=TlsMode.REQUIRED,
        tls_cert=cert,
        tls_key=key,
        members_only=True,
        password="open sésame ",
        register=False,
        max_users=5,
        max_sessions=3,
        max_per_address=6,
        max_connects=3,
        max_logins=4,
        exempt=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("192.0.2.1/32")),
        proxies=(ip_network("10.1.0.0/16"), ip_network("::1/128")),
        login_timeout=7,
        motd="Willkommen, привет!\nSecond line.",
        max_text=8,
        max_file=9 * 1024,
        max_spool=10 * 1024**2,
        max_backlog=11 * 1024**2,
        max_backlog_total=12 * 1024**3,
        rate=Rate(13, 14),
        byte_rate=Rate(15 * 1024, 16 * 1024**2),
        metrics_address=Address("", 9100),
    )


@pytest.mark.parametrize(
    ("options", "rate", "byte_rate"),
    [
        (["--rate=5"], (5, 5), (256 * 1024, 1024**2)),
        (["--rate=0"], None, None),
        (["--rate=0/7"], None, None),
        (["--byte-rate=0"], (50, 200), None),
        (["--rate=0", "--byte-rate=1K"], None, None),
        (["--rate=5/1", "--byte-rate=1K"], (5, 1), (1024, 1024)),
    ],
)
def test_a_rate_of_zero_is_none_for_messages_and_then_for_bytes_too(
    options: list[str], rate: tuple[int, int] | None, byte_rate: tuple[int, int] | None
) -> None:
    read = settings(*options)

    assert read.rate == rate
    assert read.byte_rate == byte_rate


@pytest.mark.parametrize("networks", ["", " ", ",", " , "])
def test_nothing_may_be_exempt(networks: str) -> None:
    assert settings(f"--exempt={networks}").exempt == ()


@pytest.mark.parametrize(("data", "motd"), [(b" \n", None), (b"x" * 16384, "x" * 16384)])
def test_words_of_welcome_may_be_empty_or_just_fit(
    tmp_path: Path, data: bytes, motd: str | None
) -> None:
    path = tmp_path / "motd.txt"
    path.write_bytes(data)

    assert settings(f"--motd={path}").motd == motd


# The table and the document


def test_the_options_are_those_of_the_document() -> None:
    documented = parse_options(HELP, [], "version")
    names = {name.removeprefix("--") for name in documented if name.startswith("--")}
    assert names - {"help", "version"} == {option.name for option in OPTIONS}
    for option in OPTIONS:
        takes_words = documented[f"--{option.name}"] is None
        assert takes_words or option.kind is Kind.SWITCH


def test_the_defaults_are_those_of_the_document() -> None:
    """docopt must not fill them in: it could not be told any more what was given."""
    assert "[default:" not in HELP
    defaults = {"log_level": "info", **vars(settings())}
    for option in OPTIONS:
        check_default(option, defaults.get(option.field))


def check_default(option: Option, default: object) -> None:
    [text] = re.findall(
        rf"^  --{option.name}(?![-\w])(.*?)(?=\n\n|\n  -)", HELP, flags=re.MULTILINE | re.DOTALL
    )
    stated = re.search(r"\(default:\s+([^\s;]+)\)", text)
    if stated:
        assert option.parse(stated[1], option.name) == default, option.name
    else:
        has_none = option.name in ("data-directory", "no-register", "node")
        assert has_none or default in (None, False, ()), option.name


# Errors


@table(
    ("argument", "expected"),
    [
        ("--address=a:b", "--address: invalid address 'a:b': expected HOST, HOST:PORT"),
        ("--address=80800", "expected HOST, HOST:PORT"),
        ("--address=localhost:65536", "a port from 0 to 65535"),
        ("--address=::1:8080", "expected brackets"),
        ("--address=unix:", "unix:PATH"),
        ("--metrics-address=host", "--metrics-address: invalid address 'host': expected HOST:PORT"),
        ("--metrics-address=127.0.0.1:8080", "the chat uses this address; expected another"),
        ("--max-users=0", "--max-users=0: expected a whole number, 1 or more"),
        ("--max-users=many", "--max-users=many: expected a whole number"),
        ("--max-users=-1", "expected a whole number"),
        ("--max-per-address=1.5", "--max-per-address=1.5: expected a whole number"),
        ("--max-connects=0", "--max-connects=0: expected a whole number, 1 or more"),
        ("--max-logins=x", "--max-logins=x: expected a whole number, 1 or more"),
        ("--login-timeout=0", "--login-timeout=0: expected a whole number, 1 or more"),
        ("--login-timeout=", "expected a whole number"),
        ("--exempt=10.0.0.1/8", "--exempt=10.0.0.1/8: expected networks such as"),
        ("--exempt=localhost", "expected networks such as"),
        ("--proxy=haproxy", "--proxy=haproxy: expected networks such as"),
        ("--max-text=0", "--max-text=0: expected a size of at least one byte"),
        ("--max-text=64KB", "--max-text=64KB: expected a size such as"),
        ("--max-file=-1", "--max-file=-1: expected a size such as"),
        ("--max-spool=1T", "--max-spool=1T: expected a size such as"),
        ("--max-backlog=", "--max-backlog=: expected a size such as"),
        ("--max-backlog-total=x", "--max-backlog-total=x: expected a size such as"),
        ("--rate=fast", "--rate=fast: expected 0, RATE or RATE/BURST such as"),
        ("--rate=50/", "--rate=50/: expected 0, RATE or RATE/BURST"),
        ("--rate=/50", "--rate=/50: expected 0, RATE or RATE/BURST"),
        ("--rate=50/0", "--rate=50/0: expected 0, RATE or RATE/BURST"),
        ("--byte-rate=1/2/3", "--byte-rate=1/2/3: expected 0, RATE or RATE/BURST"),
        ("--spool-directory=/no/such", "--spool-directory=/no/such: expected a directory"),
        ("--spool-directory=", "--spool-directory is empty: expected a directory"),
        ("--spool-directory=/etc/passwd", "expected a directory to write to"),
        ("--motd=", "--motd is empty: expected a file with the welcome text"),
        ("--motd= ", "--motd is empty: expected a file with the welcome text"),
        ("--data-directory=", "--data-directory is empty: expected a directory to keep accounts"),
        ("--data-directory=/etc/passwd", "/etc/passwd is not a directory"),
        ("--data-directory=/dev/null/a/b", "/dev/null is not a directory"),
        ("--motd=/no/such", "--motd=/no/such: cannot read it (No such file"),
        ("--motd=/", "--motd=/: cannot read it (Is a directory)"),
        ("--motd=/dev/zero", "--motd=/dev/zero: the file is too large; expected at most 16 KiB"),
        ("--password-file=/no/such", "--password-file=/no/such: cannot read it (No such file"),
        ("--password-file=/dev/null", "--password-file=/dev/null: its first line is empty"),
        ("--password-file=/dev/zero", "the password is too long; expected at most 1024 bytes"),
        ("--tls=on", "--tls=on: expected off, optional or required"),
        ("--tls-cert=/etc/passwd", "--tls-cert without tls-key: give both, or neither"),
        ("--tls-key=/etc/passwd", "--tls-key without tls-cert: give both, or neither"),
        ("--log-level=loud", "--log-level=loud: expected debug, info, warning or error"),
        ("--config=/no/such", "/no/such: No such file or directory; expected a file of settings"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_one_line(argument: str, expected: str) -> None:
    [problem] = config_errors(argument)
    assert expected in problem


def test_a_certificate_must_be_there(tmp_path: Path) -> None:
    paths = [f"--tls-cert={tmp_path}/no", f"--tls-key={tmp_path}/none"]
    assert config_errors(*paths) == [
        f"{path}: cannot read it (No such file or directory)" for path in paths
    ]


def test_a_certificate_must_be_one(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    assert config_errors(f"--tls-cert={key}", f"--tls-key={cert}") == [
        f"--tls-cert and --tls-key: {key}: the file has a private key, but no certificate"
    ]
    key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    [problem] = config_errors(f"--tls-cert={cert}", f"--tls-key={key}")
    assert problem == (
        f"--tls-cert and --tls-key: {key}: the private key is damaged; copy the file again"
    )


def test_nobody_is_there_to_type_a_passphrase(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    plain = load_pem_private_key(key.read_bytes(), None)
    locked = BestAvailableEncryption(b"secret")
    key.write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    [problem] = config_errors(f"--tls-cert={cert}", f"--tls-key={key}")
    assert "the key has a passphrase" in problem


@pytest.mark.parametrize("option", ["motd", "password-file"])
def test_words_must_be_utf8(option: str, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes("Grüße".encode("latin-1"))
    assert config_errors(f"--{option}={path}") == [f"--{option}={path}: expected a text in UTF-8"]


def test_without_its_library_there_are_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.server.config.options.find_spec", lambda name: None)
    [problem] = config_errors("--metrics-address=:9100")
    assert problem.startswith("--metrics-address needs")
    assert "pip install '.[metrics]'" in problem


# Warnings


def test_secrets_that_everyone_can_read(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    password = tmp_path / "password"
    password.write_text("open sesame")
    arguments = [f"--password-file={password}", f"--tls-cert={cert}", f"--tls-key={key}"]
    for path in (password, key):
        path.chmod(0o640)
    assert config(*arguments).warnings == ()
    for path in (password, key):
        path.chmod(0o644)
    assert config(*arguments).warnings == (
        f"--password-file={password} can be read by all users of this machine",
        f"--tls-key={key} can be read by all users of this machine",
    )


def test_a_certificate_for_nothing(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    given = config("--tls=off", f"--tls-cert={cert}", f"--tls-key={key}")
    assert given.warnings == ("--tls-cert has no effect: tls is off",)
