"""Read the keys that a user has bound in the settings file, and translate them.

A key that the user binds to an action stands for the usual key of this action: the controller translates it before
anything else looks at it. So no other part knows that keys can be changed.
"""

from __future__ import annotations

import re

from chat.client.program.settings import Table
from chat.client.screen.input.keys import (
    BINDINGS,
    NAMED_KEYS,
    SPECIAL_CONTEXTS,
    Action,
    Binding,
    KeyContext,
    is_character,
    label,
    view_number,
)
from chat.config.command_line import UsageError
from chat.config.options import suggestion

NOTHING = "none"

_MODIFIER = re.compile(r"(ctrl|control|c|alt|meta|m|shift|s)[-+](?=.)")
_MODIFIERS = {"c": "ctrl-", "m": "alt-", "a": "alt-", "s": "shift-"}
_OTHER_NAMES = {
    "pgup": "pageup",
    "pgdown": "pagedown",
    "pgdn": "pagedown",
    "del": "delete",
    "ins": "insert",
    "return": "enter",
    "escape": "esc",
}
# A terminal sends the same for both.
_SAME = {
    "ctrl-i": "tab",
    "ctrl-m": "enter",
    "ctrl-j": "enter",
    "ctrl-h": "backspace",
    "ctrl-[": "esc",
    "ctrl-@": "ctrl-space",
}
_NO_KEYS = {"scroll-up", "scroll-down", "leave", "focus-in", "focus-out", "resize"}
_KEYS = sorted(NAMED_KEYS - _NO_KEYS)
_VIEW = re.compile(r"view-([1-9])")


class OwnKeys:
    """Hold the keys of a user, as the table ``[keys]`` has them: an action, or ``none``, for each key.

    Raises UsageError with one line for a table that makes no sense.
    """

    def __init__(self, table: Table | None = None) -> None:
        # By context (TYPING stands for all usual ones) and key: the key that is meant, or None for no key.
        self._meant: dict[tuple[KeyContext, str], str | None] = {}
        self._actions: dict[tuple[KeyContext, str], Action] = {}
        for name, action in () if table is None else table.entries:
            assert table is not None
            self._bind(_key(name, table.where), action.strip().lower(), f"{table.where}: {name}")
        if table is not None and not self.keys_of(_binding(Action.SUBMIT)):
            raise UsageError(
                f"{table.where}: no key is left for submit; expected one, such as Enter"
            )

    def meant(self, key: str, where: KeyContext) -> str | None:
        """Return the usual key for what ``key`` does at ``where``; None if it does nothing."""
        if not self._meant:
            return key
        if where in SPECIAL_CONTEXTS:
            known = key.lower() if where is KeyContext.QUESTION else key
            if (where, known) in self._meant:
                return self._meant[where, known]
            if where is KeyContext.QUESTION or any(
                key in binding.keys for binding in BINDINGS if binding.where is where
            ):
                return key
        return self._meant.get((KeyContext.TYPING, key), key)

    def bindings(self) -> list[Binding]:
        """Return the table of keys as it is for this user, without actions that have no key."""
        changed = (binding._replace(keys=self.keys_of(binding)) for binding in BINDINGS)
        return [binding for binding in changed if binding.keys]

    def keys_of(self, binding: Binding) -> tuple[str, ...]:
        """Return the keys that do what ``binding`` says: its own that are not changed, and those of the user."""
        where = _place(binding.where)
        kept = [key for key in binding.keys if (where, key) not in self._meant]
        own = [
            key
            for (there, key), action in self._actions.items()
            if there is where and action is binding.action
        ]
        return (*kept, *own)

    def name_of(self, action: Action, view: int | None = None) -> str:
        """Return the first key for ``action`` as people write it; an empty string if the user has left it none.

        ``view`` is the number that ``Action.VIEW`` goes to.
        """
        binding = _binding(action)
        for key in self.keys_of(binding):
            if view is None or view_number(self.meant(key, binding.where) or key) == view:
                return label(key)
        return ""

    def hint(self, action: Action, words: str, view: int | None = None) -> str:
        """Return the key for ``action``, followed by ``words``; an empty string if no key is left for it."""
        name = self.name_of(action, view)
        return f"{name}{words}" if name else ""

    def answers(self, *, lightly: bool) -> str:
        """Return the keys for yes and no, such as ``[y/n]``; ``lightly``: a capital shows that Enter says yes."""
        yes, no = (self.keys_of(_binding(action)) for action in (Action.YES, Action.NO))
        typed = [next(filter(is_character, keys), *keys[:1]) for keys in (yes, no) if keys]
        names = [label(key) for key in typed]
        if lightly and "<enter>" in yes and is_character(typed[0]):
            names[0] = names[0].upper()
        return f"[{'/'.join(names)}]"

    def _bind(self, key: str, name: str, where: str) -> None:
        if name == NOTHING:
            for context in (KeyContext.TYPING, *SPECIAL_CONTEXTS):
                self._set(context, key, None, None)
            return
        view = _VIEW.fullmatch(name)
        action = Action.VIEW if view else _action(name, where)
        bindings = [binding for binding in BINDINGS if binding.action is action]
        # An action without a usual key has one that no terminal sends.
        meant = f"<alt-{view[1]}>" if view else bindings[0].keys[0] if bindings else f"<{name}>"
        for context in {_place(binding.where) for binding in bindings} or {KeyContext.TYPING}:
            if is_character(key) and context is not KeyContext.QUESTION:
                raise UsageError(f"{where}: types a character; expected another key, such as Alt-N")
            self._set(context, key, meant, action)

    def _set(self, context: KeyContext, key: str, meant: str | None, action: Action | None) -> None:
        self._meant[context, key] = meant
        self._actions.pop((context, key), None)
        if action is not None:
            self._actions[context, key] = action


