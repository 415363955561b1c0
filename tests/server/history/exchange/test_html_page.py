"""A message of anyone, in any words, stays text in a page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.protocol.descriptor import MessageType
from chat.sanitize import lines_of, sanitize
from chat.server.history.exchange.html_page import AttachedFile, message_html
from chat.server.history.stored import StoredRun
from tests.server.history.exchange.stories import HOSTILE, attached, said

ATTRIBUTES = {
    "article": {"id", "data-kind", "class"},
    "a": {"href", "rel", "target", "download"},
    "time": {"datetime", "title"},
    "b": {"class"},
    "bdi": set(),
    "div": {"dir", "class"},
    "small": set(),
    "img": {"src", "alt", "loading"},
}


class Reading(HTMLParser):
    """Reads an element as a browser does: which elements it has, and the text of each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= ATTRIBUTES[tag]
        self.elements.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert self.open
        for tag in self.open:
            self.texts[tag] = self.texts.get(tag, "") + data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    handle_pi = handle_comment

    def all_of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


any_text = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("<>&\"'=/ahttps:.-!\n\t ", max_size=40),
)


@given(any_text, any_text)
@example("https://a.example/x?a=1&b=2).", "alice")
def test_text_and_name_are_shown_as_a_terminal_shows_them(text: str, name: str) -> None:
    page = Reading(message_html(said(7, text, name), None))
    shown = "\n".join(lines_of(text))
    if text.startswith("/me "):
        shown = "\n".join(lines_of(f"* {name} {text.removeprefix('/me ')}"))
    assert page.texts.get("div", "") == shown
    assert page.texts.get("bdi", "") == sanitize(name)
    own, *links = page.all_of("a")
    assert own == {"href": "#m7"}
    for link in links:
        assert (link["href"] or "").startswith(("http://", "https://"))
        assert link["rel"] == "noopener noreferrer nofollow"
        assert (link["href"] or "") in shown


@given(any_text, st.sampled_from(["image", ""]))
def test_a_file_is_shown_by_its_name(name: str, media: str) -> None:
    message = attached(3, name, b"12", MessageType.IMAGE)
    page = Reading(message_html(message, AttachedFile("files/3-%22.png", media)))
    assert page.texts["div"] == f"{sanitize(name) or 'file'} 2 bytes"
    assert {link["href"] for link in page.all_of("a")[1:]} == {"files/3-%22.png"}
    assert len(page.all_of("img")) == (media == "image")


def test_an_address_is_a_link_and_the_punctuation_behind_it_is_not() -> None:
    page = Reading(message_html(said(1, "see (https://a.example/x?a=1&b=2), ok"), None))
    assert page.all_of("a")[1]["href"] == "https://a.example/x?a=1&b=2"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (said(1, "gone")._replace(purged=frozenset([1]), contents=[b""]), "(removed)"),
        (attached(1, "big.iso", b"", size=2 << 30), "big.iso 2 GiB, not in this export"),
    ],
)
def test_what_is_not_there_is_said(message: StoredRun, words: str) -> None:
    assert Reading(message_html(message, None)).texts["div"] == words
