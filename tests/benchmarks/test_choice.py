"""The choices of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks.__main__
from benchmarks import choice
from benchmarks.__main__ import main
from benchmarks.choice import Choice, choose
from benchmarks.clients.client import Client
from benchmarks.commits import Commit
from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from chat.config.command_line import EXIT_USAGE, UsageError, parse_options

HASHES = {"HEAD": "a" * 40, "HEAD~1": "b" * 40, "main": "b" * 40, "v1@{yesterday}": "c" * 40}


@pytest.fixture(autouse=True)
def commits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commits that are ready already."""

    def prepare(revision: str) -> Commit:
        if revision not in HASHES:
            raise UsageError(f"cannot compare with {revision!r}: git knows no such commit here")
        hash = HASHES[revision]
        python = tmp_path / "python"
        return Commit(revision, hash, hash[:7], tmp_path, python, "0.1", frozenset({"--rate"}))

    monkeypatch.setattr(choice, "prepare", prepare)


def chosen(*arguments: str) -> Choice:
    return choose(parse_options(benchmarks.__main__.__doc__ or "", list(arguments), ""))


def test_without_a_commit_all_is_as_before() -> None:
    all = chosen()

    assert all.plan == Plan(rounds=5, seconds=2.0)
    assert {"chat", "redis", "floor", "irssi"} <= {peer.name for peer in all.peers}
    assert {"fan-out", "client-log"} <= {work.name for work in all.work}
    assert all.directory == Path("build/benchmarks")
    few = chosen("--peers=redis,chat", "--work=idle", "--rounds=2", "--seconds=7")
    assert {peer.name for peer in few.peers} == {"chat", "redis"}
    assert few.plan == Plan(rounds=2, seconds=7)


@pytest.mark.parametrize(("options", "rounds"), [
    ([], 9),
    (["--rounds=3"], 9),
    (["--rounds=20"], 20),
    (["--quick"], 9),
])  # fmt: skip
def test_a_commit_takes_nine_rounds_or_more(options: list[str], rounds: int) -> None:
    plan = chosen("--peers=chat,chat@HEAD", *options).plan

    assert plan.rounds == rounds
    assert plan.seconds < 2  # short ones, of which there are more
    assert plan.quick == ("--quick" in options)
    assert chosen("--peers=chat,chat@HEAD", "--seconds=4").plan.seconds == 4


def test_commits_stand_beside_todays_servers() -> None:
    peers = chosen("--peers=chat@HEAD,chat,chat-tls,chat-tls@v1@{yesterday},floor").peers

    servers = [peer.name for peer in peers if isinstance(peer, Peer)]
    assert servers == ["chat", "floor", "chat-tls", "chat@aaaaaaa", "chat-tls@ccccccc"]


def test_a_commit_stands_beside_todays_client_too() -> None:
    choice = chosen("--peers=chat,chat@HEAD,irssi", "--work=client-key")

    assert [work.name for work in choice.work] == ["client-key"]
    clients = [peer for peer in choice.peers if isinstance(peer, Client)]
    assert [client.name for client in clients] == ["chat", "irssi", "chat@aaaaaaa"]
    today, _, then = clients
    # In the same way, or the start would be compared with another start.
    assert today.command(7, Path())[1:] == then.command(7, Path())[1:]
    assert today.environment("home")["PYTHONPATH"] != then.environment("home")["PYTHONPATH"]


def test_one_commit_is_measured_once_whatever_it_is_called() -> None:
    peers = chosen("--peers=chat,chat@HEAD~1,chat@main").peers

    assert {peer.name for peer in peers if "@" in peer.name} == {"chat@bbbbbbb"}
    assert len([peer for peer in peers if isinstance(peer, Peer) and "@" in peer.name]) == 1


def test_a_comparison_is_about_servers_unless_asked_and_leaves_published_figures_alone() -> None:
    assert not any(work.name.startswith("client") for work in chosen("--peers=chat,chat@HEAD").work)
    assert chosen("--peers=chat,chat@HEAD").directory == Path("build/comparison")
    asked = chosen("--peers=chat,chat@HEAD", "--output=docs/benchmarks", "--work=idle,client-key")
    assert asked.directory == Path("docs/benchmarks")
    assert [work.name for work in asked.work] == ["idle", "client-key"]


@pytest.mark.parametrize(("text", "share"), [("3%", 0.03), ("2.5%", 0.025), ("0%", 0.0)])
def test_a_share_is_a_percentage(text: str, share: float) -> None:
    assert chosen("--peers=chat,chat@HEAD", f"--at-most={text}").at_most == pytest.approx(share)


@pytest.mark.parametrize(("arguments", "said"), [
    (["--peers=chat,chat@nosuch"], "cannot compare with 'nosuch': git knows no such commit"),
    (["--peers=chat,chat@"], "cannot compare with ''"),
    (["--peers=chat@HEAD"], "name today's beside it, --peers=chat,chat@HEAD"),
    (["--peers=chat,chat-tls@HEAD"], "--peers=chat-tls,chat-tls@HEAD"),
    (["--peers=chat,redis@HEAD"], "only chat and chat-tls can be measured at a commit"),
    (["--peers=chat,irssi@HEAD"], "only chat and chat-tls can be measured at a commit"),
    (["--peers=chat,nobody,chat@HEAD"], "expected some of chat, redis"),
    (["--peers=chat,chat@HEAD", "--at-most=3"], "expected a percentage"),
    (["--peers=chat,chat@HEAD", "--at-most=-3%"], "expected a percentage"),
    (["--peers=chat,redis", "--at-most=3%"], "--at-most needs a commit"),
    (["--peers=chat,chat@HEAD", "--rounds=many"], "expected a whole number"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([*arguments, f"--output={tmp_path / 'nothing'}"]) == EXIT_USAGE

    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "nothing").exists()
