"""Classes of named values, like dataclasses, that cost the start of a program next to nothing.

Python compiles up to six methods for each dataclass whenever its module is loaded, which takes most of a millisecond.
The module ``dataclasses`` itself loads ``inspect``, with parts of Python's compiler. The client has forty such classes,
and most runs use a few of them. A struct has the methods of its base class, which need only the names of the fields.
Only a class of which many objects are made, such as the texts of a busy room, gets a constructor of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[type], type]:
        """Tell a type checker that the subclasses have fields; nothing happens when the program runs."""
        return lambda base: base


_MISSING = object()
# After so many objects of a class, its own constructor takes less time than it took to compile.
_MANY = 128


class _Field:
    """Describe one field; see ``field``."""

    def __init__(
        self, default: Any, factory: Callable[[], Any] | None, is_shown: bool, is_compared: bool
    ) -> None:
        self.default = default
        self.factory = factory
        self.is_shown = is_shown
        self.is_compared = is_compared


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    repr: bool = True,
    compare: bool = True,
) -> Any:
    """Describe a field; the arguments mean what they mean in ``dataclasses.field``."""
    return _Field(default, default_factory, repr, compare)


class _Fields:
    """Hold the fields of a class, and the methods that need only their names."""

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _needed: ClassVar[tuple[str, ...]] = ()
    _shown: ClassVar[tuple[str, ...]] = ()
    _compared: ClassVar[tuple[str, ...]] = ()
    _factories: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    _made: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" not in cls.__dict__:
            # Its base may have a constructor for the fields of the base alone.
            cls.__init__ = _Fields.__init__  # type: ignore[method-assign]
            cls._made = 0
        for name in cls.__annotations__:
            description = cls.__dict__.get(name, _MISSING)
            if not isinstance(description, _Field):
                description = _Field(description, None, True, True)
            cls._add_field(name, description)

    @classmethod
    def _add_field(cls, name: str, description: _Field) -> None:
        cls.__match_args__ = (*cls.__match_args__, name)  # type: ignore[misc]  # mypy makes its own
        if description.is_shown:
            cls._shown = (*cls._shown, name)
        if description.is_compared:
            cls._compared = (*cls._compared, name)
        if description.factory is not None:
            cls._factories = {**cls._factories, name: description.factory}
        if description.default is not _MISSING:
            # Objects find their class's attribute if they have none: they need no copy of it.
            setattr(cls, name, description.default)
            return
        if name in cls.__dict__:
            delattr(cls, name)
        if description.factory is None:
            cls._needed = (*cls._needed, name)

    def __init__(self, *values: Any, **named: Any) -> None:
        cls = type(self)
        cls._made += 1
        if cls._made == _MANY:
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]
        fields = self.__match_args__
        given = dict(zip(fields, values))  # noqa: B905 - fewer values than fields are usual
        if named:
            given.update(named)
        is_valid = len(given) == len(values) + len(named) and len(given) <= len(fields)
        for name in named:
            is_valid = is_valid and name in fields
        for name in self._needed:
            is_valid = is_valid and name in given
        if not is_valid:
            raise TypeError(f"{cls.__name__} has these fields: {', '.join(fields)}")
        for name, factory in self._factories.items():
            if name not in given:
                given[name] = factory()
        self.__dict__.update(given)

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self._shown)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        """Compare the values of the same class; objects of two classes are never equal."""
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self._compared])


def _constructor(cls: type[_Fields]) -> Callable[..., None]:
    """Compile a constructor that does for ``cls`` what the common one does, in a fifth of the time."""
    parameters, statements = [], ["fields = self.__dict__"]
    for name in cls.__match_args__:
        parameter = value = name
        if name in cls._factories:
            parameter = f"{name}=missing"
            value = f"factories[{name!r}]() if {name} is missing else {name}"
        elif name not in cls._needed:
            parameter = f"{name}=cls.{name}"
        parameters.append(parameter)
        statements.append(f"fields[{name!r}] = {value}")
    source = f"def __init__(self, {', '.join(parameters)}):\n    " + "\n    ".join(statements)
    scope = {"cls": cls, "factories": cls._factories, "missing": _MISSING}
    exec(source, scope)
    return scope["__init__"]  # type: ignore[return-value]


@dataclass_transform(field_specifiers=(field,))
class MutableStruct(_Fields):
    """Base of classes whose fields may change, like those of ``@dataclass``. They have no hash."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Struct(_Fields):
    """Base of classes whose fields never change, like those of ``@dataclass(frozen=True)``.

    The fields are the annotations of the class, behind those of its base. A default must be immutable.
    """

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} can't be changed: make another {type(self).__name__}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} can't be removed from a {type(self).__name__}")

    def __hash__(self) -> int:
        return hash(self._values())


S = TypeVar("S", bound=_Fields)


def replace(struct: S, **changes: object) -> S:
    """Return a struct like ``struct``, with ``changes``. Raises TypeError for a field that there is not."""
    kept = {name: getattr(struct, name) for name in struct.__match_args__}
    return type(struct)(**{**kept, **changes})
