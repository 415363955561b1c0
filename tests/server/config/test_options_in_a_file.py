"""The file of settings of a server."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from chat.config.command_line import parse_options
from chat.config.options import Kind, Option
from chat.net.address import Address
from chat.server import cli
from chat.server.config.options import OPTIONS, Config, ConfigErrors, read_config
from chat.server.settings import Rate, Settings, TlsMode


@pytest.fixture(autouse=True)
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default one."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "server.toml"


def config(file: Path, *arguments: str) -> Config:
    return read_config(
        parse_options(cli.__doc__ or "", [f"--config={file}", *arguments], "version")
    )


def test_a_file_says_what_the_command_line_would(file: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame")
    file.write_text(
        f"""
        address = ":9000"
        tls = "required"
        members-only = true
        no-register = true
        password-file = "{tmp_path}/password"
        max-users = 500
        exempt = ["10.0.0.0/8", "::1"]
        proxy = []
        rate = "5/6"
        byte-rate = 0
        max-file = "1M"
        max-text = 4096
        log-level = "warning"
        """
    )
    given = config(file)
    assert given.settings == Settings(
        address=Address("", 9000),
        data_directory=tmp_path / "data",
        tls=TlsMode.REQUIRED,
        members_only=True,
        register=False,
        password="open sesame",
        max_users=500,
        exempt=(ip_network("10.0.0.0/8"), ip_network("::1")),
        proxies=(),
        rate=Rate(5, 6),
        byte_rate=None,
        max_file=1024**2,
        max_text=4096,
    )
    assert given.log_level == "warning"


def test_the_command_line_wins(file: Path) -> None:
    file.write_text('max-users = 5\nmax-file = "1M"\nmotd = "/not/there/any/more"\nrate = 0')
    settings = config(file, "--max-users=6", f"--motd={os.devnull}", "--rate=7").settings
    assert settings.max_users == 6
    assert settings.max_file == 1024**2
    assert settings.motd is None
    assert settings.rate == (7, 7)
    assert settings.byte_rate == Settings().byte_rate


def test_every_option_can_be_in_it() -> None:
    assert {option.name for option in OPTIONS if not option.in_file} == {
        "config",
        "check",
        "completion",
    }


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.in_file], ids=lambda o: o.name)
def test_what_is_of_another_kind_is_told_what_is_expected(option: Option, file: Path) -> None:
    name, kind = option.name, option.kind
    wrong = "1" if kind in (Kind.TEXT, Kind.SWITCH, Kind.NETWORKS) else "true"
    file.write_text(f"{name} = {wrong}")
    with pytest.raises(ConfigErrors) as caught:
        config(file)
    assert caught.value.problems == (f"{file}: {name}: expected {kind.value}",)


def test_every_mistake_is_a_line_of_its_own(file: Path) -> None:
    file.write_text(
        """
        adress = ":8080"
        max-users = 0
        max-logins = -1
        exempt = ["localhost"]
        check = true
        tls-cert = "/no/such"
        """
    )
    with pytest.raises(ConfigErrors) as caught:
        config(file, "--rate=x")
    problems = caught.value.problems
    assert sorted(problem.replace(str(file), "FILE") for problem in problems) == [
        "--rate=x: expected 0, RATE or RATE/BURST such as 50, 50/200 or 256K/1M",
        "FILE: adress: no such setting; expected address?",
        "FILE: check: expected on the command line only, as --check",
        "FILE: exempt=localhost: expected networks such as 10.0.0.0/8,::1, separated by commas",
        "FILE: max-logins=-1: expected a whole number, 1 or more",
        "FILE: max-users=0: expected a whole number, 1 or more",
        "FILE: tls-cert without tls-key: give both, or neither",
        "FILE: tls-cert=/no/such: cannot read it (No such file or directory)",
    ]


def test_a_file_that_is_no_toml(file: Path) -> None:
    file.write_text("address: :8080")
    with pytest.raises(ConfigErrors) as caught:
        config(file, "--max-users=0")
    first, second = caught.value.problems
    assert first.startswith("--max-users=0: ")
    assert second.startswith(f"{file}: ")
    assert second.endswith('expected TOML such as address = ":8080"')
