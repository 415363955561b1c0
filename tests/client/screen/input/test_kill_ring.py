from __future__ import annotations

from chat.client.screen.input.kill_ring import SIZE, KillRing


def ring_of(*texts: str) -> KillRing:
    ring = KillRing()
    for text in texts:
        ring.cut(text, in_a_row=False, backward=False)
    return ring


def test_an_empty_ring_has_nothing_to_put_in() -> None:
    ring = KillRing()
    assert ring.newest == ""
    ring.rotate()
    assert ring.newest == ""


def test_the_last_cut_is_put_in_first() -> None:
    assert ring_of("one", "two").newest == "two"


def test_cuts_in_a_row_are_one_piece() -> None:
    ring = ring_of("other", "b")
    ring.cut("c", in_a_row=True, backward=False)
    ring.cut("a", in_a_row=True, backward=True)
    assert ring.newest == "abc"
    ring.rotate()
    assert ring.newest == "other"


def test_the_first_cut_of_all_is_in_a_row_with_nothing() -> None:
    ring = KillRing()
    ring.cut("a", in_a_row=True, backward=True)
    assert ring.newest == "a"


def test_rotating_goes_round() -> None:
    ring = ring_of("one", "two", "three")
    found = []
    for _ in range(4):
        found.append(ring.newest)
        ring.rotate()
    assert found == ["three", "two", "one", "three"]


def test_the_oldest_piece_is_forgotten() -> None:
    ring = ring_of(*map(str, range(SIZE + 1)))
    ring.rotate()
    for _ in range(SIZE - 1):
        ring.rotate()
    assert ring.newest == str(SIZE)
    pieces = set()
    for _ in range(SIZE):
        pieces.add(ring.newest)
        ring.rotate()
    assert "0" not in pieces
    assert len(pieces) == SIZE
