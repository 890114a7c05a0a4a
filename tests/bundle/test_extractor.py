"""S9 S12: which extractor a version has is told by its source, and what it reads by its names."""

from importlib import import_module

import numpy as np
import pytest

from mainstay.bundle.carried import member, run_carried
from mainstay.bundle.extractor import STATE, imported_by, reached, read_besides
from mainstay.bundle.noise import UNITS, apart
from mainstay.bundle.source import carry

SOURCE = '''
import numpy as np
import time

LIMITS = np.array([1.0, 2.0])


class Scale:
    """Doubles."""

    def of(self, column):
        return 2 * column


def helper(column):
    return Scale().of(np.digitize(column, LIMITS))


def extract(rows):
    return {"x": helper(rows["a"])}


def lookup(keys):
    return {key: {"at": time.time()} for key in keys}


class Model:
    def predict(self, rows):
        return rows["x"]
'''


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("time.time()", "0.0", True),  # a look-up
        ('rows["x"]', '-rows["x"]', True),  # the model
        ("1.0, 2.0", "1.0, 3.0", False),  # a constant of a function that it calls
        ("2 * column", "3 * column", False),  # a class
        ('rows["a"]', 'rows["b"]', False),
        ("import numpy as np", "import numpy.ma as np", False),
    ],
)
def test_an_extractor_is_what_it_reaches(before: str, after: str, same: bool):
    assert before in SOURCE
    one, other = (reached(text, "extract") for text in (SOURCE, SOURCE.replace(before, after)))
    assert (one == other) == same
    assert "lookup" not in one
    assert "Model" not in one
    assert imported_by(one) == {"numpy"}


def test_what_was_carried_is_carried_again_as_it_was(tmp_path, monkeypatch):
    """So a version that is packed with an older one's extractor has the same one."""
    (tmp_path / "my_extractor_module.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = import_module("my_extractor_module")
    first = carry([mine.extract, mine.lookup, mine.Model]).source
    module = run_carried(first.encode(), "ab" * 32, "code/carried.py")
    second = carry([member(module, "extract", "code/carried.py")]).source
    assert reached(first, "extract") == reached(second, "extract")
    with pytest.raises(KeyError) as raised:
        module.extract({})
    line = raised.traceback[-1]
    assert str(line.statement).strip() == 'return {"x": helper(rows["a"])}'


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("import time\ndef f(r): return time.time()", "the clock (time.time)"),
        ("from datetime import datetime as d\ndef f(r): return d.now()", "the clock (dateti"),
        ("import numpy as np\ndef f(r): return np.datetime64('now')", "the clock (numpy.dat"),
        ("import numpy as np\ndef f(r): return np.random.rand()", "chance (numpy.random"),
        ("def f(r): return open('x')", "a file (open)"),
        ("import os\ndef f(r): return os.environ['X']", "its surroundings (os.environ)"),
        ("N = []\ndef f(r): return N.append(1)", f"{STATE} (N)"),
        ("N = {}\ndef f(r): N['a'] = 1", f"{STATE} (N)"),
        ("N = 1\ndef f(r):\n    global N\n    N += 1", f"{STATE} (N)"),
        ("from functools import lru_cache\n@lru_cache\ndef f(r): return r", STATE),
    ],
)
def test_what_code_reads_besides_is_hinted_at(body: str, what: str):
    (hint,) = read_besides(body)
    assert hint.startswith(what)


def test_code_that_reads_only_its_columns_gives_no_hint():
    assert read_besides(reached(SOURCE, "extract")) == ()
    assert (
        read_besides("def f(r):\n    made = []\n    made.append(r['time'])\n    return made") == ()
    )


def test_noise_is_a_few_units_in_the_last_place_of_the_coarser_type():
    """S12: of the value itself, or of what is usual; a difference beyond it is one."""
    column = np.array([1.0, 2.0, -3.0, np.nan, 0.0])
    eps = np.finfo(np.float64).eps
    for factor, beyond in ((0.9 * UNITS, False), (1.1 * UNITS, True)):
        found = apart(column, column * (1 + factor * eps))
        assert found.differs.tolist() == [True, True, True, False, False]
        # The first is held against the usual value, which is itself; the others are larger.
        assert found.beyond[:3].tolist() == [beyond] * 3
    rounded = apart(column.astype(np.float32), column * (1 + 1e-7))
    assert not rounded.beyond.any()
    assert apart(column, column.astype(np.float32).astype(np.float64)).differs.sum() == 0


@pytest.mark.parametrize(
    ("one", "other", "by"),
    [
        ([1, 2], [1, 3], 1.0),
        ([True, False], [True, True], 1.0),
        (["a", None], ["a", "b"], np.inf),
        ([1.0, np.nan], [1.0, 5.0], np.inf),
        ([1.0, 0.0], [1.0, 1e-9], 1e-9),
    ],
)
def test_whole_numbers_truth_text_and_what_is_missing_have_no_noise(one, other, by):
    kind = object if isinstance(one[0], str) else None
    found = apart(np.array(one, dtype=kind), np.array(other, dtype=kind))
    assert found.beyond.tolist() == [False, True]
    assert found.by.tolist() == [0.0, pytest.approx(by)]


def test_zero_and_minus_zero_are_not_the_same_bits_but_no_difference():
    found = apart(np.array([0.0, 1.0]), np.array([-0.0, 1.0]))
    assert found.differs.tolist() == [True, False]
    assert not found.beyond.any()
