"""The state of a plain Python object as data: JSON for structure, plain arrays beside it.

What can be kept: None, booleans, whole numbers, floats, text, lists, tuples, sets, dictionaries,
NumPy scalars and NumPy arrays that hold no objects. Everything else is refused by the name of the
attribute it is in. Reading the bytes back builds nothing but these types.
"""

from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.bundle.anything import is_array, is_dict, is_list, is_set, is_tuple
from mainstay.contract.columns import Columns, decode, encode

_STRUCTURE: Final = "structure"
_WIDER: Final[dict[str, str]] = {"f": "<f8", "i": "<i8", "u": "<i8", "b": "|b1", "M": "<M8[us]"}
_DEPTH_MAX: Final = 32
_TAG: Final = "is"


def encode_state(attributes: dict[str, Any]) -> bytes:
    """Attributes as bytes; `InvalidUsage` names one that cannot be kept."""
    arrays: Columns = {}
    structure = {
        name: _plain(value, f"model.{name}", arrays, 0) for name, value in attributes.items()
    }
    text = np.empty(1, dtype=object)
    text[0] = msgspec.json.encode(structure).decode("utf-8")
    return encode({_STRUCTURE: text, **arrays})


def decode_state(data: bytes) -> dict[str, Any]:
    """Bytes back as attributes."""
    columns = decode(data)
    try:
        structure = msgspec.json.decode(columns[_STRUCTURE][0].encode("utf-8"), type=dict[str, Any])
        return {name: _value(item, columns) for name, item in structure.items()}
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.MsgspecError) as error:
        raise InvalidBundle(
            f"the state of the model cannot be read: {error}", field="model", rule="state"
        ) from error


def _plain(value: Any, where: str, arrays: Columns, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise _refused(where, "values nested too deep or in a circle")
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else {_TAG: "int", "of": str(value)}
    if isinstance(value, float) and not isinstance(value, np.floating):
        # JSON has no NaN or infinity, and hexadecimal keeps every bit of the rest.
        return {_TAG: "float", "of": value.hex()}
    if is_array(value) or isinstance(value, np.generic):
        return _array(value, where, arrays)
    if is_list(value) or is_tuple(value):
        items = [_plain(v, f"{where}[{i}]", arrays, depth + 1) for i, v in enumerate(value)]
        return items if type(value) is list else {_TAG: _exact(value, tuple, where), "of": items}
    if is_set(value):
        members = sorted(value, key=repr)
        return {
            _TAG: "set" if isinstance(value, set) else "frozenset",
            "of": [_plain(v, f"{where}[…]", arrays, depth + 1) for v in members],
        }
    if is_dict(value) and type(value) is dict:
        pairs = [
            [
                _plain(k, f"{where} (a key)", arrays, depth + 1),
                _plain(v, f"{where}[{k!r}]", arrays, depth + 1),
            ]
            for k, v in value.items()
        ]
        return {_TAG: "dict", "of": pairs}
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    raise _refused(where, f"a value of the type {name}")


def _exact(value: Any, kind: type, where: str) -> str:
    if type(value) is not kind:
        raise _refused(where, f"a value of the type {type(value).__qualname__}")
    return kind.__name__


def _array(value: Any, where: str, arrays: Columns) -> Any:
    array = np.asarray(value)
    shape = list(array.shape)
    tag = "scalar" if isinstance(value, np.generic) else "array"
    if array.dtype.kind == "U":
        return {_TAG: tag, "type": array.dtype.str, "shape": shape, "of": array.ravel().tolist()}
    if array.dtype.kind not in _WIDER or (array.dtype.kind == "u" and array.dtype.itemsize == 8):
        raise _refused(where, f"an array of {array.dtype}")
    wide = array.astype(_WIDER[array.dtype.kind])
    exact = np.array_equal(wide.astype(array.dtype), array, equal_nan=array.dtype.kind in "fM")
    if array.dtype.kind == "M" and not exact:
        raise _refused(where, f"an array of {array.dtype}, finer than microseconds")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise _refused(where, f"an array of {array.dtype}")
    key = f"array {len(arrays)}"
    arrays[key] = wide.reshape(-1)
    return {_TAG: tag, "type": array.dtype.str, "shape": shape, "in": key}


def _value(item: Any, columns: Columns) -> Any:
    if is_list(item):
        return [_value(v, columns) for v in item]
    if not is_dict(item):
        return item
    tagged = item
    kind = tagged[_TAG]
    if kind == "float":
        return float.fromhex(tagged["of"])
    if kind == "int":
        return int(tagged["of"])
    if kind in ("array", "scalar"):
        content = columns[tagged["in"]] if "in" in tagged else np.array(tagged["of"])
        array = content.astype(np.dtype(tagged["type"])).reshape(tagged["shape"])
        return array[()] if kind == "scalar" else array
    if kind == "dict":
        return {_value(k, columns): _value(v, columns) for k, v in tagged["of"]}
    makers: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}
    return makers[kind](_value(v, columns) for v in tagged["of"])


def _refused(where: str, what: str) -> InvalidUsage:
    return InvalidUsage(
        f"{where} holds {what}, which cannot be kept without unpickling",
        field=where,
        rule="state",
        got=what,
        expected="numbers, text, lists, dictionaries and NumPy arrays as attributes; or a model of "
        "scikit-learn, LightGBM, XGBoost or ONNX",
    )
