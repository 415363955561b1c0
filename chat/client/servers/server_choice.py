"""Choose a server for each login: the servers that the user has named, and those that a server has told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from chat.client.connection.connection import Connection
from chat.client.connection.liveness import uptime
from chat.client.connection.session.told_servers import MAX_SERVERS, read_servers
from chat.client.errors import ChatError, ConnectError, LoginRefused, UntrustedServer
from chat.client.runtime.runtime import Runtime
from chat.client.servers.retrying import Pauses, RetryPolicy
from chat.client.trust.connector import Connector, TrustPolicy, UnknownServer
from chat.client.trust.known_hosts import host_name
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint
from chat.protocol.notices import Refusal
from chat.structs import replace

# Seconds for a server to accept a connection, while others are left to try.
REACH = 4.0
# Seconds after which a connection that was lost had been one: behind a balancer, the next login may be at once.
_BRIEF = 10.0
# Seconds over which the clients of a server that has died spread their logins at the others.
SPREAD = 0.5
# Told servers that did not prove what they must: with so many, a server is hostile, and nothing it tells is taken.
_MAX_DISTRUSTED = 64
# Refusals that say nothing of the next server.
_PASSING = frozenset(
    refusal.value
    for refusal in (
        Refusal.BUSY,
        Refusal.SERVER_FULL,
        Refusal.TOO_MANY_ATTEMPTS,
        Refusal.TOO_MANY_CONNECTIONS,
    )
)

# Logs in by a connector. The seconds are those for reaching the server; None: as many as a login may take. Raises
# ChatError.
LogIn = Callable[[Connector, "float | None"], Connection]


class _Server:
    """One server: how to reach it, and when it may be tried again."""

    def __init__(self, connector: Connector, policy: RetryPolicy, *, is_told: bool) -> None:
        self.connector = connector
        self.name = host_name(connector.address)  # one spelling for each address
        self.is_told = is_told
        self.not_before = 0.0
        self.pauses = Pauses(policy)

    def rest(self) -> None:
        """Leave the server alone for a while, longer each time."""
        self.not_before = uptime() + self.pauses.next()


class ServerChoice:
    """The servers of one user at one chat. ``addresses`` are those that the user has named, the preferred one first.

    All logins go through ``connect``, one at a time. ``warn`` gets a sentence about a server that is left out.
    """

    def __init__(
        self,
        runtime: Runtime,
        addresses: Sequence[Address],
        policy: TrustPolicy,
        retry: RetryPolicy | None = None,
        warn: Callable[[str], object] | None = None,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._warn = warn or (lambda sentence: None)
        self._named: dict[str, _Server] = {}
        self._told: dict[str, _Server] = {}
        self._distrusted: set[str] = set()  # servers that did not prove what they must
        is_one_of_several = len(addresses) > 1
        if is_one_of_several and policy.judge is not None:
            self._judge, policy = policy.judge, replace(policy, judge=self._ask_at_first)
        for address in addresses:
            keys = self._keys_of_others if is_one_of_several else tuple
            connector = Connector(runtime, address, policy, keys)
            self._named.setdefault(host_name(address), self._server(connector))
        self._first = next(iter(self._named.values()))
        self._current: _Server | None = None
        self._is_shared = False  # whether the address of the present server leads to others as well

    def _server(self, connector: Connector, *, is_told: bool = False) -> _Server:
        return _Server(connector, self._retry, is_told=is_told)

    @property
    def address(self) -> Address:
        """The address of the present server, or of the last one; before the first login, the first that was named."""
        return (self._current or self._first).connector.address

    @property
    def told(self) -> tuple[Address, ...]:
        """The addresses that servers have told, for a later run of the client."""
        return tuple(server.connector.address for server in self._told.values())

    def warnings(self) -> list[str]:
        """Return warnings about the trust policy, as sentences. The user should see them once."""
        named = (server.connector.warnings() for server in self._named.values())
        return [warning for warnings in named for warning in warnings]

    def recall(self, told: Iterable[str]) -> None:
        """Take the addresses that an earlier run of the client has left, unless a server has told others."""
        if self._current is None:
            self.tell(read_servers(told))

    def tell(self, addresses: Iterable[Address]) -> None:
        """Take the addresses of the cluster that the present server has told. They replace those of before.

        A server that is tried again keeps its pause, and the present server stays. If the list has the address of the
        present server, a balancer is there, and the next login leads to another server.
        """
        before, self._told = self._told, {}
        addresses, current = [*addresses], self._current
        names = {host_name(address) for address in addresses}
        self._is_shared = current is not None and current.name in names
        if current is not None and current.is_told:
            self._told[current.name] = current
        self._add(addresses, before)

    def is_other_ready(self) -> bool:
        """Return whether a server other than the present one may be tried at once."""
        now = uptime()
        return any(each.not_before <= now for each in self._others())

    @property
    def others(self) -> tuple[Address, ...]:
        """The addresses of all servers but the present one."""
        return tuple(each.connector.address for each in self._others())

    def _others(self) -> Iterator[_Server]:
        return (each for each in self._all() if self._is_shared or each is not self._current)

    def lost(self, seconds: float) -> None:
        """Note that the connection to the present server was lost after ``seconds``."""
        if self._current is None:
            return
        self._current.pauses.was_connected(seconds)
        if not self._is_shared or seconds < _BRIEF:
            self._current.rest()

    def spread(self) -> float:
        """Return the seconds to wait before a login at another server, after a loss that many clients have at once."""
        import random  # loaded with the first lost connection

        return random.uniform(0, SPREAD)

    def connect(self, log_in: LogIn, among: Collection[Address] = ()) -> Connection:
        """Log in at the first server that takes the user.

        The servers that failed lately are left out if others are there. ``among``: only these servers, which the
        present one has told. Raises the error of the only server that was tried, or a ConnectError about all. A refusal
        that the next server would repeat is raised at once.
        """
        if among:
            self._add(among, self._told)
        problems: list[ChatError] = []
        candidates = self._candidates({host_name(address) for address in among})
        for number, server in enumerate(candidates, 1):
            try:
                connection = log_in(server.connector, REACH if number < len(candidates) else None)
            except UntrustedServer as problem:
                self._distrust(server, problem, is_only=len(candidates) == 1)
                problems.append(problem)
            except LoginRefused as problem:
                if problem.code not in _PASSING:
                    raise
                problems.append(problem)
            except ConnectError as problem:
                problems.append(problem)
            else:
                self._current = server
                return connection
            server.rest()
        raise _together(problems)

    def _distrust(self, server: _Server, problem: UntrustedServer, *, is_only: bool) -> None:
        if server.is_told:
            self._told.pop(server.name, None)
        elif is_only:
            return  # the error tells it
        if server.name not in self._distrusted:
            self._distrusted.add(server.name)
            self._warn(str(problem))

    def _add(self, addresses: Collection[Address], before: dict[str, _Server]) -> None:
        if not addresses:
            return
        from chat.client.trust.sibling import Sibling  # not loaded for a server on its own

        named = [server.connector for server in self._named.values()]
        for address in addresses:
            name = host_name(address)
            if name in self._named or name in self._told or name in self._distrusted:
                continue
            if len(self._told) >= MAX_SERVERS or len(self._distrusted) >= _MAX_DISTRUSTED:
                return
            known = before.get(name)
            self._told[name] = known or self._server(Sibling(named, address), is_told=True)

    def _all(self) -> Iterator[_Server]:
        yield from self._named.values()
        yield from self._told.values()

    def _candidates(self, among: Collection[str]) -> list[_Server]:
        """Return the servers to try, in order.

        At first those that the user has named, in their order. Later the user's own order means little: thousands of
        clients lose their server at the same moment, and each takes the others in an order of its own.
        """
        servers, now, current = [*self._all()], uptime(), self._current
        if among:
            return _shuffled(each for each in servers if each.name in among)
        servers = [each for each in servers if each.not_before <= now] or servers
        if current is None:
            named = [each for each in servers if not each.is_told]
            return [*named, *_shuffled(each for each in servers if each.is_told)]
        last = [current] if current in servers else []
        return [*_shuffled(each for each in servers if each is not current), *last]

    def _ask_at_first(self, unknown: UnknownServer) -> bool:
        """Ask the user about a server that they have named, but not in the middle of a conversation.

        A line that the user types then is meant for the others. Raises UntrustedServer.
        """
        if self._current is None:
            return self._judge(unknown)
        raise UntrustedServer(
            f"The client does not go to {unknown.address}: it is not known yet, and the client asks about servers only "
            "when it starts."
        )

    def _keys_of_others(self) -> Iterator[Fingerprint]:
        for server in self._named.values():
            proof = server.connector.proof()
            if proof is not None:
                yield from proof.keys


def _shuffled(servers: Iterable[_Server]) -> list[_Server]:
    found = [*servers]
    if len(found) > 1:
        import random  # not loaded for a single server, as nearly all are

        random.shuffle(found)
    return found


def _together(problems: Sequence[ChatError]) -> ChatError:
    """Return one error for all servers that were tried."""
    if len(problems) == 1:
        return problems[0]
    if not problems:
        return ConnectError("There is no other server to go to.")
    untrusted = [each for each in problems if isinstance(each, UntrustedServer)]
    if len(untrusted) == len(problems):
        return untrusted[0]
    refused = [each for each in problems if isinstance(each, LoginRefused)]
    if len(refused) == len(problems):
        return refused[-1]
    return ConnectError(" ".join(dict.fromkeys(map(str, problems))))
