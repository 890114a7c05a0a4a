"""Who is told of what: settings that explain themselves, and mistakes named with their line. M23 N10."""

from pathlib import Path

import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.contract.alerting import Alerting, Channel, Rule
from mainstay.wiring.settings import TEMPLATE, Settings, read_settings

CHANNELS = (
    '[alerts.channels.team]\nurl_env = "TEAM"\n[alerts.channels.oncall]\nurl_env = "ONCALL"\n'
)
RULES = '[[alerts.rules]]\nto = "team"\n[[alerts.rules]]\nto = "oncall"\n'


def read(folder: Path, text: str) -> Alerting:
    path = folder / "mainstay.toml"
    path.write_text(text)
    return read_settings(path).alerts


def test_what_the_file_shows_as_an_example_can_be_used(tmp_path):
    """N10: without the marks of a comment, and with the channels it speaks of."""
    _, _, tail = TEMPLATE.partition("# [alerts]")
    lines = [line.removeprefix("# ") for line in tail.splitlines()]
    shown = [line for line in lines if "=" in line.split("`")[0] or line.startswith("[")]
    text = "[alerts]\n" + "\n".join(shown) + '\n[alerts.channels.oncall]\nurl_env = "ONCALL"\n'
    found = read(tmp_path, text)
    assert found.per_hour == Settings().alerts.per_hour
    assert found.channels["team"] == Channel(url_env="TEAM_ALERTS_URL")
    assert found.rules == (
        Rule(models=("fraud*",), verdicts=("fail",), to="team", repeat_after="4h",
             quiet="22:00-07:00 Europe/Berlin", escalate_after="30m", escalate_to="oncall",
             do=("quarantine",)),
    )  # fmt: skip


def test_one_channel_needs_no_rules(tmp_path):
    """M23: the shortest setting does what is meant."""
    found = read(tmp_path, '[alerts.channels.team]\nurl_env = "TEAM"\n')
    assert found.rule_for("any", "thing", "unsure").to == "team"
    assert read(tmp_path, "").rule_for("any", "thing", "fail").to == ""


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("alerts = 3\n", 1, "a part of its own"),
        ("[alerts]\nper_hours = 3\n", 2, "did you mean `per_hour`"),
        ("[alerts]\nper_hour = 0\n", 2, "from 1 to 1000"),
        ("[alerts]\nper_hour = true\n", 2, "a whole number"),
        (CHANNELS, 1, "[[alerts.rules]]"),
        (CHANNELS + '[[alerts.rules]]\nto = "team"\n', 3, "a channel that a rule names"),
        ('[alerts.channels.team]\nurl = "json://x"\n', 2, "did you mean `url_env`"),
        ('[alerts.channels.team]\nurl_env = "json://user:secret@x"\n', 2, "TEAM_ALERTS_URL"),
        ('[alerts.channels.Team]\nurl_env = "T"\n', 1, "lower-case"),
        (CHANNELS + RULES + '[[alerts.rules]]\nto = "taem"\n', 10, "did you mean 'team'"),
        (CHANNELS + RULES + '[[alerts.rules]]\nmodels = "fraud"\n', 10, "a list of names"),
        (CHANNELS + RULES + '[[alerts.rules]]\nverdicts = ["bad"]\n', 10, "fail or unsure"),
        (CHANNELS + RULES + 'quiet = "22-7"\n', 9, "22:00-07:00 Europe/Berlin"),
        (CHANNELS + RULES + 'quiet = "22:00-07:00 Mars/Olympus"\n', 9, "time zone"),
        (CHANNELS + RULES + 'repeat_after = "1s"\n', 9, "a minute or more"),
        (CHANNELS + RULES + 'escalate_after = "1h"\n', 9, "together"),
        (CHANNELS + RULES + '[[alerts.rules]]\nrepeat_after = "1h"\n', 10, "tells somebody"),
        (CHANNELS + RULES + 'do = ["hold"]\n', 9, "roll back, fall back, stop, quarantine, recall, retrain"),
        (CHANNELS + RULES + "do = []\n", 9, "roll back, fall back, stop, quarantine, recall, retrain"),
        (CHANNELS + RULES + 'do = ["retrain", "retrain"]\n', 9, "roll back, fall back, stop, quarantine, recall, retrain"),
        (CHANNELS + RULES + 'do = "retrain"\n', 9, "roll back, fall back, stop, quarantine, recall, retrain"),
        (CHANNELS + RULES + 'verdicts = ["unsure"]\ndo = ["retrain"]\n', 10, "a rule for what fails"),
        (CHANNELS + RULES + '[[alerts.rules]]\nchannel = "team"\n', 10, "The settings here are"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path, text, line, said):
    """N10 M23: file, line, and what would be right; a URL with its secret is not repeated."""
    with pytest.raises(InvalidUsage) as told:
        read(tmp_path, text)
    assert said in f"{told.value.expected}"
    assert "secret" not in told.value.message
    assert told.value.message.startswith(f"{tmp_path}/mainstay.toml:{line}:"), told.value.message
