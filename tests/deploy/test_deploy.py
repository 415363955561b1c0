"""The files for operators: a unit of systemd, a file of settings, a Dockerfile."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chat.config.command_line import parse_options
from chat.config.config_file import read_config_file
from chat.config.options import Given
from chat.server import cli
from chat.server.config.options import OPTIONS, read_config
from chat.server.control import cli as control_cli

ROOT = Path(__file__).resolve().parent.parent.parent
UNIT = ROOT / "deploy" / "chat-server.service"
SETTINGS = ROOT / "deploy" / "chat-server.toml"
DOCKERFILE = ROOT / "Dockerfile"

# Which have no default, or one that depends on where it runs.
EXAMPLES = {
    *("data-directory", "tls-cert", "tls-key", "password-file", "proxy", "motd"),
    *("metrics-address", "cluster", "node", "public-address", "peer-address", "peer-secret-file"),
}


@pytest.fixture(autouse=True)
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))


# The file of settings


@pytest.fixture
def spelled_out(tmp_path: Path) -> Path:
    """The file with everything in it said."""
    text = SETTINGS.read_text(encoding="utf-8")
    path = tmp_path / "server.toml"
    path.write_text(re.sub(r"^#(?=[a-z-]+ = )", "", text, flags=re.MULTILINE), encoding="utf-8")
    return path


def read(path: Path) -> dict[str, Given]:
    problems: list[str] = []
    given = read_config_file(path, OPTIONS, "", problems)
    assert problems == []
    return given


def test_as_it_comes_it_changes_nothing() -> None:
    assert read(SETTINGS) == {}
    orders = read_config(parse_options(cli.__doc__ or "", [f"--config={SETTINGS}"], "version"))
    assert orders == read_config(parse_options(cli.__doc__ or "", [], "version"))


def test_it_has_every_option(spelled_out: Path) -> None:
    assert set(read(spelled_out)) == {option.name for option in OPTIONS if option.in_file}


def test_what_it_says_is_the_default(spelled_out: Path) -> None:
    command_line = parse_options(cli.__doc__ or "", [], "version")
    defaults = {**vars(read_config(command_line).settings), "log_level": "info"}
    given = read(spelled_out)
    for option in OPTIONS:
        if option.name in given and option.name not in EXAMPLES:
            assert option.parse(*given[option.name]) == defaults[option.field], option.name


def test_its_comments_are_the_only_other_lines() -> None:
    for line in SETTINGS.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"|# .*|#[a-z-]+ = .*", line), line


# systemd


def test_the_unit_runs_what_is_there() -> None:
    [command] = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    program, *arguments = command.split()
    assert program.endswith("/chat-server")
    assert arguments == ["--config=/etc/chat-server.toml"]


def test_a_reload_asks_the_server_with_its_own_settings_file() -> None:
    [start] = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    [reload] = re.findall(r"^ExecReload=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert reload == start.replace("chat-server --", "chat-server reload --")
    parse_options(control_cli.__doc__ or "", reload.split()[1:], "version")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit with a program that exists here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/chat/bin/chat-server", sys.executable))
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_systemd_finds_nothing_to_complain_of(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.stderr, done.returncode) == ("", 0)


def test_it_exposes_little(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--threshold=20", str(unit))
    assert done.returncode == 0, done.stdout + done.stderr
    [level] = re.findall(r"Overall exposure level.*: (\d+\.\d)", done.stdout)
    assert float(level) < 2


# The container


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(name, " ".join(rest.split())) for name, _, rest in (s.partition(" ") for s in lines)]


def words(name: str) -> list[str]:
    [rest] = [rest for each, rest in instructions() if each == name]
    return re.findall(r'"([^"]*)"', rest)


def test_the_container_runs_as_nobody() -> None:
    assert dict(instructions())["USER"] == "65534:65534"


def test_its_options_are_the_programs() -> None:
    program, *options = words("ENTRYPOINT")
    assert program == "chat-server"
    given = parse_options(cli.__doc__ or "", [*options, *words("CMD")], "version")
    assert given["--address"] == ":8080"
    assert given["--metrics-address"] == ":9100"
    assert dict(instructions())["VOLUME"] == given["--data-directory"] == "/data"
    assert dict(instructions())["EXPOSE"].split() == ["8080", "8090", "9100"]


def test_nothing_gets_into_it_but_what_is_installed() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    kept = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    metadata = ["LICENSE", "README.md", "pyproject.toml", "setup.py"]
    assert kept == ["chat", "completions", "docs/*.1", *metadata]
    assert all(any(ROOT.glob(pattern)) for pattern in kept)


def test_its_health_is_asked_for_in_words_that_run() -> None:
    *_, code = words("HEALTHCHECK")
    compile(code, "HEALTHCHECK", "exec")
    assert "'127.0.0.1', 9100" in code
    assert "'/healthz'" in code
