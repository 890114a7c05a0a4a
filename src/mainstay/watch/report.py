"""What a comparison found, and its four forms: findings, terminal, JSON and one HTML page."""

from html import escape

import msgspec

from mainstay.contract.finding import Finding, Verdict, worst
from mainstay.watch.model import Classifier, ColumnReport, Correlated
from mainstay.watch.page import page
from mainstay.watch.terminal import text


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of two data sets."""

    findings: tuple[Finding, ...]
    columns: tuple[ColumnReport, ...]
    rows: tuple[int, int]
    """Of the reference and of the current data."""
    false_alarms: float
    looks: int
    correlated: tuple[Correlated, ...] = ()
    classifier: Classifier | None = None
    """How well a model tells the two apart by all columns together; nothing where it was not asked,
    or has not two columns to go by."""

    @property
    def verdict(self) -> Verdict:
        """One failure fails, one doubt makes unsure."""
        return worst(self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that fail."""
        return tuple(found for found in self.findings if found.verdict == "fail")

    def to_json(self) -> str:
        """Everything, for machines; what is no finite number is null."""
        whole = {"verdict": self.verdict, **msgspec.structs.asdict(self)}
        return msgspec.json.encode(whole).decode()

    def to_html(self) -> str:
        """One page that needs nothing else, and in which nothing from the data can run."""
        return page(self.verdict, self.findings, self.columns, self.rows, self._promise())

    def __str__(self) -> str:
        return text(self.verdict, self.findings, self.columns, self.rows, self._promise())

    def _repr_html_(self) -> str:
        """What a notebook shows: the page in a frame of its own, apart from the notebook's."""
        return (
            '<iframe sandbox style="width:100%;height:40em;border:0"'
            f' srcdoc="{escape(self.to_html())}"></iframe>'
        )

    def _promise(self) -> str:
        share = f"{self.false_alarms * 100:g} %"
        if self.looks == 1:
            return f"At most {share} of such comparisons raise an alarm when nothing has changed."
        return (
            f"At most {share} of {self.looks:,} such comparisons together raise an alarm"
            " when nothing has changed."
        )
