"""A YAML file as plain values, with the line of every setting.

Promises that a value is what the file shows: booleans and numbers as in YAML 1.2 (so `NO` is a
word), names of settings always words, no setting given twice. Must never build an object that a
file names, nor let a small file grow: tags, anchors and aliases are refused, depth and size are
bounded. It reads the parser's events one by one, so a bound is met before anything is built.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from mainstay.base.errors import InvalidContract
from mainstay.base.limits import CONTRACT_DEPTH_MAX, CONTRACT_MAX_BYTES, CONTRACT_MISTAKES_MAX
from mainstay.contract.words import Setting, setting_name

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN: Final = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NUMBER_MAX_CHARACTERS: Final = 400
_INT64_MAX: Final = 2**63 - 1


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Mistake(NamedTuple):
    """One thing that is wrong in a contract file."""

    place: Place
    setting: str
    words: str

    def __str__(self) -> str:
        where = f"{self.setting}: " if self.setting else ""
        return f"{self.place}: {where}{self.words}"


class InvalidContractFile(InvalidContract):
    """Everything that was found wrong in a contract file, in the order of its lines."""

    def __init__(self, problems: list[Mistake]) -> None:
        shown = problems[:CONTRACT_MISTAKES_MAX]
        lines = [str(problem) for problem in shown]
        if len(problems) > len(shown):
            lines.append(f"… and {len(problems) - len(shown)} more")
        super().__init__("\n".join(lines), field=problems[0].setting or None)
        self.problems = tuple(problems)


class Document(NamedTuple):
    """Plain values, where each of them stands, and what is wrong already."""

    value: Any
    places: dict[Setting, Place]
    mistakes: list[Mistake]


def read_document(text: str, file: str) -> Document:
    """The one document in a text; `InvalidContractFile` when it cannot be read at all."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise _unreadable(file, line, "this character is not valid Unicode") from error
    if size > CONTRACT_MAX_BYTES:
        words = f"the file has {size} bytes; at most {CONTRACT_MAX_BYTES} are read"
        raise _unreadable(file, 1, words)
    try:
        loader = _LOADER(text)
        return _Reader(file, iter(loader.get_event, None)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise _unreadable(file, line, _syntax_words(error)) from error
    except yaml.YAMLError as error:
        raise _unreadable(file, 1, f"this is not YAML: {str(error).splitlines()[0]}") from error


def _unreadable(file: str, line: int, words: str) -> InvalidContractFile:
    return InvalidContractFile([Mistake(Place(file, line), "", words)])


def _syntax_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it cannot be parsed"
    words = f"this is not YAML: {problem}"
    if "cannot start any token" in problem:
        words += "; indent with spaces, not tabs, and put text that starts with @, ` or % in quotes"
    elif "mapping values are not allowed" in problem:
        words += "; check the indentation, and put text that contains ': ' in quotes"
    return words


class _Reader:
    """Builds a document from the parser's events."""

    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self._file = file
        self._events = events
        self._places: dict[Setting, Place] = {}
        self._mistakes: list[Mistake] = []

    def document(self) -> Document:
        next(self._events)  # the start of the stream
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            raise _unreadable(self._file, 1, "the file is empty; a contract starts with `model:`")
        self._places[()] = Place(self._file, 1)
        value = self._value(next(self._events), (), 0)
        next(self._events)  # the end of the document
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            words = "a second document starts here; a file holds one contract"
            self._mistake(event, (), words)
        return Document(value, self._places, self._mistakes)

    def _mistake(self, event: Any, at: Setting, words: str) -> None:
        place = Place(self._file, event.start_mark.line + 1)
        self._mistakes.append(Mistake(place, setting_name(at), words))

    def _value(self, event: Any, at: Setting, depth: int) -> Any:
        if depth > CONTRACT_DEPTH_MAX:
            words = f"settings are nested more than {CONTRACT_DEPTH_MAX} deep"
            raise _unreadable(self._file, event.start_mark.line + 1, words)
        if isinstance(event, yaml.AliasEvent):
            words = "aliases are not followed; write the value out, or share it with `extends`"
            self._mistake(event, at, words)
            return None
        if event.anchor is not None:
            words = "anchors are not used; write the value out, or share it with `extends`"
            self._mistake(event, at, words)
        if event.tag is not None:
            words = f"tags such as {event.tag[:60]!r} are not followed; write a plain value"
            self._mistake(event, at, words)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(at, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(at, depth)
        if event.implicit[0]:
            return self._plain(event, at)
        return event.value

    def _mapping(self, at: Setting, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._mistake(event, at, "the name of a setting must be one word or text")
                self._value(event, at, depth + 1)
                self._value(next(self._events), at, depth + 1)
                continue
            if event.tag is not None or event.anchor is not None:
                self._mistake(event, at, "names of settings carry no tags or anchors")
            name: str = event.value
            here = (*at, name)
            if name in found:
                first = self._places[here].line
                line = event.start_mark.line + 1
                words = f"given twice, in line {first} and in line {line}; keep one of them"
                self._mistake(event, here, words)
                self._skip()
                continue
            self._places[here] = Place(self._file, event.start_mark.line + 1)
            found[name] = self._value(next(self._events), here, depth + 1)
        return found

    def _skip(self) -> None:
        """Pass over one value, however deep, without keeping any of it."""
        depth = 0
        while True:
            event = next(self._events)
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
            if depth == 0:
                return

    def _sequence(self, at: Setting, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*at, len(found))
            self._places[here] = Place(self._file, event.start_mark.line + 1)
            found.append(self._value(event, here, depth + 1))
        return found

    def _plain(self, event: Any, at: Setting) -> Any:
        text: str = event.value
        numeric = plain_value(text)
        if isinstance(numeric, (int, float)) and len(text) > _NUMBER_MAX_CHARACTERS:
            self._mistake(event, at, f"a number of {len(text)} characters is too long")
            return 0
        return numeric


def plain_value(text: str) -> bool | int | float | str | None:
    """What an unquoted scalar means in YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if text[0] not in "+-.0123456789":
        return text
    if len(text) > _NUMBER_MAX_CHARACTERS:
        return 0 if _FLOAT.fullmatch(text) else text
    if _INTEGER.fullmatch(text):
        whole = int(text)
        # A wider integer fits no kind of value; as a float it meets a range in words.
        return whole if -_INT64_MAX <= whole <= _INT64_MAX else float(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        whole = int(text, 0)
        return whole if whole <= _INT64_MAX else float(whole)
    if _FLOAT.fullmatch(text):
        spelled = "n" in text.lower()  # .inf and .nan
        return float(text.replace(".", "", 1) if spelled else text)
    return text
