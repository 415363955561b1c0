from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from chat.client.cli import main, read_command_line
from chat.client.desktop.open_rules import parse_rules
from chat.client.program.config_file import read_config_file
from chat.client.program.settings import Settings, Table
from chat.config.command_line import UsageError
from chat.net.address import Address

README = Path(__file__).resolve().parent.parent.parent.parent / "README.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.toml"


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of settings of the user, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = platformdirs.user_config_path("chat") / "client.toml"
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    return path


def test_everything_that_a_file_can_say(file: Path, tmp_path: Path) -> None:
    file.write_text(
        f"""
        # My rooms.
        address = "chat.example.org:8080"
        username = "борис"
        byte-order = "big"
        save-directory = {str(tmp_path)!r}
        max-save = "1G"
        bell = false
        notify = "notify-send"
        names = true
        pictures = false
        log = true
        log-file = "chat.log"
        ignore = ["eve", "mallory"]
        plain = true
        presence = "smart"

        [open]
        "image/*" = "feh --fullscreen"
        "*.pdf" = "zathura"

        [keys]
        "Alt-N" = "next-unread"

        [styles]
        mention = "bold red"
        "name-1" = 208
        """,
        encoding="utf-8",
    )
    assert read_command_line([f"--config={file}"]) == Settings(
        addresses=(Address("chat.example.org", 8080),),
        username="борис",
        byte_order="big",
        save_directory=tmp_path,
        max_save=1024**3,
        bell=False,
        notify="notify-send",
        names=True,
        pictures=False,
        log=True,
        log_file=Path("chat.log"),
        ignore=("eve", "mallory"),
        presence="smart",
        open=parse_rules("image/*=feh --fullscreen; *.pdf=zathura"),
        keys=Table((("Alt-N", "next-unread"),), f"{file}: keys"),
        styles=Table((("mention", "bold red"), ("name-1", "208")), f"{file}: styles"),
    )


def test_the_file_that_the_readme_shows(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    file.write_text(shown, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Downloads").mkdir()
    assert read_command_line([f"--config={file}", "--bell=on"]) == Settings(
        addresses=(Address("chat.example.org", 8080),),
        username="bob",
        save_directory=tmp_path / "Downloads",
        max_save=1024**3,
        notify="notify-send",
        ignore=("eve",),
    )


def test_the_command_line_wins(file: Path) -> None:
    file.write_text('username = "bob"\nbell = false\nmax-save = 512\n')
    settings = read_command_line([f"--config={file}", "--username=alice", "--bell=on"])
    assert settings == Settings(username="alice", bell=True, max_save=512)


def test_the_users_own_file_is_read_unasked(own_file: Path) -> None:
    own_file.write_text('username = "bob"')
    assert read_command_line([]).username == "bob"


def test_another_file_takes_its_place(own_file: Path, file: Path) -> None:
    own_file.write_text('username = "bob"\nbell = false')
    file.write_text('username = "alice"')
    assert read_command_line([f"--config={file}"]) == Settings(username="alice")


def test_there_need_be_none(own_file: Path) -> None:
    assert not own_file.exists()
    assert read_config_file(None) == {}
    own_file.parent.rmdir()
    assert read_config_file(None) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs is asked at once")
@pytest.mark.parametrize("directory", ["", "there", "  there ", "~/there"])
def test_a_file_is_found_where_platformdirs_says(
    directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That module is asked only if there may be one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", directory)
    path = platformdirs.user_config_path("chat") / "client.toml"
    path.parent.mkdir(parents=True)
    path.write_text("bell = false")
    assert read_config_file(None)["bell"].text == "off"


def test_without_a_file_nothing_is_imported_for_it() -> None:
    program = (
        "import sys, chat.client.cli; chat.client.cli.read_command_line(['--username=bob'])\n"
        "print({'platformdirs', 'tomllib', 'tomli'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == ("set()\n" if sys.platform == "linux" else "{'platformdirs'}\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("username = bob", 'Invalid value .*expected TOML such as username = "bob"'),
        ("username = 'a'\nusername = 'b'", "expected TOML"),
        ("adress = 'host:1'", r"adress: no such setting; expected address\?"),
        ("save_dir = '.'", r"save_dir: no such setting; expected save-directory\?"),
        ("x = 1", "x: no such setting; expected one of address, username, .*plain"),
        ("[chat]\nbell = true", "chat: no such setting"),
        ("json = true", "json: expected on the command line only, as --json"),
        ("commands = true", "commands: expected on the command line only, as --commands"),
        ("config = 'x'", "config: expected on the command line only"),
        ("help = true", "help: no such setting"),
        ("bell = 'off'", "bell: expected true or false"),
        ("plain = 1", "plain: expected true or false"),
        ("address = 8080", "address: expected an address in quotes, or a list"),
        ("address = []", "address: expected an address in quotes, or a list"),
        ("address = ['a', 7]", "address: expected an address in quotes, or a list"),
        ("username = ['bob']", "username: expected a text in quotes"),
        ("max-save = true", "max-save: expected a number of bytes or a text"),
        ("max-save = 1.5", "max-save: expected a number of bytes or a text"),
        ("max-save = -1", "max-save=-1: expected a size"),
        ("max-save = 'lots'", "max-save=lots: expected a size such as"),
        ("ignore = 'bob'", "ignore: expected a list of names"),
        ("ignore = ['bob', 1]", "ignore: expected a list of names"),
        ("notify = 'sms'", "notify=sms: expected off, osc9, osc777 or notify-send"),
        ("save-directory = '/nowhere/at/all'", "save-directory=/nowhere/at/all: No such file"),
        ('save-directory = "a\\u0000b"', "save-directory=.*: expected a directory"),
        ("username = ' '", "username is empty"),
        (
            "save-directory = '.'\nsave_directory = '/'",
            "save_directory and .*: save-directory contradict",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_one_line(
    text: str, sentence: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(text)
    name = [] if "username" in text else ["--username=bob"]
    assert main([f"--config={file}", *name]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"chat-client: {file}: ")
    assert re.search(sentence, said)
    assert said.count("\n") == 1


def test_bytes_that_are_no_text(file: Path) -> None:
    file.write_bytes(b"username = '\xff'")
    with pytest.raises(UsageError, match="expected a text in UTF-8"):
        read_config_file(file)


def test_a_byte_order_mark_is_no_harm(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfusername = 'bob'\r\nbell = false\r\n")
    assert read_config_file(file)["username"].text == "bob"


def test_a_file_without_end() -> None:
    with pytest.raises(UsageError, match="too long"):
        read_config_file(Path("/dev/zero"))


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{tmp_path}: Is a directory; expected a file"):
        read_config_file(tmp_path)


def test_a_file_from_a_pipe() -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"bell = false")
    os.close(write_end)
    assert read_config_file(Path(f"/dev/fd/{read_end}"))["bell"].text == "off"
    os.close(read_end)
