"""Structs behave as dataclasses do, and cost a start of the program next to nothing."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass
from dataclasses import field as dataclass_field
from dataclasses import replace as dataclass_replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.structs import MutableStruct, Struct, field, replace


class Point(Struct):
    x: int
    y: int = 2


class Spot(Point):
    """Adds fields to those of its base."""

    colour: str = "red"
    secret: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, compare=False)
    marks: Any = field(default_factory=tuple)


class Busy(Spot):
    """Has a constructor of its own, since many objects of it are made below."""


for number in range(1000):
    Busy(number)


class Late(Busy):
    """Adds a field to those of a base that has a constructor of its own."""

    extra: int = 5


class Other(Point):
    """Has the fields of ``Point``, and is never equal to one."""


class Counter(MutableStruct):
    number: int
    seen: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class PointModel:
    x: int
    y: int = 2


@dataclass(frozen=True)
class SpotModel(PointModel):
    colour: str = "red"
    secret: str | None = dataclass_field(default=None, repr=False)
    note: str | None = dataclass_field(default=None, compare=False)
    marks: Any = dataclass_field(default_factory=tuple)


@dataclass(frozen=True)
class BusyModel(SpotModel):
    pass


NAMES = ("x", "y", "colour", "secret", "note", "marks")
VALUES = st.sampled_from([1, "red", None])
ARGUMENTS = st.tuples(
    st.lists(VALUES, max_size=7),
    st.dictionaries(st.sampled_from((*NAMES, "unknown")), VALUES, max_size=7),
)


def made(kind: Any, arguments: tuple[list[Any], dict[str, Any]]) -> Any:
    """Return what ``kind`` makes of the arguments, or TypeError if it refuses them."""
    values, named = arguments
    try:
        return kind(*values, **named)
    except TypeError:
        return TypeError


@pytest.mark.parametrize(("kind", "model_kind"), [(Spot, SpotModel), (Busy, BusyModel)])
@given(one=ARGUMENTS, other=ARGUMENTS)
def test_a_struct_does_what_a_frozen_dataclass_does(
    kind: Any,
    model_kind: Any,
    one: tuple[list[Any], dict[str, Any]],
    other: tuple[list[Any], dict[str, Any]],
) -> None:
    struct, model = made(kind, one), made(model_kind, one)
    if model is TypeError:
        assert struct is TypeError
        return
    assert [getattr(struct, name) for name in NAMES] == [getattr(model, name) for name in NAMES]
    assert repr(struct) == repr(model).replace("Model", "")
    for copied in (copy.copy(struct), pickle.loads(pickle.dumps(struct)), kind(*one[0], **one[1])):
        assert copied == struct
        assert hash(copied) == hash(struct)
    second = made(kind, other)
    if second is not TypeError:
        assert (struct == second) == (model == made(model_kind, other))
        assert second == struct or hash(second) != hash(struct)
    changes = {name: value for name, value in other[1].items() if name in NAMES}
    again = replace(struct, **changes)
    assert repr(again) == repr(dataclass_replace(model, **changes)).replace("Model", "")


def test_a_class_of_many_objects_has_a_constructor_that_its_subclasses_do_not_share() -> None:
    assert Busy.__init__.__code__.co_argcount == 1 + len(NAMES)
    assert Late(1, extra=6).extra == 6
    assert Late(1) == Late(1, extra=5)
    assert Busy(1).marks == ()


def test_a_struct_can_not_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="'x' can't be changed: make another Point"):
        point.x = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="'x' can't be removed from a Point"):
        del point.x
    with pytest.raises(TypeError, match="Point has these fields: x, y"):
        replace(point, z=1)
    assert issubclass(FrozenInstanceError, AttributeError)
    assert point == Point(1, 2)


def test_structs_of_two_classes_are_never_equal() -> None:
    assert Point(1) != Other(1)
    assert Point(1) != (1, 2)
    assert len({Point(1), Other(1), Point(1, 2)}) == 2


def test_a_struct_is_matched_by_its_fields() -> None:
    match Spot(1, colour="blue"):
        case Point(x, y):
            assert (x, y) == (1, 2)
    match Spot(1, colour="blue"):
        case Spot(_, _, colour):
            assert colour == "blue"


def test_a_mutable_struct_can_be_changed_and_has_no_hash() -> None:
    one, other = Counter(1), Counter(1)
    assert one == other
    one.seen.append(3)
    one.number += 1
    assert repr(one) == "Counter(number=2, seen=[3])"
    assert other == Counter(1, [])
    assert one != other
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
