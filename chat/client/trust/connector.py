"""Whether a connection is encrypted, and whether whoever answers is believed to be the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from chat.client.errors import ConnectError, NotEncrypted, UntrustedServer
from chat.client.runtime.cancellation import Cancellation
from chat.client.runtime.happy_eyeballs import Route
from chat.client.runtime.runtime import Runtime, Stream
from chat.client.trust.known_hosts import Known, KnownHosts, KnownHostsError, host_name
from chat.client.trust.tls import (
    HandshakeFailed,
    NoEncryption,
    TlsStream,
    Unverified,
    make_context,
)
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint, fingerprint_of_certificate

TlsChoice: TypeAlias = Literal["auto", "required", "off"]

# Seconds of silence after which a server is taken to speak no TLS. On this machine nobody is far away.
_LOCAL_PATIENCE = 3.0
_PATIENCE = 10.0

_MAY_MEAN = (
    "Either somebody between you and the server pretends to be it, or whoever runs it has made a"
    " new key: ask, by another way than this."
)
_NEEDS_THE_FILE = (
    "Without that file the client cannot tell whether the server still has the same key."
    " --fingerprint=<fingerprint> says which key it must have, --known-hosts=<file> names another file."
)
_IN_THE_CLEAR = "Whoever is on the way can read and change all that is said"


@dataclass(frozen=True)
class UnknownServer:
    """A server that is not known and that no authority vouches for: is it to be trusted?

    ``fingerprint`` is that of its key; None if it does not encrypt at all. ``reason``: why no authority vouches for it.
    """

    address: Address
    fingerprint: Fingerprint | None
    reason: str = ""

    @property
    def lines(self) -> list[str]:
        """What whoever is asked should know."""
        if self.fingerprint is None:
            return [f"{self.address} does not encrypt. {_IN_THE_CLEAR}, passwords are not sent."]
        return [
            f"{self.address} is not known yet, and no authority vouches for it: {self.reason}.",
            "Whoever runs it can tell you the fingerprint of its key. Here it is:",
            str(self.fingerprint),
            *self.fingerprint.picture(),
        ]

    @property
    def question(self) -> str:
        if self.fingerprint is None:
            return "Talk there all the same?"
        return "Is that right, and to be remembered?"


TrustPrompt: TypeAlias = Callable[[UnknownServer], bool]


@dataclass(frozen=True)
class TrustPolicy:
    """What a server has to fulfil. ``fingerprint``: of the key it must have, whoever else is known or vouched for.

    ``insecure``: it must encrypt, and may be anybody. ``known_hosts`` is where servers are remembered; ``judge`` is
    asked about strangers, None: nobody is. ``warn`` is told, in a sentence, if a key could not be remembered.
    """

    tls: TlsChoice = "auto"
    fingerprint: Fingerprint | None = None
    insecure: bool = False
    known_hosts: KnownHosts = field(default_factory=KnownHosts)
    judge: TrustPrompt | None = None
    warn: Callable[[str], object] | None = None


class _Check(NamedTuple):
    """What a server must show: one of ``keys``, or the word of an ``authority``; nothing if it may be anybody."""

    keys: tuple[Fingerprint, ...] = ()
    authority: bool = False


class Connector:
    """The way to one server. What is found out by knocking stands for each connection that is opened through it.

    One task knocks, before every session; several may open.
    """

    def __init__(
        self, runtime: Runtime, address: Address, policy: TrustPolicy | None = None
    ) -> None:
        self.runtime = runtime
        self.address = address
        self._policy = policy or TrustPolicy()
        self._decided = False
        self._check: _Check | None = None  # None: not encrypted
        self._spoke_tls = False
        self._forgets = False  # the answer could not be written to known_hosts
        self._ready: Stream | None = None  # what knocking has made, for whoever opens first
        self._route = Route()

    @property
    def is_encrypted(self) -> bool:
        return self._check is not None

    def probe(self, timeout: float) -> None:
        """Find out what the server speaks, and whether to trust it. ``timeout`` (seconds) is for each try.

        Asks the judge at most once for all sessions. Raises ConnectError, NotEncrypted, UntrustedServer.
        """
        if self._decided and not self._accepts_any_server:
            return
        with self._explaining():
            if self._policy.tls != "off":
                self._decide(timeout)
        self._decided = True

    def open(self, timeout: float, cancel: Cancellation | None = None) -> Stream:
        """Return a connection to the server that was found. Raises ConnectError, NotEncrypted, UntrustedServer.

        ``cancel``, called from another task, makes this raise ConnectError.
        """
        assert self._decided, "who is there is found out by knocking"
        ready, self._ready = self._ready, None
        if ready is not None:
            return ready
        cancel = cancel or Cancellation()
        with self._explaining(cancel):
            if self._check is None:
                return self._connect(timeout, cancel)
            return self._shake_hands(self._check, timeout, timeout, cancel)

    def forget_route(self) -> None:
        """Look the name up again for the next connection, because the address that worked last has failed."""
        self._route.forget()

    def warnings(self) -> list[str]:
        """What has to be said of it once, in sentences."""
        if self._policy.insecure:
            return [
                f"Nobody checks who answers for {self.address} (--insecure): it may be somebody on"
                " the way, who can read and change all that is said, passwords too."
            ]
        if self._policy.tls != "off" or self.address.is_local:
            return []
        known = Known()
        with suppress(KnownHostsError):  # it was not asked for
            known = self._policy.known_hosts.find(self.address)
        although = f", although {self.address} is known to do" if known else ""
        return [f"Nothing is encrypted (--tls=off){although}. {_IN_THE_CLEAR}."]

    @property
    def _accepts_any_server(self) -> bool:
        """Whether a new session may be with another than the last one, and nobody has to be asked about that."""
        if self._policy.tls == "off" or self._policy.fingerprint is not None:
            return False
        return self._policy.insecure or self.address.is_local

    # Knocking.

    def _decide(self, timeout: float) -> None:
        known = self._known()
        is_strict = bool(known) or self._policy.insecure or self._policy.tls == "required"
        check = _Check(
            known.fingerprints, known.by_authority or not (known or self._accepts_any_server)
        )
        try:
            stream = self._shake_hands(check, timeout, self._patience(is_strict, timeout))
        except NoEncryption as refused:
            if is_strict or self._spoke_tls:
                raise
            self._go_plain(refused)
        except Unverified as unverified:
            if known:
                raise
            self._trust_new_key(str(unverified), timeout)
        else:
            self._keep(check, stream)
            if check.authority and not known:
                self._remember(None)

    def _known(self) -> Known:
        if self._policy.fingerprint is not None:
            return Known((self._policy.fingerprint,))
        if self._accepts_any_server:
            return Known()
        try:
            return self.runtime.offload(self._policy.known_hosts.find, self.address)
        except KnownHostsError as error:
            raise ConnectError(f"{error} {_NEEDS_THE_FILE}") from None

    def _remember(self, fingerprint: Fingerprint | None) -> None:
        """Write the answer to the file. If that fails, warn and go on: this Door keeps the answer in memory."""
        try:
            self.runtime.offload(self._policy.known_hosts.remember, self.address, fingerprint)
        except KnownHostsError as error:
            self._forgets = True
            if self._policy.warn is not None:
                self._policy.warn(_cannot_remember(self.address, fingerprint, error))

    def _patience(self, is_strict: bool, timeout: float) -> float:
        if is_strict or self._spoke_tls:
            return timeout
        return _LOCAL_PATIENCE if self.address.is_local else _PATIENCE

    def _keep(self, check: _Check, stream: TlsStream) -> None:
        """For the sessions to come, and their transfers."""
        self._spoke_tls = True
        self._ready = stream
        if check.keys or self._policy.insecure:
            check = _Check(keys=(_key_of(stream),))  # anybody, but not two in one session
        self._check = check

    def _go_plain(self, refused: NoEncryption) -> None:
        if not self.address.is_local:
            judge = self._policy.judge
            if judge is None:
                raise NotEncrypted(
                    f"{self._no_tls(refused)} Nothing is said there, unless told by --tls=off."
                )
            if not judge(UnknownServer(self.address, None)):
                raise NotEncrypted(f"{self._no_tls(refused)} Nothing was said there.")
        self._check = None

    def _trust_new_key(self, reason: str, timeout: float) -> None:
        """A key that nobody has seen yet."""
        stream = self._shake_hands(_Check(), timeout, timeout)
        stream.close()  # whoever is asked may take longer than a server waits
        key = _key_of(stream)
        judge = self._policy.judge
        if judge is None:
            raise UntrustedServer(
                f"{self.address} is not known yet, no authority vouches for it ({reason}), and"
                f" there is nobody to ask. If {key} is its key, say so: --fingerprint={key}"
            )
        if not judge(UnknownServer(self.address, key, reason)):
            raise UntrustedServer(f"{self.address} is not trusted. Nothing was said there.")
        self._remember(key)
        check = _Check(keys=(key,))
        self._keep(check, self._shake_hands(check, timeout, timeout))

    # Opening.

    def _connect(self, timeout: float, cancel: Cancellation) -> Stream:
        return self.runtime.connect(self.address, timeout, self._route, lambda: cancel.cancelled)

    def _shake_hands(
        self, check: _Check, timeout: float, patience: float, cancel: Cancellation | None = None
    ) -> TlsStream:
        """Raises UntrustedServer, what a handshake raises, OSError."""
        cancel = cancel or Cancellation()
        verify = check.authority and not check.keys
        plain = self._connect(timeout, cancel)
        try:
            context = make_context(verify=verify)
            stream = TlsStream(plain, context, self.address, self.runtime)
            with cancel.calls(plain.shut):
                stream.handshake(timeout, patience)
            if not check.keys or any(_key_of(stream).matches(key) for key in check.keys):
                return stream
        except BaseException:
            plain.shut()
            plain.close()
            raise
        stream.close()
        if check.authority:
            return self._shake_hands(_Check(authority=True), timeout, patience, cancel)
        raise UntrustedServer(self._changed(check.keys, _key_of(stream)))

    def _changed(self, keys: tuple[Fingerprint, ...], key: Fingerprint) -> str:
        expected = " or ".join(map(str, keys))
        said = f"THE KEY OF {self.address} HAS CHANGED. It is now {key} and was {expected}."
        if self._policy.fingerprint is not None:
            said = (
                f"{self.address} HAS ANOTHER KEY: {key}, and not {expected}, as --fingerprint says."
            )
        return f"{said}\n{_MAY_MEAN}{self._how_to_forget()}"

    def _how_to_forget(self) -> str:
        if self._policy.fingerprint is not None or self._policy.insecure:
            return ""
        if self._forgets:
            return "\nIf all is well, start the client again: it will ask you about the new key."
        return (
            f"\nIf all is well, remove the line of {host_name(self.address)} from"
            f" {self._policy.known_hosts.path} and connect again."
        )

    def _no_tls(self, refused: NoEncryption) -> str:
        if refused.silent:
            return f"{self.address} does not answer to TLS, by which all is encrypted."
        return f"{self.address} does not speak TLS, by which all is encrypted."

    @contextmanager
    def _explaining(self, cancel: Cancellation | None = None) -> Iterator[None]:
        """Turn failures into ConnectError, and let the next connection try other addresses."""
        address = self.address
        is_through = False
        try:
            yield
            is_through = True
        except NoEncryption as refused:
            raise NotEncrypted(self._no_tls(refused)) from None
        except Unverified as unverified:
            raise UntrustedServer(
                f"NO AUTHORITY VOUCHES FOR {address} ANY MORE, as one did before: {unverified}."
                f"\n{_MAY_MEAN}{self._how_to_forget()}"
            ) from None
        except HandshakeFailed as failed:
            raise ConnectError(f"No encrypted connection to {address}: {failed}") from None
        except TimeoutError:
            raise ConnectError(f"{address} does not answer.") from None
        except (OSError, ValueError) as error:  # a host name that is none fails to encode
            reason = getattr(error, "strerror", None) or error
            raise ConnectError(f"Can't connect to {address}: {reason}.") from None
        finally:
            if not is_through and not (cancel is not None and cancel.cancelled):
                self.forget_route()


def _cannot_remember(
    address: Address, fingerprint: Fingerprint | None, error: KnownHostsError
) -> str:
    if fingerprint is None:
        return (
            f"Cannot remember that an authority vouches for {address}: {error} If it does not"
            " encrypt next time, you will only be asked; --tls=required refuses that."
        )
    return (
        f"Cannot remember the key of {address}: {error} You will be asked again next time, unless"
        f" you say --fingerprint={fingerprint} or name a writable file with --known-hosts."
    )


def _key_of(stream: TlsStream) -> Fingerprint:
    return fingerprint_of_certificate(stream.certificate())
