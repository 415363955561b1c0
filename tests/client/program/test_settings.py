from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.client.cli import read_command_line, usage
from chat.client.program.settings import OPTIONS, Mode, Settings, read_settings
from chat.config.command_line import UsageError, parse_options
from chat.config.options import Given, Kind, Option
from chat.net.address import Address
from chat.net.fingerprint import fingerprint_of_key
from tests.tables import table


def test_only_the_name_is_required() -> None:
    settings = read_command_line(["--username=bob"])
    assert settings.username == "bob"
    assert settings.address == Address("127.0.0.1", 8080)
    assert settings.save_directory is None  # so nothing is saved unasked
    assert settings.byte_order == "auto"
    assert settings.mode is Mode.PLAIN
    assert settings.max_save == 100 * 1024**2
    assert settings == Settings(username="bob")


@pytest.mark.parametrize(
    "option",
    ["--save_directory={}", "--save-directory={}", "--save_directory=={}", "--save-directory=={}"],
)
def test_the_save_directory_in_every_spelling(option: str, tmp_path: Path) -> None:
    settings = read_command_line(["--username=bob", option.format(tmp_path)])
    assert settings.save_directory == tmp_path


def test_both_spellings_may_agree(tmp_path: Path) -> None:
    both = [f"--save_directory={tmp_path}", f"--save-directory={tmp_path}"]
    assert read_command_line(["--username=bob", *both]).save_directory == tmp_path


def test_both_spellings_may_not_disagree(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give only one"):
        read_command_line(["--username=bob", f"--save_directory={tmp_path}", "--save-directory=/"])


def test_home_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = read_command_line(["--username=bob", "--save_directory=~"])
    assert settings.save_directory == tmp_path


@table(
    ("arguments", "sentence"),
    [
        (["--address=no where"], "--address: invalid address 'no where': expected HOST, HOST:PORT"),
        (["no where"], "the server: invalid address 'no where': expected HOST, HOST:PORT"),
        (["bob@"], "the server 'bob@': invalid address '': expected HOST, HOST:PORT"),
        (["@localhost"], "the name in '@localhost' is empty: expected a name"),
        (["localhost"] + ["--address=a"] * 17, "--address: 17 addresses; expected at most 16"),
        (["localhost", "--address=a", "--address=no where"], "invalid address 'no where'"),
        (["eve@localhost"], "--username and the name in 'eve@localhost' contradict each other"),
        (["--address=127.0.0.1:99999"], "port from 0 to 65535"),
        (["--byte-order=middle"], "expected auto, little or big"),
        (["--max-save=lots"], "expected a size"),
        (["--replay=201"], "--replay=201: expected a whole number, 0 to 200"),
        (["--replay=-1"], "--replay=-1: expected a whole number, 0 to 200"),
        (["--save_directory=/nowhere/at/all"], "expected a directory"),
        (["--save_directory="], "--save_directory is empty: expected a directory"),
        (["--save_directory=="], "--save_directory is empty: expected a directory"),
        (["--save-directory= "], "--save-directory is empty: expected a directory"),
        (["--password-file="], "--password-file is empty: expected a file"),
        (["--known-hosts="], "--known-hosts is empty: expected a file"),
        (["--save_directory=/etc/passwd"], "expected a directory"),
        (["--save_directory=a\0b"], "expected a directory"),
        (["--save_directory=~nobody-of-that-name/x"], "expected a directory"),
        (["--json", "--plain"], "exclude each other"),
        (["--json", "--commands"], "--commands is for --plain"),
        (["--json", "--screen"], "exclude each other"),
        (["--plain", "--screen"], "exclude each other"),
        (["--listen", "--screen"], "exclude each other"),
        (["--commands", "--screen"], "exclude each other"),
        (["--screen"], "expected a terminal"),
        (["--username="], "--username"),
        (["--bell=loud"], "expected on or off"),
        (["--log=yes"], "expected on or off"),
        (["--time-format="], "expected a format of times"),
        (["--time-format=HH:MM"], "expected a format of times such as %H:%M"),
        (["--time-format=%Q"], "expected a format of times"),
        (["--time-format=%H%n"], "expected a format of times"),
        (["--time-format=%c %c %c"], "expected at most 40 characters"),
        (["--theme=pink"], "expected auto, dark, light, colour-blind or neutral"),
        (["--notify=sms"], "expected off, osc9, osc777 or notify-send"),
        (["--log-file="], "expected a file"),
        (["--log-file=/"], "a directory; expected a file"),
        (["--log-file=~nobody-of-that-name/x"], "expected a file"),
        (["--ignore=\udcff"], "--ignore is not UTF-8"),
        (["--config=/nowhere/at/all"], "/nowhere/at/all: No such file"),
        (["--config="], "expected a file of settings"),
    ],
)
def test_an_unusable_value_is_explained_in_one_line(arguments: list[str], sentence: str) -> None:
    name = [] if any("--username" in argument for argument in arguments) else ["--username=bob"]
    with pytest.raises(UsageError, match=sentence) as caught:
        read_command_line([*name, *arguments])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "address", "name"),
    [
        (["bob@chat.example.org:9000"], Address("chat.example.org", 9000), "bob"),
        (["bob@localhost"], Address("localhost", 8080), "bob"),
        (["борис@::1"], Address("::1", 8080), "борис"),
        (["bob@unix:/run/a@b"], Address(path="/run/a@b"), "bob"),
        (["-u", "bob", "unix:/run/a@b"], Address(path="/run/a@b"), "bob"),
        (["chat.example.org", "-ubob"], Address("chat.example.org", 8080), "bob"),
        (
            ["bob@localhost", "--username=bob", "--address=localhost:8080"],
            Address("localhost", 8080),
            "bob",
        ),
    ],
)
def test_the_server_and_the_name_may_be_one_word(
    arguments: list[str], address: Address, name: str
) -> None:
    settings = read_command_line(arguments)
    assert (settings.address, settings.username) == (address, name)


