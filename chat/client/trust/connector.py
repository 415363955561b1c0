"""Open connections to one server: encrypt them, and check that the right server answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from chat.client.errors import ConnectError, NotEncrypted, UntrustedServer
from chat.client.runtime.cancellation import Cancellation
from chat.client.runtime.happy_eyeballs import Route
from chat.client.runtime.runtime import Runtime, Stream
from chat.client.trust.handshake_errors import HandshakeFailed, NoEncryption, Unverified
from chat.client.trust.known_hosts import Known, KnownHosts, KnownHostsError, host_name
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint, fingerprint_of_certificate
from chat.structs import Struct, field

if TYPE_CHECKING:
    from chat.client.trust.tls import TlsStream

TlsChoice: TypeAlias = Literal["auto", "required", "off"]

# Seconds of silence after which the client assumes that a server speaks no TLS: such a server may wait for more bytes
# instead of answering a handshake. A server on this machine is not far away.
_LOCAL_PATIENCE = 3.0
_PATIENCE = 10.0

_MAY_MEAN = (
    "Either somebody between you and the server pretends to be the server, or its operator has made"
    " a new key. Ask the operator, but not over this connection."
)
_NEEDS_THE_FILE = (
    "Without that file the client cannot tell whether the server still has the same key."
    " Give the key with --fingerprint=<fingerprint>, or another file with --known-hosts=<file>."
)
_IN_THE_CLEAR = "Anybody on the way can read and change all messages"


class UnknownServer(Struct):
    """A server that is not known and that no authority vouches for: the subject of a question to the user.

    ``fingerprint`` is the fingerprint of the server's key; None if the server does not encrypt at all. ``reason`` says
    why no authority vouches for the server.
    """

    address: Address
    fingerprint: Fingerprint | None
    reason: str = ""

    @property
    def lines(self) -> list[str]:
        """The facts that the user needs for an answer, as lines."""
        if self.fingerprint is None:
            return [f"{self.address} does not encrypt. {_IN_THE_CLEAR}; passwords are not sent."]
        return [
            f"{self.address} is not known yet, and no authority vouches for it: {self.reason}.",
            "Compare the fingerprint of its key with the one that its operator gave you:",
            str(self.fingerprint),
            *self.fingerprint.picture(),
        ]

    @property
    def question(self) -> str:
        """The question to answer by yes or no."""
        if self.fingerprint is None:
            return "Connect without encryption?"
        return "Trust this key and remember it?"


TrustPrompt: TypeAlias = Callable[[UnknownServer], bool]


class TrustPolicy(Struct):
    """The rules that decide whether a server is trusted.

    ``fingerprint`` belongs to the only key that is accepted, whatever ``known_hosts`` and the authorities say.
    ``insecure``: the server must encrypt, and any server is accepted. ``known_hosts`` is the file of known servers.
    ``judge`` asks the user about an unknown server; if it is None, unknown servers are refused. ``warn`` gets a
    sentence if a key could not be remembered.
    """

    tls: TlsChoice = "auto"
    fingerprint: Fingerprint | None = None
    insecure: bool = False
    known_hosts: KnownHosts = field(default_factory=KnownHosts)
    judge: TrustPrompt | None = None
    warn: Callable[[str], object] | None = None


class TrustProof(NamedTuple):
    """The proof that a server must show: one of ``keys``, or a certificate from an ``authority``.

    With neither, any server is accepted.
    """

    keys: tuple[Fingerprint, ...] = ()
    authority: bool = False


class Connector:
    """Opens connections to one server. ``probe`` decides about the server, and ``open`` keeps to the decision.

    One task calls ``probe``, before every session. Several tasks may call ``open`` at a time. ``cluster_keys`` returns
    the keys of other servers that the user has named: an unknown server with one of them is trusted without a question.
    """

    def __init__(
        self,
        runtime: Runtime,
        address: Address,
        policy: TrustPolicy | None = None,
        cluster_keys: Callable[[], Iterable[Fingerprint]] = tuple,
    ) -> None:
        self.runtime = runtime
        self.address = address
        self.policy = policy or TrustPolicy()
        self.certified = address  # whose name a certificate must have
        self._cluster_keys = cluster_keys
        self._certificate: bytes | None = None  # that the server has shown, if it is trusted
        self._decided = False
        self._check: TrustProof | None = None  # None: not encrypted
        self._spoke_tls = False
        self._forgets = False  # the answer could not be written to known_hosts
        self._ready: Stream | None = None  # made by the probe, for the first ``open``
        self._route = Route()

    @property
    def is_encrypted(self) -> bool:
        """Whether connections are encrypted; valid after a probe."""
        return self._check is not None

    def probe(self, timeout: float) -> None:
        """Find out whether the server speaks TLS, and whether to trust it. ``timeout`` (seconds) is for each try.

        The user is asked at most once for all sessions. Raises ConnectError, NotEncrypted, UntrustedServer.
        """
        # If any server is accepted, the next session may meet another one, with another key or without TLS.
        if self._decided and not self._accepts_any_server:
            return
        with self._explaining():
            if self.policy.tls != "off":
                self._decide(timeout)
        self._decided = True

    def open(self, timeout: float, cancel: Cancellation | None = None) -> Stream:
        """Return a connection to the server that was probed. Raises ConnectError, NotEncrypted, UntrustedServer.

        If another task calls ``cancel``, this raises ConnectError.
        """
        assert self._decided, "call probe() first"
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

    def proof(self) -> TrustProof | None:
        """Return what other servers of the same cluster must show; None if nothing proves who this server is.

        Raises ConnectError.
        """
        if self.policy.tls == "off":
            return None
        known, keys = self._known(), tuple[Fingerprint, ...]()
        if self._certificate is not None:
            with suppress(ValueError):  # a key that has no fingerprint
                keys = (fingerprint_of_certificate(self._certificate),)
        proof = TrustProof(keys or known.fingerprints, known.by_authority)
        return proof if any(proof) else None

    def warnings(self) -> list[str]:
        """Return warnings about the policy, as sentences. The user should see them once."""
        if self.policy.insecure:
            return [
                f"The client does not check who answers at {self.address} (--insecure). Somebody on the way"
                " could pretend to be the server, and read and change all messages and passwords."
            ]
        if self.policy.tls != "off" or self.address.is_local:
            return []
        known = Known()
        with suppress(KnownHostsError):  # --tls=off needs the file only for this warning
            known = self.policy.known_hosts.find(self.address)
        although = f", although {self.address} is known to encrypt" if known else ""
        return [f"Nothing is encrypted (--tls=off){although}. {_IN_THE_CLEAR}."]

    @property
    def _accepts_any_server(self) -> bool:
        """Whether a new session may meet another server than the last one did, without a question to the user."""
        if self.policy.tls == "off" or self.policy.fingerprint is not None:
            return False
        return self.policy.insecure or self.address.is_local

    # Probing.

    def _decide(self, timeout: float) -> None:
        known = self._known()
        is_strict = bool(known) or self.policy.insecure or self.policy.tls == "required"
        check = TrustProof(
            known.fingerprints, known.by_authority or not (known or self._accepts_any_server)
        )
        try:
            stream = self._shake_hands(check, timeout, self._patience(is_strict, timeout))
        except NoEncryption as refused:
            if is_strict or self._spoke_tls:
                raise
            self._go_plain(refused)
        except Unverified as unverified:
            # An authority vouched for this server before: a warning is due, not the question about a new server.
            if known:
                raise
            self._trust_new_key(str(unverified), timeout)
        else:
            self._keep(check, stream)
            if check.authority and not known:
                self._remember(None)

    def _known(self) -> Known:
        if self.policy.fingerprint is not None:
            return Known((self.policy.fingerprint,))
        if self._accepts_any_server:
            return Known()
        try:
            # The disk may be slow, and other tasks must go on meanwhile.
            return self.runtime.offload(self.policy.known_hosts.find, self.address)
        except KnownHostsError as error:
            raise ConnectError(f"{error} {_NEEDS_THE_FILE}") from None

    def _remember(self, fingerprint: Fingerprint | None) -> None:
        """Write the answer to the file. If that fails, warn and go on: this connector keeps the answer in memory."""
        try:
            self.runtime.offload(self.policy.known_hosts.remember, self.address, fingerprint)
        except KnownHostsError as error:
            self._forgets = True
            if self.policy.warn is not None:
                self.policy.warn(_cannot_remember(self.address, fingerprint, error))

    def _patience(self, is_strict: bool, timeout: float) -> float:
        """Return the seconds that the server may take to begin its answer to a handshake."""
        if is_strict or self._spoke_tls:
            return timeout
        return _LOCAL_PATIENCE if self.address.is_local else _PATIENCE

    def _keep(self, check: TrustProof, stream: TlsStream) -> None:
        """Store the decision for the sessions to come, and their transfers.

        Raises ValueError, after closing ``stream``, for a key that has no fingerprint.
        """
        self._spoke_tls = True
        if check.keys or self.policy.insecure:
            # Several keys, or all, are accepted, but all connections of a session must show the same one.
            try:
                check = TrustProof(keys=(_key_of(stream),))
            except ValueError:
                stream.close()
                raise
        self._certificate = stream.certificate()
        self._ready = stream
        self._check = check

    def _go_plain(self, refused: NoEncryption) -> None:
        """Decide for plain text: at once on this machine, elsewhere if the user agrees. Raises NotEncrypted."""
        if not self.address.is_local:
            judge = self.policy.judge
            if judge is None:
                raise NotEncrypted(
                    f"{self._no_tls(refused)} Nothing was sent; --tls=off connects without encryption."
                )
            if not judge(UnknownServer(self.address, None)):
                raise NotEncrypted(f"{self._no_tls(refused)} Nothing was sent.")
        self._check = None

    def _trust_new_key(self, reason: str, timeout: float) -> None:
        """Ask the user about a new key, and remember it. Raises UntrustedServer, and errors of a handshake."""
        stream = self._shake_hands(TrustProof(), timeout, timeout)
        stream.close()  # the user may take longer to answer than the server waits for a login
        key = _key_of(stream)
        if not any(key.matches(each) for each in self._cluster_keys()):
            self._ask_about(key, reason)
        self._remember(key)
        check = TrustProof(keys=(key,))
        self._keep(check, self._shake_hands(check, timeout, timeout))

    def _ask_about(self, key: Fingerprint, reason: str) -> None:
        """Ask the user whether to trust a new key. Raises UntrustedServer."""
        judge = self.policy.judge
        if judge is None:
            raise UntrustedServer(
                f"{self.address} is not known yet, no authority vouches for it ({reason}), and the client"
                f" can't ask you here. If {key} is its key, give --fingerprint={key}"
            )
        if not judge(UnknownServer(self.address, key, reason)):
            raise UntrustedServer(f"{self.address} is not trusted. Nothing was sent.")

    # Opening.

    def _connect(self, timeout: float, cancel: Cancellation) -> Stream:
        return self.runtime.connect(self.address, timeout, self._route, lambda: cancel.cancelled)

    def _shake_hands(
        self, check: TrustProof, timeout: float, patience: float, cancel: Cancellation | None = None
    ) -> TlsStream:
        """Connect, make a TLS handshake, check the server. Raises UntrustedServer, errors of a handshake, OSError."""
        # Loads OpenSSL: a seventh of the memory of a client that talks to a server without TLS.
        from chat.client.trust.tls import TlsStream, make_context

        cancel = cancel or Cancellation()
        verify = check.authority and not check.keys
        plain = self._connect(timeout, cancel)
        try:
            context = make_context(verify=verify)
            stream = TlsStream(plain, context, self.certified, self.runtime)
            # A handshake may wait for the network for long: to shut the socket is what wakes it.
            with cancel.calls(plain.shut):
                stream.handshake(timeout, patience)
            if not check.keys or any(_key_of(stream).matches(key) for key in check.keys):
                return stream
        except BaseException:
            plain.shut()
            plain.close()
            raise
        stream.close()
        # The key is none of the remembered ones, but an authority vouched for the server before, too.
        if check.authority:
            return self._shake_hands(TrustProof(authority=True), timeout, patience, cancel)
        raise UntrustedServer(self._changed(check.keys, _key_of(stream)))

    def _changed(self, keys: tuple[Fingerprint, ...], key: Fingerprint) -> str:
        expected = " or ".join(map(str, keys))
        message = f"THE KEY OF {self.address} HAS CHANGED. It is now {key} and was {expected}."
        if self.policy.fingerprint is not None:
            message = f"{self.address} HAS ANOTHER KEY: it is {key}, but --fingerprint expects {expected}."
        return f"{message}\n{_MAY_MEAN}{self._how_to_forget()}"

    def _how_to_forget(self) -> str:
        if self.policy.fingerprint is not None or self.policy.insecure:
            return ""
        if self._forgets:
            return "\nIf the new key is right, start the client again: it will ask you about the new key."
        return (
            f"\nIf the new key is right, remove the line of {host_name(self.address)} from"
            f" {self.policy.known_hosts.path} and connect again."
        )

    def _no_tls(self, refused: NoEncryption) -> str:
        if refused.closed:
            return f"{self.address} has closed the connection: it lets nobody in now, or does not speak TLS."
        does = "answer to" if refused.silent else "speak"
        return f"{self.address} does not {does} TLS, so nothing would be encrypted."

    @contextmanager
    def _explaining(self, cancel: Cancellation | None = None) -> Iterator[None]:
        """Turn failures into ConnectError, and let the next connection try other addresses of the server."""
        address = self.address
        is_through = False
        try:
            yield
            is_through = True
        except NoEncryption as refused:
            raise NotEncrypted(self._no_tls(refused)) from None
        except Unverified as unverified:
            raise UntrustedServer(
                f"NO AUTHORITY VOUCHES FOR {address} ANY MORE, although one did before: {unverified}."
                f"\n{_MAY_MEAN}{self._how_to_forget()}"
            ) from None
        except HandshakeFailed as failed:
            raise ConnectError(f"No encrypted connection to {address}: {failed}") from None
        except TimeoutError:
            raise ConnectError(f"{address} does not answer.") from None
        except (OSError, ValueError) as error:  # an invalid host name fails to encode
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
            " encrypt next time, the client will ask you instead of refusing; --tls=required refuses."
        )
    return (
        f"Cannot remember the key of {address}: {error} You will be asked again next time, unless"
        f" you give --fingerprint={fingerprint}, or a writable file with --known-hosts."
    )


def _key_of(stream: TlsStream) -> Fingerprint:
    return fingerprint_of_certificate(stream.certificate())
