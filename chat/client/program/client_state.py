"""Choose the state of the user who logs in: a file for a person, or for a script that names one; else memory."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.program.settings import Settings
from chat.client.state.contents import StateOwner
from chat.client.state.errors import StateFileError
from chat.client.state.finding import OpenedState, open_default, open_given, owner_of
from chat.client.state.memory import Memory
from chat.client.trust.known_hosts import host_name
from chat.files.home import NoHome


class ClientState:
    """The state of each name that the user logs in with, one at a time.

    ``is_person``: a person uses the client, so there is a file unless the settings forbid one. ``warn`` gets a sentence
    if something is wrong with the file of a person, who can go on without.
    """

    def __init__(
        self, settings: Settings, warn: Callable[[str], object], *, is_person: bool
    ) -> None:
        self._settings = settings
        self._warn = warn
        self._is_person = is_person
        self._name: str | None = None
        self._memory = Memory()
        self._in_use: Memory | None = None

    def of(self, username: str) -> Memory:
        """Return the state of this name. Raises StateFileError for a file that the user has named."""
        owner = owner_of(host_name(self._settings.address), username)
        if owner.user == self._name:
            return self._memory
        opened = self._open(owner)
        if opened.warning is not None:
            self._warn(opened.warning)
        if self._memory is not self._in_use:
            self._memory.forget_file()  # of a login that failed
        self._name, self._memory = owner.user, opened.memory
        return self._memory

    def has_entered(self) -> Memory:
        """Note that the login with the last state has succeeded; return that state."""
        self._in_use = self._memory
        return self._memory

    def device(self, username: str, *, has_password: bool) -> str | None:
        """Return the device to log in with.

        A device that lasts only as long as this run must not be remembered by the server, which it would be after a
        login with a password.
        """
        memory = self.of(username)
        return memory.device if memory.is_kept or not has_password else None

    def _open(self, owner: StateOwner) -> OpenedState:
        settings = self._settings
        path = settings.spool or settings.state
        if path is not None:
            return open_given(path, owner)
        if settings.no_state or not self._is_person:
            return OpenedState(Memory())
        try:
            return open_default(owner)
        except (StateFileError, NoHome) as problem:
            sentence = (
                str(problem) if isinstance(problem, StateFileError) else f"{problem.strerror}."
            )
            warning = f"{sentence} The client does not remember this conversation after its end."
            return OpenedState(Memory(), warning)
