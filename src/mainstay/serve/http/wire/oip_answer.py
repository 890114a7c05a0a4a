"""Open Inference Protocol v2 over REST: an `Answer` to a response's bytes.

Every model answers `answer` (what a person or a program acts on), `decision` (ids, by which
outcomes are reported and decisions looked up) and `status`; a probability adds `probability`, a
ranking `score`. Numbers are FP64, because that carries whatever the model computed without loss.

Rows that were `answered`, by the model or in its place (`fallback`), leave with their values. A row
that is `asked` has its value for a caller who asked for `status` by name, and so sees that somebody
is to confirm it. Any other row never leaves with a value: such a caller gets 0 or an empty string
in it, everybody else the error `withheld` for the whole call, so that a client that does not look
never takes 0 for an answer. What a rule answered in place of a model has no probabilities: its
tensor has 1 at the class that is answered.
"""

from typing import Final, Literal

import msgspec
import numpy as np

from mainstay.base.errors import Withheld
from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Contract,
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
)
from mainstay.serve.http.wire.model import ALL_JSON, Headers, Parsed
from mainstay.serve.http.wire.tensors import to_bytes
from mainstay.serve.model import Answer

_Source = Literal["output", "answer", "answers", "decision", "status"]
_encode = msgspec.json.Encoder().encode
_JSON: Final[Headers] = [(b"content-type", b"application/json")]
_RAW: Final = (b"content-type", b"application/octet-stream")
_TOLD: Final = frozenset({"answered", "fallback"})
_TOLD_WITH_STATUS: Final = _TOLD | {"asked"}
_OURS: Final = frozenset({"decision", "status"})
"""Texts of our own, in which nothing has to be escaped."""


