"""The length of the passwords that users choose. The server holds users to it; the client says it before they type."""

from __future__ import annotations

MIN_PASSWORD, MAX_PASSWORD = 8, 1024  # bytes of UTF-8

# For a prompt. A character has at least one byte, so a password that fits the hint fits the rule.
LENGTH_HINT = f"{MIN_PASSWORD} characters or more"


def length_problem(password: str) -> str | None:
    """Return a sentence if the length of ``password`` breaks the rule, or None."""
    if MIN_PASSWORD <= len(password.encode(errors="surrogatepass")) <= MAX_PASSWORD:
        return None
    return f"A password must have {MIN_PASSWORD} to {MAX_PASSWORD} bytes."
