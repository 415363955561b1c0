"""Completion in real shells, with the scripts that are in the repository."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from scripts.completions import DIRECTORY, scripts

MADE = scripts()
PATIENCE = 30.0  # seconds
READY = b"READY>"


@pytest.mark.parametrize("script", MADE)
def test_a_script_is_what_would_be_made_now(script: str) -> None:
    committed = (DIRECTORY / script).read_text(encoding="utf-8")
    assert committed == MADE[script], f"completions/{script} is out of date: make docs"


CASES = [
    ("chat-client --tls=re", "--tls=required"),
    ("chat-client --notify o", "off osc777 osc9"),
    ("chat-client --max-s", "--max-save="),
    ("chat-client --bell=o", "--bell=off --bell=on"),
    ("chat-client --config=set", "--config=settings.toml"),
    ("chat-client --save-directory=pla", "--save-directory=places/"),
    ("chat-client bob@chat.example.org --pl", "--plain"),
    ("chat-client --max-save=", ""),
    ("chat-server ", "backup bans cluster drain history reload restore rooms say status users"),
    ("chat-server cluster ", "init leave status"),
    ("chat-server drain --w", "--wait"),
    ("chat-server u", "users"),
    ("chat-server users pa", "passwd"),
    ("chat-server users add bob --mo", "--moderator"),
    ("chat-server users moderator bob o", "off on"),
    ("chat-server --log-level=d", "--log-level=debug"),
    ("chat-server bans add bob --f", "--for="),
    ("chat-server users --log", ""),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory in which the shells complete paths."""
    (tmp_path / "settings.toml").touch()
    (tmp_path / "places").mkdir()
    return tmp_path


def run(directory: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


# Calls the function as bash does after a Tab. What bash puts in the place of the word goes behind the = sign.
IN_BASH = """
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
compopt() { :; }
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE}
    function=$(complete -p "${COMP_LINE%% *}") && function=${function#complete -F } && ${function% *}
    printf "%s\\n" "$COMP_LINE => ${COMPREPLY[*]}"
done
"""


@pytest.mark.parametrize("breaks_at_equals", [True, False])
def test_bash_completes(directory: Path, breaks_at_equals: bool) -> None:
    script = IN_BASH if breaks_at_equals else IN_BASH.replace("><=;", "><;")
    files = [f"source '{DIRECTORY}/bash/{name}'" for name in ("chat-client", "chat-server")]
    lines = "".join(f"{line}\n" for line, _ in CASES)
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join([*files, script])],
        cwd=directory,
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    answers = dict(line.split(" => ") for line in done.stdout.splitlines())
    for line, expected in CASES:
        # Of a path, bash itself adds the slash.
        words = [word.removesuffix("/") for word in expected.split()]
        if breaks_at_equals:
            words = [word.partition("=")[2] or word for word in words]
        assert sorted(answers[line].split()) == sorted(words), line


def test_fish_completes(directory: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish")
    commands = [f"source '{DIRECTORY}/fish/{name}.fish'" for name in ("chat-client", "chat-server")]
    for line, _ in CASES:
        commands += [f"echo '== {line}'", f"complete -C '{line}'"]
    output = run(directory, "fish", "--no-config", "-c", "\n".join(commands))
    answers = {
        line: [answer.partition("\t")[0] for answer in found]
        for line, *found in (part.splitlines() for part in output.split("== ")[1:])
    }
    for line, expected in CASES:
        words = [word.removesuffix("=") for word in expected.split()]
        # fish also offers what fits only in its middle.
        fitting = [
            word.removesuffix("=") for word in answers[line] if word in expected or not words
        ]
        assert sorted(fitting) == sorted(words), line


class Shell:
    """An interactive shell on a terminal, in which the programs are functions that print their arguments."""

    def __init__(self, directory: Path, *command: str) -> None:
        self._near, far = pty.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "TERM": "xterm",
                "LANG": "C.UTF-8",
            },
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        self._seen = b""

    def type(self, text: str, until: bytes) -> bytes:
        """Type ``text``; return the output up to and including the line with ``until``."""
        os.write(self._near, text.encode())
        deadline = time.monotonic() + PATIENCE
        while until not in self._seen or b"\n" not in self._seen.partition(until)[2] + (
            b"\n" if until == READY else b""
        ):
            ready, _, _ = select.select([self._near], [], [], deadline - time.monotonic())
            assert ready, self._seen
            self._seen += os.read(self._near, 4096)
        before, _, rest = self._seen.partition(until)
        line, _, self._seen = rest.partition(b"\n")
        return line.strip() if until != READY else before

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._near)


SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        f"source '{DIRECTORY}/bash/chat-client'; source '{DIRECTORY}/bash/chat-server'",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        f"fpath=('{DIRECTORY}/zsh' $fpath); autoload -Uz compinit; compinit -u -D",
    ),
}
ONE_ANSWER = [(line, answer) for line, answer in CASES if len(answer.split()) == 1]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_completes_the_line(shell: str, directory: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    command, setup = SHELLS[shell]
    terminal = Shell(directory, *command)
    try:
        functions = 'chat-client() { echo "RAN:$*:"; }; chat-server() { echo "RAN:$*:"; }'
        # Split, so that the echo of the line is not taken for the prompt.
        terminal.type(f"{functions}; {setup}; PS1='READ''Y>'\r", READY)
        for line, answer in ONE_ANSWER:
            arguments = line.split()[1:-1] if not line.endswith(" ") else line.split()[1:]
            ran = terminal.type(f"{line}\t\r", b"RAN:")
            # zsh takes = and / back when Enter follows.
            expected = " ".join([*arguments, answer.rstrip("=/")])
            assert ran.decode().removesuffix(":").rstrip("=/") == expected, line
    finally:
        terminal.end()
