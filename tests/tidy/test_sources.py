"""Every Python file keeps the house rules, and every rule finds what it is for."""

import pytest

from tests.tidy import rules
from tests.tidy.repository import sources
from tests.tidy.rules import RULES, Source

_ALL = ("src", "tests", "bench", "tools")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule):
    assert [fault for source in sources(*_ALL) for fault in rule(source)] == []


def test_what_is_allowed_is_still_there():
    """An exception that nothing uses any more is a hole."""
    used = {(s.path, name) for s in sources(*_ALL) for _, name in rules.unsafe_names(s)}
    assert [entry for entry in rules.ALLOWED if entry not in used] == []
    assert all(len(reason) >= rules.REASON_MIN_CHARACTERS for reason in rules.ALLOWED.values())


# Spelled in pieces, so that this file does not break the rules it tests.
_NOQA = "# no" + "qa"
_PYRIGHT = "# pyright" + ": ignore"
PLANTED = [
    (rules.short_file, "x = 1\n" * 501),
    (rules.short_functions, "def f():\n" + "    x = 1\n" * 70),
    (rules.short_functions, "async def f():\n" + "    x = 1\n" * 70),
    (rules.few_parameters, "def f(a, b, c, d, e, *, f, g, h, i): ...\n"),
    (rules.nothing_left_to_do, "# TO" + "DO: later\n"),
    (rules.nothing_left_to_do, "def f():\n    raise NotImplementedError\n"),
    (rules.own_imports_on_top, "def f():\n    from mainstay.base import ids\n"),
    (rules.own_imports_on_top, "def f():\n    import mainstay.base.ids\n"),
    (rules.own_imports_on_top, "def f():\n    from . import ids\n"),
    (rules.reasons_for_exceptions, f"x = 1  {_NOQA}: E501\n"),
    (rules.reasons_for_exceptions, f"x = 1  {_NOQA}  # because it is how it must be\n"),
    (rules.reasons_for_exceptions, f"x = 1  {_NOQA}: E501  # because\n"),
    (rules.reasons_for_exceptions, f"x = 1  {_PYRIGHT}[reportAny]\n"),
    (rules.reasons_for_exceptions, f"x = 1  {_PYRIGHT}  # because it has no types at all\n"),
    (rules.reasons_for_exceptions, "x = 1  # type" + ": ignore[attr]\n"),
    (rules.no_globals, "def f():\n    glo" + "bal x\n    x = 1\n"),
    (rules.no_unpickling, "import pickle\n"),
    (rules.no_unpickling, "from joblib import load\n"),
    (rules.no_unpickling, "x = eval('1')\n"),
    (rules.no_unpickling, "spec.loader.exec_module(module)\n"),
    (rules.no_unpickling, "x = load('a.npy', allow_pickle=True)\n"),
]


@pytest.mark.parametrize(("rule", "text"), PLANTED)
def test_a_planted_violation_is_found(rule, text):
    assert len(list(rule(Source("src/mainstay/planted.py", text)))) == 1


def test_an_attic_is_found():
    assert list(rules.telling_names(Source("src/mainstay/utils/x.py", "")))
    assert list(rules.telling_names(Source("src/mainstay/base/common.py", "")))


FINE = f'''"""A module."""
import mainstay.base

x = 1  {_NOQA}: E501  # because the line is a table that people read across
y = x  {_PYRIGHT}[reportAny]  # because the library has no types


class Class:
    def method(self, a, b, c, d, e, f, g, h):
        import duckdb

        return load(a, allow_pickle=False)
'''


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_what_is_right_passes(rule):
    assert list(rule(Source("src/mainstay/fine.py", FINE))) == []


def test_wiring_may_import_where_it_needs_to():
    text = "def f():\n    from mainstay.base import ids\n"
    assert list(rules.own_imports_on_top(Source("src/mainstay/wiring.py", text))) == []
