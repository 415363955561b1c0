"""The command line: the meaning of each option, and one line for each invalid value."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from chat import __version__
from chat.server import cli, program
from chat.server.cli import main
from chat.server.config.options import Config
from chat.server.process import log_output
from chat.server.program import CannotStart
from chat.server.settings import Settings, TlsMode

ReadAgain = Callable[[], Config]

HELP = cli.__doc__ or ""


@pytest.fixture(autouse=True)
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one that systemd made, so to say."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "data"))
    return tmp_path / "data"


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line for a command line that cannot be used."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("chat-server: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_the_documentation(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([option])

    assert not caught.value.code
    assert capsys.readouterr().out.strip() == HELP.strip()


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert not caught.value.code
    assert capsys.readouterr().out == f"chat-server {__version__}\n"


def test_the_version_is_printed_without_loading_a_server() -> None:
    program = (
        "import sys; from chat.server.cli import main\n"
        "try: main(['--version'])\n"
        "finally: print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = found.stdout.split()
    assert loaded[:2] == ["chat-server", __version__]
    assert not {"gevent", "ssl", "sqlite3", "logging", "ujson", "cryptography"} & {*loaded}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("--adress=:80", "unknown option --adress: did you mean --address?"),
        ("--bind=:80", "unknown option --bind: did you mean --address?"),
        (":8080", "unexpected ':8080': did you mean --address=:8080?"),
        ("usrs list", "unknown command 'usrs': did you mean users?"),
        ("users ad bob", "unknown command 'ad': did you mean add?"),
        ("bans list --jsn", "unknown option --jsn: did you mean --json?"),
    ],
)
def test_a_misspelled_word_gets_a_suggestion(
    typed: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaint(capsys, *typed.split()) == f"chat-server: {sentence} (see --help)\n"


def test_every_mistake_is_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('max-users = 0\nadress = ":1"\n')

    assert main([f"--config={file}", "--rate=x", "--address=no where"]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("chat-server: ") for line in lines)


def test_a_check_that_finds_nothing(
    capsys: pytest.CaptureFixture[str], data_directory: Path
) -> None:
    assert main(["--check", "--address=127.0.0.1:0"]) == 0

    assert capsys.readouterr() == ("chat-server: all is well\n", "")
    assert not data_directory.exists()


def test_a_check_finds_what_a_start_would_only_then(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--address=192.0.2.1:80", "--max-users=0"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "chat-server: --max-users=0: expected a whole number, 1 or more",
        "chat-server: --address=192.0.2.1:80: cannot listen there (Cannot assign requested address)",
    ]


def test_a_check_tells_what_may_not_be_meant(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    password.chmod(0o644)

    assert main(["--check", "--address=:0", f"--password-file={password}"]) == 0

    out, err = capsys.readouterr()
    assert out == "chat-server: all is well\n"
    assert err == (
        f"chat-server: warning: --password-file={password} can be read by all users of this machine\n"
    )


def test_help_fits_a_terminal() -> None:
    assert max(map(len, HELP.splitlines())) <= 100


# Running


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Record the settings with which the server would run; the run ends well, and the log of the tests is unchanged."""
    told: list[Settings] = []

    def run(settings: Settings, read_again: ReadAgain) -> int:
        told.append(settings)
        return 0

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(log_output, "logging_to", lambda descriptor, level: nullcontext())
    return told


def test_it_runs_as_it_was_told_to(told: list[Settings], data_directory: Path) -> None:
    assert main(["--max-users=7"]) == 0
    assert told == [Settings(tls=TlsMode.OPTIONAL, max_users=7, data_directory=data_directory)]


def test_what_may_not_be_meant_is_in_the_log(
    told: list[Settings], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    password.chmod(0o644)
    assert main([f"--password-file={password}"]) == 0
    assert caplog.messages == [
        f"--password-file={password} can be read by all users of this machine"
    ]
    assert told[0].password == "open sesame"


def test_what_cannot_be_started_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(settings: Settings, read_again: ReadAgain) -> int:
        raise CannotStart("cannot listen on 127.0.0.1:8080: Address already in use")

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(log_output, "logging_to", lambda descriptor, level: nullcontext())
    assert main([]) == 1
    assert (
        capsys.readouterr().err
        == "chat-server: cannot listen on 127.0.0.1:8080: Address already in use\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--completion={shell}"]) == 0
    output = capsys.readouterr()
    assert "spool-directory" in output.out
    assert not output.err


def test_an_unknown_shell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--completion=csh"]) == 2
    sentence = "chat-server: --completion=csh: expected bash, zsh or fish\n"
    assert capsys.readouterr().err == sentence