class OutputTensor(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of every answer of a version."""

    name: str
    datatype: Literal["FP64", "BYTES"]
    width: int | None
    """The second dimension; None where there is only one."""
    source: _Source
    lead: bytes = b""
    tail: bytes = b""
    """The response's text around the number of rows, made once."""


def output_tensors(output: Output) -> tuple[OutputTensor, ...]:
    """The tensors in which an output kind is answered."""
    own: tuple[OutputTensor, ...]
    if isinstance(output, Probability):
        own = (
            _tensor("probability", "FP64", len(output.classes), "output"),
            _tensor("answer", "BYTES", None, "answer"),
        )
    elif isinstance(output, Label):
        own = (_tensor("answer", "BYTES", None, "answer"),)
    elif isinstance(output, NumberOutput):
        own = (_tensor("answer", "FP64", None, "output"),)
    elif isinstance(output, Ranking):
        top = min(output.top, len(output.items))
        own = (
            _tensor("score", "FP64", len(output.items), "output"),
            _tensor("answer", "BYTES", top, "answers"),
        )
    else:
        own = (_tensor("answer", "FP64", output.length, "output"),)
    return (
        *own,
        _tensor("decision", "BYTES", None, "decision"),
        _tensor("status", "BYTES", None, "status"),
    )


def _tensor(
    name: str, datatype: Literal["FP64", "BYTES"], width: int | None, source: _Source
) -> OutputTensor:
    shape = b"]" if width is None else b",%d]" % width
    return OutputTensor(
        name=name,
        datatype=datatype,
        width=width,
        source=source,
        lead=b'{"name":"%s","datatype":"%s","shape":[' % (name.encode(), datatype.encode()),
        tail=shape,
    )


def _one_row(tensors: tuple[OutputTensor, ...]) -> tuple[tuple[str, _Source, int], ...]:
    """For each tensor of an answer to one row: the text before its values, whence they come, and
    how many there are."""
    found: list[tuple[str, _Source, int]] = []
    for tensor in tensors:
        lead = b'%b1%b,"data":[' % (tensor.lead, tensor.tail)
        between = "]}," if found else ""
        found.append((between + lead.decode(), tensor.source, tensor.width or 1))
    return tuple(found)


class OipAnswers:
    """Writes the answers of one version; made once from its contract."""

    def __init__(self, contract: Contract) -> None:
        self.tensors = output_tensors(contract.output)
        self._by_name = {tensor.name: tensor for tensor in self.tensors}
        self._json_only = tuple((tensor, False) for tensor in self.tensors)
        self._raw_only = tuple((tensor, True) for tensor in self.tensors)
        self._lead = b'{"model_name":%s,"model_version":"' % _encode(contract.model)
        self._lead_text = self._lead.decode()
        output = contract.output
        words = output.classes if isinstance(output, Probability | Label) else ()
        self._words = {word: _encode(word).decode() for word in words}
        self._one = () if isinstance(output, Ranking) else _one_row(self.tensors)

    def encode(self, answer: Answer, parsed: Parsed) -> tuple[bytes, Headers]:
        """The response, and the headers that go with it; `Withheld` where nothing may be said."""
        rows = len(answer.ids)
        wanted = parsed.wanted
        hidden: list[bool] = []
        if answer.statuses.count("answered") == rows:
            own = rows == 1 and not answer.rows and answer.shown.own
            if own and self._one and wanted is ALL_JSON:
                return self._one_row(answer, parsed.request), _JSON
        else:
            if not wanted.status:
                refuse_withheld(answer)
            hidden = [status not in _TOLD_WITH_STATUS for status in answer.statuses]
        if wanted.outputs:
            chosen = tuple(
                (self._by_name[name], binary)
                for name, binary in zip(wanted.outputs, wanted.binary, strict=True)
            )
        else:
            chosen = self._raw_only if wanted.binary_otherwise else self._json_only
        pieces: list[bytes] = []
        raw: list[bytes] = []
        for tensor, binary in chosen:
            values = _values(tensor, answer, hidden)
            if binary:
                part = to_bytes(tensor.datatype, values)
                raw.append(part)
                pieces.append(
                    b'%b%d%b,"parameters":{"binary_data_size":%d}}'
                    % (tensor.lead, rows, tensor.tail, len(part))
                )
            else:
                data = _as_json(tensor.source, values)
                pieces.append(b'%b%d%b,"data":%b}' % (tensor.lead, rows, tensor.tail, data))
        request = _encode(parsed.request) if parsed.request else b'"%b"' % answer.ids[0].encode()
        body = b'%b%d","id":%b,"parameters":{"arm":%b},"outputs":[%b]}' % (
            self._lead,
            answer.number,
            request,
            _arm(answer),
            b",".join(pieces),
        )
        if not raw:
            return body, _JSON
        length = (b"inference-header-content-length", b"%d" % len(body))
        return b"".join((body, *raw)), [_RAW, length]

    def _one_row(self, answer: Answer, request: str) -> bytes:
        """What most callers ask for, a plain answer to a row, without a way round."""
        identity = answer.ids[0]
        shown = answer.shown
        parts: list[str] = []
        for lead, source, width in self._one:
            if source == "output":
                said = ",".join(shown.numbers(width))
            elif source == "answer":
                said = self._words.get(shown.answers()[0]) or '""'
            else:
                said = f'"{identity}"' if source == "decision" else f'"{answer.statuses[0]}"'
            parts.append(lead)
            parts.append(said)
        named = _encode(request).decode() if request else f'"{identity}"'
        return (
            f'{self._lead_text}{answer.number}","id":{named},"parameters":{{"arm":"{answer.arm}"}}'
            f',"outputs":[{"".join(parts)}]}}]}}'
        ).encode()


def _arm(answer: Answer) -> bytes:
    """Who answered: for rows of several versions, the version of each too (parameters of the
    protocol are plain values, so they stand in one text)."""
    if not answer.rows:
        return b'"%s"' % answer.arm.encode()
    versions = ",".join(str(row.version) for row in answer.rows)
    return b'"%s","versions":"%s"' % (answer.arm.encode(), versions.encode())


def _as_json(source: _Source, values: Column | list[str]) -> bytes:
    if source in _OURS:
        return b'["%b"]' % '","'.join(values).encode()
    return _encode(values if isinstance(values, list) else values.ravel().tolist())


def _values(tensor: OutputTensor, answer: Answer, hidden: list[bool]) -> Column | list[str]:
    """What a tensor holds, row by row; nothing in rows that may not be shown."""
    shown = not any(hidden)
    source = tensor.source
    if source == "decision":
        return answer.ids.listed()
    if source == "status":
        return answer.statuses
    if source == "output":
        if shown:
            return answer.output
        output = np.array(answer.output, dtype=np.float64)
        output[np.array(hidden)] = 0.0
        return output
    words = answer.shown.answers()
    if not shown:
        words = [None if hide else word for word, hide in zip(words, hidden, strict=True)]
    if source == "answer":
        return ["" if word is None else word for word in words]
    width = tensor.width or 0
    lists: list[list[str] | None] = words
    return [word for ranked in lists for word in ((ranked or []) + width * [""])[:width]]


def refuse_withheld(answer: Answer) -> None:
    """Refuse the whole call when one of its rows may not be shown."""
    rows = [row for row, status in enumerate(answer.statuses) if status not in _TOLD]
    if not rows:
        return
    why = f" ({answer.reasons[rows[0]]})" if answer.reasons[rows[0]] else ""
    raise Withheld(
        f"{answer.words.get(rows[0], answer.contract.judge.say)}{why}",
        field="status",
        rule="withheld",
        got=answer.statuses[rows[0]],
        expected="an answer that may be shown; where the form has a status, ask for it by name "
        "to be given the rows that were answered",
        decisions=[answer.ids[row] for row in rows],
    )
