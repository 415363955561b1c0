from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.client.screen.text.colours import DEFAULT, Pairs, nearest, palette, rgb_of

RED, GREEN, BLUE = 1, 2, 4


class Screen:
    """Remembers the pairs as curses would."""

    def __init__(self, limit: int = 255) -> None:
        self.made: dict[int, tuple[int, int]] = {}
        self.pairs = Pairs(limit, self.init_pair)

    def init_pair(self, number: int, foreground: int, background: int) -> None:
        self.made[number] = foreground, background

    def frame(self, *wanted: tuple[int, int]) -> list[tuple[int, bool]]:
        self.pairs.begin_frame()
        return [self.pairs.get(*colours) for colours in wanted]

    def shown(self, *wanted: tuple[int, int]) -> list[tuple[int, int]]:
        """The colours that somebody sees in the end."""
        seen = []
        for number, is_reversed in self.frame(*wanted):
            first, second = self.made.get(number, (DEFAULT, DEFAULT))
            seen.append((second, first) if is_reversed else (first, second))
        return seen


@pytest.mark.parametrize(
    ("number", "rgb"),
    [
        (0, 0),
        (1, 0xCD0000),
        (15, 0xFFFFFF),
        (16, 0),
        (21, 0x0000FF),
        (67, 0x5F87AF),
        (231, 0xFFFFFF),
        (232, 0x080808),
        (255, 0xEEEEEE),
    ],
)
def test_the_palette_is_that_of_xterm(number: int, rgb: int) -> None:
    assert rgb_of(number) == rgb


@pytest.mark.parametrize("number", [-1, 256])
def test_a_palette_has_256_colours(number: int) -> None:
    with pytest.raises(ValueError, match="invalid colour"):
        rgb_of(number)


@pytest.mark.parametrize("colours", [8, 256])
def test_a_colour_of_the_palette_is_found_again(colours: int) -> None:
    assert [nearest(rgb_of(number), colours) for number in palette(colours)] == list(
        palette(colours)
    )


@pytest.mark.parametrize(
    ("rgb", "colours", "number"),
    [
        (0xFE0102, 256, 196),
        (0x5E86B0, 256, 67),
        (0x0B0B0B, 256, 232),
        (0xFE0102, 8, RED),
        (0xFE0102, 16, RED),
        (0xFFFFFF, 8, 7),
        (0xFE0102, 88, RED),
        (0xFE0102, 0, DEFAULT),
        (0xFE0102, 2, DEFAULT),
    ],
)
def test_the_nearest_colour_that_a_terminal_has(rgb: int, colours: int, number: int) -> None:
    assert nearest(rgb, colours) == number


@given(st.integers(0, 0xFFFFFF))
@example(0x33247B)  # a dark blue, for which a grey is the nearest
def test_the_nearest_colour_is_near(rgb: int) -> None:
    found = rgb_of(nearest(rgb, 256))
    differences = [(rgb >> shift & 255) - (found >> shift & 255) for shift in (16, 8, 0)]
    # In the cube there is always one that differs by half of the widest gap at most, in each channel. The nearest is
    # no further away, by how much an eye makes of red, green and blue.
    weights = (3, 4, 2)
    distance = sum(w * d**2 for w, d in zip(weights, differences, strict=True))
    assert distance <= sum(weights) * (95 / 2) ** 2


class TestPairs:
    def test_the_terminals_own_colours_are_always_there(self) -> None:
        screen = Screen()
        assert screen.frame((DEFAULT, DEFAULT)) == [(0, False)]
        assert not screen.made

    def test_a_pair_is_made_once(self) -> None:
        screen = Screen()
        assert screen.frame((RED, BLUE), (GREEN, BLUE), (RED, BLUE)) == [
            (1, False),
            (2, False),
            (1, False),
        ]
        screen.made.clear()
        assert screen.frame((GREEN, BLUE)) == [(2, False)]
        assert not screen.made

    def test_a_pair_and_its_reverse_are_one(self) -> None:
        screen = Screen()
        wanted = [(RED, BLUE), (BLUE, RED), (BLUE, BLUE)]
        assert screen.shown(*wanted) == wanted
        assert len(screen.made) == 2

    def test_the_terminals_own_colour_is_another_in_front_than_behind(self) -> None:
        screen = Screen()
        assert screen.frame((RED, DEFAULT), (DEFAULT, RED)) == [(1, False), (2, False)]
        assert screen.made == {1: (RED, DEFAULT), 2: (DEFAULT, RED)}

    def test_what_is_out_of_sight_is_taken_first_that_longest_gone(self) -> None:
        screen = Screen(limit=3)
        screen.frame((1, 1), (2, 2), (3, 3))
        screen.frame((3, 3), (1, 1))
        assert screen.frame((4, 4), (3, 3), (1, 1)) == [(2, False), (3, False), (1, False)]
        assert screen.shown((4, 4), (3, 3), (1, 1)) == [(4, 4), (3, 3), (1, 1)]

    def test_if_all_are_in_sight_the_nearest_is_shown(self) -> None:
        screen = Screen(limit=2)
        dark_red, pale_red, blue, grey = 88, 160, 21, 240
        assert screen.shown((dark_red, grey), (blue, grey), (pale_red, grey), (grey, pale_red)) == [
            (dark_red, grey),
            (blue, grey),
            (dark_red, grey),
            (grey, dark_red),
        ]

    def test_the_terminals_own_colour_is_near_to_none(self) -> None:
        screen = Screen(limit=2)
        wanted = [(16, 231), (RED, DEFAULT), (DEFAULT, 231), (GREEN, DEFAULT)]
        shown = screen.shown(*wanted)
        assert shown[2] == (16, 231)
        assert shown[3] == (RED, DEFAULT)

    def test_without_pairs_all_is_in_the_terminals_own(self) -> None:
        screen = Screen(limit=0)
        assert screen.frame((RED, BLUE), (BLUE, RED)) == [(0, False)] * 2
        assert not screen.made

    def test_the_same_frame_looks_the_same_again_also_with_too_many_pairs(self) -> None:
        screen = Screen(limit=3)
        wanted = [(number % 7, number) for number in (30, 21, 90, 200, 120, 9, 30, 21)]
        shown = screen.shown(*wanted)
        screen.made.clear()
        assert screen.frame(*wanted) == screen.frame(*wanted)
        assert not screen.made
        assert shown[:3] == wanted[:3]

    def test_what_had_to_go_without_gets_its_pair_when_there_is_room(self) -> None:
        screen = Screen(limit=2)
        assert screen.shown((1, 1), (2, 2), (3, 3))[2] != (3, 3)
        screen.frame((3, 3), (1, 1))
        assert screen.shown((3, 3), (1, 1)) == [(3, 3), (1, 1)]

    @given(
        st.lists(
            st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6)), max_size=12), max_size=8
        ),
        st.integers(1, 12),
    )
    def test_while_there_are_enough_everything_is_as_it_was_asked_for(
        self, frames: list[list[tuple[int, int]]], limit: int
    ) -> None:
        screen = Screen(limit)
        for wanted in frames:
            screen.shown(*wanted)
            shown = screen.shown(*wanted)  # a span that went without a pair before has it now
            assert set(screen.made) <= set(range(1, limit + 1))
            if len({tuple(sorted(pair)) if -1 not in pair else pair for pair in wanted}) <= limit:
                assert screen.shown(*wanted) == wanted
            else:
                assert screen.shown(*wanted) == shown