# For a user who has changed nothing.
USUAL_KEYS = OwnKeys()


def _place(where: KeyContext) -> KeyContext:
    return where if where in SPECIAL_CONTEXTS else KeyContext.TYPING


def _binding(action: Action) -> Binding:
    return next(binding for binding in BINDINGS if binding.action is action)


def _action(name: str, where: str) -> Action:
    names = [action.value for action in Action if action is not Action.VIEW]
    if name not in names:
        nearest = suggestion(name, [*names, "view-1"], "an action, see the man page")
        raise UsageError(f"{where}: no action is called {name!r}; {nearest}")
    return Action(name)


def _key(written: str, where: str) -> str:
    """Return the name of a key as a user writes it: ``Ctrl-N``, ``alt+enter``, ``Page Up`` or ``<f5>``."""
    name = written.strip()
    if len(name) == 1:
        return name
    name = name.removeprefix("<").removesuffix(">").lower() if len(name) > 3 else name.lower()
    held: set[str] = set()
    while match := _MODIFIER.match(name):
        held.add(_MODIFIERS[match[1][0]])
        name = name[match.end() :]
    name = re.sub(r"[ _-]+(?=.)", "", name) if len(name) > 1 else name
    name = _OTHER_NAMES.get(name, name)
    modifiers = "".join(each for each in ("ctrl-", "alt-", "shift-") if each in held)
    if (
        modifiers and len(name) == 1 and name.isprintable() and held != {"shift-"}
    ) or name in _KEYS:
        key = f"{modifiers}{name}"
        if key in _SAME:
            same = label(f"<{_SAME[key]}>")
            raise UsageError(
                f"{where}: {written}: a terminal sends the same as for {same}; expected {same}"
            )
        return f"<{key}>"
    nearest = suggestion(name, _KEYS, "a key such as Ctrl-N, Alt-Enter, F5 or Page Up")
    raise UsageError(f"{where}: {written}: no such key; {nearest}")
