"""S11: the extractor travels as source that runs by itself, or is refused by the name at fault."""

import code
import linecache
import types

import numpy as np
import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.carried import run_carried
from mainstay.bundle.digest import sha256_of
from mainstay.bundle.source import carry, function_source, is_installed
from tests.bundle import carried_code


def run(source: str):
    data = source.encode()
    return run_carried(data, sha256_of(data), "code/carried.py")


def test_a_function_takes_along_what_it_refers_to_and_nothing_else():
    """S11: the carried function gives the same features as the one of the training module."""
    source = function_source(carried_code.features)
    columns = {"a": np.array([0.5, 2.0, -3.0]), "b": np.array(["x Y", None, "z"], dtype=object)}
    mine, theirs = run(source).features(columns), carried_code.features(columns)
    assert list(mine) == list(theirs)
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name])
    for absent in ("LOCK", "HANDLE", "Threshold", "nameless", "tests.bundle"):
        assert absent not in source


def test_constants_keep_every_bit():
    module = run(function_source(carried_code.features))
    assert module.EDGES.dtype == carried_code.EDGES.dtype
    np.testing.assert_array_equal(module.EDGES, carried_code.EDGES)
    assert module.NAMES == carried_code.NAMES
    assert module.WORD == carried_code.WORD


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (carried_code.locked, "LOCK"),
        (carried_code.around(2), "factor"),
        (carried_code.nameless, "lambda"),
    ],
)
def test_what_cannot_be_carried_is_named(function, named):
    with pytest.raises(InvalidUsage, match=named) as refused:
        function_source(function)
    assert refused.value.expected


def test_a_notebook_cell_is_as_good_as_a_file():
    """A cell's source is known to linecache only, its module is __main__."""
    text = "EDGE = 3\ndef cell(columns):\n    return {'x': columns['a'] + EDGE}\n"
    name = "<ipython-input-1-test>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace = types.ModuleType("a_notebook").__dict__
    code.InteractiveInterpreter(namespace).runcode(compile(text, name, "exec"))
    module = run(function_source(namespace["cell"]))
    np.testing.assert_array_equal(module.cell({"a": np.array([1])})["x"], [4])


def test_packages_are_listed():
    assert list(carry([carried_code.features]).packages) == ["numpy"]
    assert is_installed("numpy.linalg")
    assert is_installed("math")
    assert not is_installed("tests.bundle.carried_code")