@pytest.mark.parametrize("name", ["", "  ", "\udcff"])
def test_a_name_that_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(UsageError, match="--username"):
        read_command_line([f"--username={name}"])


@pytest.mark.parametrize("option", ["log-file", "known-hosts"])
def test_a_file_that_cannot_be_looked_at_is_told_of_when_it_is_used(option: str) -> None:
    name = "x" * 300
    settings = read_command_line(["--username=bob", f"--{option}={name}"])
    assert getattr(settings, option.replace("-", "_")) == Path(name)


def test_what_is_for_the_screen(tmp_path: Path) -> None:
    settings = read_command_line(
        [
            "--username=bob",
            "--bell=off",
            "--notify=osc777",
            "--names=on",
            "--mouse=on",
            "--raw=on",
            "--title=off",
            "--time-format=%H:%M",
            "--theme=colour-blind",
            "--pictures=off",
            "--log=on",
            f"--log-file={tmp_path / 'log'}",
            "--ignore=eve, mallory,",
        ]
    )
    assert not settings.bell
    assert settings.notify == "osc777"
    assert settings.names
    assert settings.mouse
    assert settings.raw
    assert not settings.title
    assert settings.time_format == "%H:%M"
    assert settings.theme == "colour-blind"
    assert not settings.pictures
    assert settings.log
    assert settings.log_file == tmp_path / "log"
    assert settings.ignore == ("eve", "mallory")


def mode(*arguments: str, has_screen: bool = True, plain_in_file: str | None = None) -> Mode:
    file = {} if plain_in_file is None else {"plain": Given(plain_in_file, "file: plain")}
    options = parse_options(usage(), ["--username=bob", *arguments], "version")
    return read_settings(options, file, has_screen).mode


def test_the_screen_is_for_terminals() -> None:
    assert mode() is Mode.SCREEN
    assert mode(has_screen=False) is Mode.PLAIN


@pytest.mark.parametrize("option", ["--plain", "--listen", "--commands"])
def test_an_option_for_lines_gives_lines(option: str) -> None:
    assert mode(option) is Mode.PLAIN


def test_json_on_a_terminal_too() -> None:
    assert mode("--json") is Mode.JSON


def test_a_file_that_says_plain_is_overruled() -> None:
    assert mode(plain_in_file="on") is Mode.PLAIN
    assert mode(plain_in_file="off") is Mode.SCREEN
    assert mode("--screen", plain_in_file="on") is Mode.SCREEN
    assert mode("--plain", plain_in_file="off") is Mode.PLAIN
    assert mode("--json", plain_in_file="on") is Mode.JSON


def test_only_the_screen_asks_for_a_name() -> None:
    def settings(*arguments: str, has_screen: bool) -> Settings:
        return read_settings(parse_options(usage(), [*arguments], "version"), {}, has_screen)

    assert settings(has_screen=True).username is None
    for arguments, has_screen in (
        ([], False),
        (["--plain"], True),
        (["--json"], True),
        (["--listen"], True),
    ):
        with pytest.raises(UsageError, match="--username=<username> is missing"):
            settings(*arguments, has_screen=has_screen)


def test_the_options_are_those_of_the_document() -> None:
    documented = parse_options(usage(), [], "version")
    options = (name for name in documented if name.startswith("--"))
    names = {name.removeprefix("--") for name in options} - {"help", "version"}
    assert names == {option.name for option in OPTIONS if option.on_command_line}
    for option in OPTIONS:
        if not option.on_command_line:
            assert f"[{option.name}]" in usage()
            continue
        takes_words = documented[f"--{option.name}"] in (None, [])
        assert takes_words or option.kind is Kind.SWITCH


