"""Name what keeps an account from being made or changed."""

from __future__ import annotations


class AccountProblem(Exception):
    """An account cannot be changed so. The text is a sentence for the user, or for the operator."""


class AccountExists(AccountProblem):
    """The name is already registered, or looks like a registered name."""


class NoSuchAccount(AccountProblem):
    """The name is not registered."""


class AccountChanged(AccountProblem):
    """The account has another password than the caller knows of, or is gone."""

    def __init__(self) -> None:
        super().__init__("Your account was changed meanwhile; try again.")
