"""Exported pages in a real browser: searched, and unable to run what a user wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.server.history.exchange import html_export
from chat.server.history.exchange.html_export import export_html
from scripts.screens.browser import CHROMIUM, open_page
from tests.server.history.exchange.stories import HOSTILE, PNG, attached, said

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.thorough("starts a browser; tests/server/history/exchange has the pages"),
]

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def shown(page: str) -> list[str]:
    """The ids of the messages that are not hidden."""
    return re.findall(r'<article id="m(\d+)"(?![^>]* hidden)', page)


def title(page: str) -> str:
    return re.findall(r"<title>([^<]*)", page)[0]


def test_a_page_is_searched_and_no_message_runs(tmp_path: Path) -> None:
    target = tmp_path / "out"
    items = [said(number, text, text) for number, text in enumerate(HOSTILE, 100)]
    items += [
        said(1, "Grüße from the GARDEN"),
        said(2, "the garden is here", "Zoë"),
        said(3, "http://garden.example/x", "zoë"),
        attached(4, "garden<b>.png", PNG),
    ]
    export_html(items, "room", target)
    page = target / "index.html"
    text = page.read_text(encoding="utf-8")
    # Without the policy: the messages are harmless by themselves.
    page.write_text(_POLICY.sub("", text, count=1), encoding="utf-8")
    assert page.read_text(encoding="utf-8") != text
    found, _ = open_page(page, fragment="q=garden from:zoË has:link")
    assert title(found) == "room"
    assert shown(found) == ["3"]
    assert "1 of 16 messages" in found


def test_the_index_searches_all_pages_under_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_export, "PAGE_MESSAGES", 2)
    texts = ["a needle <b>", "hay", "hay", "hay", "NEEDLES \u2028too"]
    target = tmp_path / "out"
    export_html([said(n, text) for n, text in enumerate(texts, 1)], "room", target)
    # As if escaping had failed.
    for path in target.iterdir():
        page = path.read_text(encoding="utf-8")
        path.write_text(page.replace("<main>", f"<main>{_ATTACK}"), encoding="utf-8")
    found, _ = open_page(target / "index.html", fragment="q=needle")
    assert title(found) == "room"
    assert "2 messages found" in found
    links = re.findall(r'<article><a href="([^"]+)".*?<div dir="auto">(.*?)</div>', found)
    assert links == [
        ("page-0003.html#m5", "NEEDLES &lt;U+2028&gt;too"),
        ("page-0001.html#m1", "a needle &lt;b&gt;"),
    ]


_FRAMES = """<!DOCTYPE html><title></title><script>
addEventListener("message", (event) => {
  const names = ["index", "%s"].filter((name) => frames[name] === event.source);
  document.title += names + " found " + event.data.total;
});
</script>
<iframe name="index" src="out/index.html#q=needle"></iframe>
<iframe name="%s" src="out/index.html#q=needle"></iframe>"""


def test_only_a_page_that_has_the_key_learns_what_was_found(tmp_path: Path) -> None:
    export_html([said(1, "needle"), attached(2, "a.png", PNG)], "room", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    [key] = re.findall(r'data-key="([^"]+)"', page)
    outside = tmp_path / "frames.html"
    outside.write_text(_FRAMES % (key, key), encoding="utf-8")
    found, log = open_page(outside)
    assert title(found) == f"{key} found 1"
    # The policy allows all that the page itself has.
    assert "Content Security Policy" not in log