def test_the_defaults_are_those_of_the_document() -> None:
    """docopt must not fill them in: it could not be told any more what was given."""
    assert "[default:" not in usage()
    descriptions = re.split(r"^  (?=-)", usage(), flags=re.MULTILINE)
    defaults = {
        match["name"]: match["default"]
        for text in descriptions
        if (match := re.match(r"--(?P<name>[\w-]+)=.*\(default: (?P<default>\S+)\)", text, re.S))
    }
    for option in OPTIONS:
        value = getattr(Settings(), option.field, None)
        if option.name in defaults:
            assert option.parse(defaults[option.name], option.name) == value
        else:
            assert value in (None, False, (), Path())


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.in_file and o.on_command_line])
def test_the_command_line_wins_over_the_file(option: Option, tmp_path: Path) -> None:
    one, other = words_of(option, tmp_path)
    file = {option.name: Given(one, f"file: {option.name}")}
    name = {} if option.name == "username" else {"username": Given("bob", "file: username")}

    def settings(*arguments: str, has_screen: bool = False) -> Settings:
        options = parse_options(usage(), list(arguments), "version")
        return read_settings(options, {**file, **name}, has_screen)

    if option.name == "plain":
        assert settings(has_screen=True).mode is Mode.PLAIN
        assert settings("--screen", has_screen=True).mode is Mode.SCREEN
    else:
        assert getattr(settings(), option.field) == option.parse(one, "")
        given = settings(f"--{option.name}={other}")
        assert getattr(given, option.field) == option.parse(other, "")


# Two values of an option that mean different things, none of them the default.
WORDS = {
    "replay": ("20", "0"),
    "address": ("host:1", "unix:/socket"),
    "byte-order": ("big", "little"),
    "max-save": ("1K", "2G"),
    "notify": ("osc9", "osc777"),
    "open": ("*=feh", "image/*=feh; *.pdf=zathura"),
    "presence": ("smart", "none"),
    "theme": ("dark", "light"),
    "time-format": ("%H:%M", "%X"),
    "tls": ("required", "off"),
    "fingerprint": (str(fingerprint_of_key(b"one")), str(fingerprint_of_key(b"other"))),
}


def words_of(option: Option, directory: Path) -> tuple[str, str]:
    """Return two values as in ``WORDS``; files and directories of that name are made in ``directory``."""
    (directory / "one").mkdir()
    if option.name in WORDS:
        return WORDS[option.name]
    if option.name in ("save_directory", "save-directory"):
        return str(directory / "one"), str(directory)
    if option.name == "password-file":
        (directory / "first").write_text("secret")
        (directory / "second").write_text("another secret")
        return str(directory / "first"), str(directory / "second")
    return ("on", "off") if option.kind is Kind.SWITCH else ("one", "other")


def test_a_value_that_is_overruled_may_be_out_of_date() -> None:
    file = {"save-directory": Given("/unmounted", "file: save-directory")}
    options = parse_options(usage(), ["--username=bob", "--save_directory=."], "version")
    assert read_settings(options, file, has_screen=False).save_directory == Path()
    options = parse_options(usage(), ["--username=bob"], "version")
    with pytest.raises(UsageError, match="file: save-directory=/unmounted: No such file"):
        read_settings(options, file, has_screen=False)


KEY = str(fingerprint_of_key(b"key"))
OF_THE_FILE = {
    "address": Given("chat.example:8080", "file: address"),
    "fingerprint": Given(KEY, "file: fingerprint"),
    "username": Given("bob", "file: username"),
}


def test_a_key_in_the_file_is_that_of_the_server_in_the_file() -> None:
    def settings(*arguments: str) -> Settings:
        return read_settings(parse_options(usage(), list(arguments), ""), OF_THE_FILE, False)

    assert str(settings().fingerprint) == KEY
    for other in ("--address=other.example:1", "--tls=off", "--insecure"):
        assert settings(other).fingerprint is None
    assert settings("--address=other.example:1", f"--fingerprint={KEY}").fingerprint is not None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--fingerprint=SHA256:abc"], "--fingerprint='SHA256:abc' is not a fingerprint"),
        ([f"--fingerprint={KEY}", "--insecure"], "exclude each other"),
        ([f"--fingerprint={KEY}", "--tls=off"], "--tls=off excludes"),
        (["--insecure", "--tls=off"], "--tls=off excludes"),
        (["--tls=on"], "expected auto, required or off"),
    ],
)
def test_what_makes_no_sense_about_encryption(arguments: list[str], problem: str) -> None:
    options = parse_options(usage(), ["--username=bob", *arguments], "")
    with pytest.raises(UsageError, match=problem):
        read_settings(options, {}, False)
