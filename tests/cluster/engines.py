"""The engines of a run: a primary, a replica and Sentinel, which are killed, paused, and cut off from each other.

Each engine tells others the address of a proxy of its own (``announce``), so Sentinel and the replica reach it through
that. Each server of the chat has a view of its own of the engines (``EngineView``): proxies to Sentinel and to each
engine, and Sentinel's answers with the ports of these proxies. So one server can be cut off while others are not.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from tests.cutting.proxy import Proxy
from tests.end_to_end.server_process import eventually
from tests.server.cluster.engine_process import EngineProcess, SentinelProcess

SERVICE = "main"
_START = 30.0  # seconds


class AnnouncedEngine(EngineProcess):
    """An engine that tells others the address of ``proxy``."""

    def __init__(self, directory: Path, *more: str) -> None:
        super().__init__(directory)
        self.proxy = Proxy(self.address)
        self._more = more
        self.is_paused = False

    @property
    def announced(self) -> tuple[str, int]:
        return self.proxy.address

    def pause(self) -> None:
        self.is_paused = True
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.is_paused = False
        self.signal(signal.SIGCONT)

    def _words(self) -> list[str]:
        host, port = self.announced
        announce = ("--replica-announce-ip", host, "--replica-announce-port", str(port))
        # A failover takes place while the failed engine is dead or paused, and not because the test machine is busy.
        return [*super()._words(), *announce, "--repl-timeout", "5", *self._more]


class WatchingSentinel(SentinelProcess):
    """Sentinel, which reaches the engines by their announced addresses."""

    def __init__(self, directory: Path, primary: AnnouncedEngine) -> None:
        directory.mkdir(parents=True)
        super().__init__(directory, primary)
        config = directory / "sentinel.conf"
        host, port = primary.announced
        text = config.read_text().replace(
            f"{primary.address[0]} {primary.address[1]}", f"{host} {port}"
        )
        text = text.replace("down-after-milliseconds main 500", "down-after-milliseconds main 1500")
        config.write_text(text)


def _naming(ports: dict[int, int]) -> Callable[[bytes], bytes]:
    """Return a function that puts other ports, of as many digits, in place of those in Sentinel's answers."""
    words = {b"%d\r\n" % real: b"%d\r\n" % own for real, own in ports.items()}

    def change(data: bytes) -> bytes:
        for real, own in words.items():
            data = data.replace(real, own)
        return data

    return change


class EngineView:
    """The engines as one server sees them. ``url`` is the option of that server."""

    def __init__(self, engines: Engines, *, prefix: str, replicas: int) -> None:
        # Sentinel knows the engines by the announced ports.
        self._proxies = {engine.announced[1]: Proxy(engine.address) for engine in engines.all}
        ports = {port: proxy.address[1] for port, proxy in self._proxies.items()}
        if engines.sentinel is None:
            [port] = ports.values()
            self.url = f"redis://127.0.0.1:{port}/{prefix}"
            self._sentinel = None
            return
        self._sentinel = Proxy(engines.sentinel.address, _naming(ports))
        _, port = self._sentinel.address
        self.url = f"redis+sentinel://127.0.0.1:{port}/{SERVICE}/{prefix}?replicas={replicas}"

    @property
    def proxies(self) -> list[Proxy]:
        return [*self._proxies.values(), *([self._sentinel] if self._sentinel else [])]

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        for proxy in self.proxies:
            proxy.hold(up=up, down=down)

    def release(self) -> None:
        for proxy in self.proxies:
            proxy.release()

    def close(self) -> None:
        for proxy in self.proxies:
            proxy.close()


class Engines:
    """One engine, or with ``has_replica`` a primary, its replica and Sentinel. ``more`` are options of each engine."""

    def __init__(self, directory: Path, *more: str, has_replica: bool) -> None:
        self._directory = directory
        self.all = [AnnouncedEngine(directory / "engine-1", *more)]
        self.sentinel: SentinelProcess | None = None
        if has_replica:
            self.all.append(AnnouncedEngine(directory / "engine-2", *more))
            # The answers of Sentinel are changed in place.
            assert len({len(str(engine.announced[1])) for engine in self.all}) == 1

    def start(self) -> None:
        """Start all, and wait until Sentinel knows them."""
        for engine in self.all:
            engine.start()
        if len(self.all) == 1:
            return
        primary, replica = self.all
        replica.follow(primary.announced)
        sentinel = WatchingSentinel(self._directory / "sentinel", primary)
        self.sentinel = sentinel
        sentinel.start()
        eventually(lambda: len(sentinel.call("SENTINEL", "replicas", SERVICE)) == 1, _START)

    @property
    def primary(self) -> AnnouncedEngine:
        """The engine that is the primary now; all must run."""
        return next(
            each for each in self.all if each.call("INFO", "replication")["role"] == "master"
        )

    def settle(self) -> None:
        """Wait until one engine is the primary, and the other one its replica."""
        if len(self.all) == 1:
            return

        def is_settled() -> bool:
            facts = [engine.call("INFO", "replication") for engine in self.all]
            roles = sorted(each["role"] for each in facts)
            return roles == ["master", "slave"] and all(
                each["master_link_status"] == "up" for each in facts if each["role"] == "slave"
            )

        eventually(is_settled, _START)

    def close(self) -> None:
        for engine in self.all:
            if engine.is_paused:
                engine.resume()
            engine.kill()
            engine.proxy.close()
        if self.sentinel is not None:
            self.sentinel.kill()
