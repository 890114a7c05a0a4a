"""M5 M25: the forms of a report, and names from the data that must stay names."""

import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np

from mainstay.watch import compare

NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[2J\u202e"


def nasty():
    generator = np.random.default_rng(0)
    before = {NASTY: [str(v) for v in generator.choice(["a", "b"], 500)], "x": np.ones(500)}
    after = {NASTY: [NASTY] * 250 + ["a"] * 250, "x": np.full(500, np.inf), f"{NASTY}2": [1] * 500}
    return compare(before, after)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.open = set(), set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_malicious_name_is_no_markup():
    html = nasty().to_html()
    seen = Tags()
    seen.feed(html)
    assert seen.open == []
    assert seen.tags.isdisjoint({"script", "img", "iframe", "link", "object"})
    assert not any(name.startswith("on") or name in {"src", "href"} for name in seen.attributes)
    assert "&lt;script&gt;alert(1)" in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "default-src 'none'" in html


def test_a_malicious_name_moves_no_cursor():
    text = str(nasty())
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_notebook_shows_the_page_in_a_sandbox():
    framed = nasty()._repr_html_()
    assert framed.startswith("<iframe sandbox ")
    assert "<script" not in framed


def test_json_is_whole_and_strict():
    report = nasty()
    told = json.loads(report.to_json(), parse_constant=lambda word: 1 / 0)
    assert told["verdict"] == "fail"
    assert len(told["findings"]) == len(report.findings)
    assert told["columns"][0]["name"] == NASTY


def test_the_terminal_shows_the_worst_first_and_fits():
    lines = str(nasty()).splitlines()
    assert lines[0] == "fail: 500 rows of reference, 500 current"
    assert lines[1].lstrip().startswith("fail")
    assert max(map(len, lines)) <= 100
    assert lines[-1].startswith("At most 5 %")


def test_looks_are_in_the_promise():
    same = {"x": np.arange(100) % 7}
    assert "of 30 such comparisons together" in str(compare(same, same, looks=30))


def test_many_columns_stay_readable():
    wide = {f"c{at}": np.arange(60) % 5 for at in range(400)}
    report = compare(wide, wide)
    assert "340 more columns" in str(report)
    assert "100 more columns" in report.to_html()
    assert len(report.columns) == 400


def test_the_import_is_light():
    code = "import mainstay.watch, sys; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"pandas", "polars", "scipy", "duckdb", "pyarrow", "rich", "sklearn"}
    assert heavy.isdisjoint(done.stdout.split())
