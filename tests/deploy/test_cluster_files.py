"""The files for operators of a cluster agree with each other, and with the programs that read them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from chat.config.command_line import parse_options
from chat.config.config_file import read_config_file
from chat.net.address import Address
from chat.server import cli
from chat.server.cluster.library import TEMPLATE as TEMPLATE_OF_FUNCTIONS
from chat.server.config.options import OPTIONS, read_config
from chat.server.settings import Settings
from tests.deploy.cluster_files import CLUSTER, COMPOSE, document, prepared, read_compose
from tests.deploy.test_deploy import ROOT, UNIT, analyze, words

TEMPLATE = CLUSTER / "chat-server@.service"
SERVERS, ENGINES = ("chat1", "chat2"), ("valkey1", "valkey2", "valkey3")
SENTINELS = ("sentinel1", "sentinel2", "sentinel3")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read_compose()


def address_of(compose: dict[str, Any], service: str) -> str:
    found: str = compose["services"][service]["networks"]["cluster"]["ipv4_address"]
    return found


# The compose file


def test_it_is_a_compose_file() -> None:
    command = ["check_jsonschema", "--builtin-schema=vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_service_names_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {*SERVERS, *ENGINES, *SENTINELS, "balancer"}
    used: set[str] = set()
    for name, service in services.items():
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes == set(() if name == "balancer" else (name,))
        used |= volumes
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", ())) <= set(services)
        configs = [c if isinstance(c, str) else c["source"] for c in service["configs"]]
        assert set(configs) <= set(compose["configs"]), name
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
    assert used == set(compose["volumes"])


def test_its_files_are_there(compose: dict[str, Any], tmp_path: Path) -> None:
    prepared(tmp_path)
    for each in (*compose["configs"].values(), *compose["secrets"].values()):
        assert (tmp_path / "cluster" / each["file"]).is_file(), each


def test_its_addresses_are_in_its_network(compose: dict[str, Any]) -> None:
    [config] = compose["networks"]["cluster"]["ipam"]["config"]
    addresses = [address_of(compose, name) for name in compose["services"]]
    assert len(set(addresses)) == len(addresses)
    assert all(ip_address(each) in ip_network(config["subnet"]) for each in addresses)
    for name in ENGINES:
        service = compose["services"][name]
        assert service["environment"]["PRIMARY"] == address_of(compose, "valkey1")


# The settings of its servers


@pytest.fixture
def settings(compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of chat1 as the container has them."""
    service = compose["services"]["chat1"]
    monkeypatch.setattr("socket.gethostname", lambda: service["hostname"])
    secrets = prepared(tmp_path)
    file = tmp_path / "cluster" / "chat-server.toml"
    text = file.read_text(encoding="utf-8")
    for name in service["secrets"]:
        assert f"/run/secrets/{name}" in text
    file.write_text(text.replace("/run/secrets", str(secrets)), encoding="utf-8")
    assert service["command"] == ["--config=/chat-server.toml"]
    assert service["configs"] == ["chat-server.toml"]
    program, *options = words("ENTRYPOINT")
    assert program == "chat-server"
    options = [option.replace("=/data", f"={tmp_path}") for option in options]
    given = parse_options(cli.__doc__ or "", [*options, f"--config={file}"], "version")
    return read_config(given).settings


def test_its_servers_find_each_other(settings: Settings) -> None:
    assert settings.node == "chat1"
    assert settings.peer_address == Address("chat1", 8090)
    assert settings.address == Address("", 8080)
    assert settings.metrics_address == Address("", 9100)


def test_its_servers_find_the_engine(compose: dict[str, Any], settings: Settings) -> None:
    url = settings.cluster
    assert url is not None
    assert [str(each) for each in url.addresses] == [
        f"{address_of(compose, name)}:26379" for name in SENTINELS
    ]
    text = (CLUSTER / "sentinel.conf").read_text()
    assert f"sentinel monitor {url.service} {address_of(compose, 'valkey1')} 6379 2\n" in text
    # One engine may fail, and then there still is a replica to wait for.
    assert url.replicas == len(ENGINES) - 2


def test_its_servers_believe_the_balancer_alone(
    compose: dict[str, Any], settings: Settings
) -> None:
    assert settings.proxies == (ip_network(address_of(compose, "balancer")),)
    text = (CLUSTER / "haproxy.cfg").read_text()
    servers = re.findall(r"^ +server (\S+) (\S+)$", text, re.MULTILINE)
    assert servers == [(name, f"{address_of(compose, name)}:8080") for name in SERVERS]
    assert "check port 9100" in text


# Secrets


def test_secrets_are_made_once_and_for_their_owner(tmp_path: Path) -> None:
    secrets = prepared(tmp_path)
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (secrets, *secrets.iterdir()))
    assert len({*before.values()}) == len(before)
    prepared(tmp_path)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    users = before["users.acl"]
    assert not [
        name for name, text in before.items() if name.endswith("password") and text in users
    ]


