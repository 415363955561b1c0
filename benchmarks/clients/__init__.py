"""Run the terminal clients that are measured: ours, and popular IRC clients."""

from __future__ import annotations

from benchmarks.clients.chat import ChatClient
from benchmarks.clients.client import Client
from benchmarks.clients.irc import Irssi, LenientIrssi, Weechat

CLIENTS: tuple[Client, ...] = (ChatClient(), Irssi(), LenientIrssi(), Weechat())