def test_git_does_not_take_the_secrets() -> None:
    path = CLUSTER / "secrets" / "peers"
    done = subprocess.run(["git", "check-ignore", "-q", str(path)], cwd=CLUSTER, timeout=20)
    if done.returncode == 128:
        pytest.skip("this is no checkout of git")
    assert done.returncode == 0


# The unit


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Return an instance of the unit, with a program that exists here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    text = TEMPLATE.read_text().replace("/opt/chat/bin/chat-server", sys.executable)
    (tmp_path / "chat-server@.service").write_text(text)
    path = tmp_path / "chat-server@chat1.service"
    path.write_text(text)
    return path


def test_systemd_finds_nothing_to_complain_of(template: Path) -> None:
    done = analyze("verify", "--man=no", str(template))
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_unit_exposes_as_little_as_the_one_for_a_server_alone() -> None:
    def hardening(path: Path) -> list[str]:
        lines = path.read_text().partition("[Service]\n")[2].splitlines()
        rest = lines[lines.index("DynamicUser=yes") :]
        own = ("#", "StateDirectory=", "RuntimeDirectory=")
        return [line for line in rest if line and not line.startswith(own)]

    assert hardening(TEMPLATE) == hardening(UNIT)


def test_a_reload_of_the_unit_asks_the_server_with_its_own_settings_file() -> None:
    [start] = re.findall(r"^ExecStart=(.*)$", TEMPLATE.read_text(), re.MULTILINE)
    [reload] = re.findall(r"^ExecReload=(.*)$", TEMPLATE.read_text(), re.MULTILINE)
    parse_options(cli.__doc__ or "", start.split()[1:], "version")
    assert reload.split()[1:] == ["reload", start.split()[1]]


# The balancer


def test_haproxy_finds_no_mistake() -> None:
    if shutil.which("haproxy") is None:
        pytest.skip("there is no haproxy")
    command = ["haproxy", "-c", "-f", str(CLUSTER / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr


# The document


def test_the_document_gives_servers_the_rights_that_the_files_give_them() -> None:
    [rights] = re.findall(r"^user chat on #.*?(~.*)$", (CLUSTER / "prepare").read_text(), re.M)
    [documented] = re.findall(r"^ +user chat on #.*?(~.*)$", document(), re.M)
    assert documented == rights


def test_the_rights_are_those_of_the_functions_too() -> None:
    """The engine asks for the caller's rights at each command within a function."""
    [rights] = re.findall(
        r"^user chat on #.*? -@all (.*)$", (CLUSTER / "prepare").read_text(), re.M
    )
    called = {name.lower() for name in re.findall(r"redis\.call\('(\w+)'", TEMPLATE_OF_FUNCTIONS)}
    for part in ("cluster", "replication"):
        for path in (ROOT / "chat" / "server" / part).glob("*.py"):
            found = re.findall(
                r"\.(?:call|send)\(\s*\"([A-Z]+)\"", path.read_text(encoding="utf-8")
            )
            called |= {name.lower() for name in found}
    # Asked of Sentinel, and of the engine as "function|load". CONFIG GET would tell passwords, and a durable server
    # believes an engine that does not answer it.
    called -= {"sentinel", "function", "config"}
    assert {"hvals", "info", "subscribe", "xadd"} <= called
    assert called <= {right.removeprefix("+") for right in rights.split()}


def test_the_document_has_every_option_of_a_cluster() -> None:
    names = [option.name for option in OPTIONS if option.name in cli_section("Several servers")]
    assert len(names) == 6
    for name in names:
        assert f"`{name}`" in document(), name


def cli_section(title: str) -> list[str]:
    [section] = re.findall(rf"^{title}.*?\n\n", cli.__doc__ or "", re.M | re.S)
    return re.findall(r"^  --([a-z-]+)", section, re.M)


def test_the_settings_in_the_document_are_settings(tmp_path: Path) -> None:
    found = re.findall(r"(?:^    [a-z-]+ = .*\n)+", document(), re.M)
    assert len(found) == 3
    for number, lines in enumerate(found):
        file = tmp_path / f"{number}.toml"
        file.write_text(textwrap.dedent(lines))
        problems: list[str] = []
        assert "public-address" in read_config_file(file, OPTIONS, "", problems)
        assert problems == []


def test_the_commands_in_the_document_are_commands() -> None:
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n)+", document(), re.M)]
    commands = [block for block in blocks if not re.match(r"[a-z-]+ = ", block)]
    assert len(commands) > 10
    for block in commands:
        done = subprocess.run(
            ["bash", "-n"], input=block, capture_output=True, text=True, timeout=10
        )
        assert done.stderr == "", block
        for line in re.findall(r"^chat-server (?:[^\\\n]|\\\n)*", block, re.M):
            line = (
                line.replace("\\\n", " ").partition(" #")[0].partition("> ")[0].partition(" &&")[0]
            )
            arguments = shlex.split(line)
            is_server = arguments[1].startswith("-")
            usage = (cli if is_server else cli._module_of(arguments[1])).__doc__ or ""
            parse_options(usage, arguments[1:], "version")
