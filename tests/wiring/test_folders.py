"""A workspace is found, made without surprise, and its settings explain themselves (N10)."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.wiring.folders import is_workspace, make_workspace, open_or_make, open_places
from mainstay.wiring.settings import TEMPLATE, Settings, read_settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("MAINSTAY_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    path = folder / "mainstay.toml"
    path.write_text(text)
    return path


def test_the_file_that_is_written_holds_every_setting_and_its_default(tmp_path):
    """N10: nothing to look up; the file and the defaults never part."""
    parts = {"alerts": Settings().alerts, "corrections": Settings().corrections}
    shown = tomllib.loads(TEMPLATE) | parts
    assert shown == msgspec.structs.asdict(Settings())
    assert read_settings(written(tmp_path, TEMPLATE)) == Settings()
    assert read_settings(written(tmp_path, "")) == Settings()


def test_each_setting_has_an_effect(tmp_path):
    """N10: what is read is what is used."""
    text = 'metadata="sqlite:///m.db"\nbundles="b"\njournal="j"\ntrusted_keys="k"\nworkers=3\n'
    written(tmp_path, text + 'inbox=false\nenvironment="test"\n')
    places = open_places(tmp_path)
    assert places.metadata == f"sqlite:///{tmp_path}/m.db"
    assert places.bundles == str(tmp_path / "b")
    assert places.journal == tmp_path / "j"
    assert places.keys == tmp_path / "k"
    assert places.settings.workers == 3
    assert not places.settings.inbox
    assert places.settings.environment == "test"
    assert (tmp_path / "b").is_dir()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("workers = 1\nwokers = 2\n", 2, "did you mean `workers`"),
        ("\n\n[journal_settings]\nx = 1\n", 3, "The settings are"),
        ("workers = 0\n", 1, "from 1 to"),
        ("workers = true\n", 1, "whole number"),
        ("# a comment\nworkers = '2'\n", 2, "whole number"),
        ("bundles = ''\n", 1, "not empty"),
        ("inbox = 'yes'\n", 1, "true or false"),
        ("metadata = 5\n", 1, "text in quotes"),
        ("environment = 'Test env'\n", 1, "lower-case letters"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, text, line, said):
    """N10: file, line, setting, and what would be right."""
    path = written(tmp_path, text)
    with pytest.raises(InvalidUsage) as told:
        read_settings(path)
    assert told.value.message.startswith(f"{path}:{line}:")
    assert said in f"{told.value.expected}"


def test_what_is_not_toml_is_told(tmp_path):
    with pytest.raises(InvalidUsage, match="line 1"):
        read_settings(written(tmp_path, "workers = = 2"))
    path = tmp_path / "mainstay.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidUsage, match="not TOML"):
        read_settings(path)


def test_a_workspace_is_made_and_changes_nothing_that_is_there(tmp_path):
    (tmp_path / "train.py").write_text("print()")
    (tmp_path / ".gitignore").write_text("mine\n")
    places, made = make_workspace(tmp_path)
    assert "mainstay.toml" in made
    assert ".gitignore" not in made
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    secret = places.signing_key.read_bytes()
    assert len(places.trusted_keys()) == 1
    again, made_again = make_workspace(tmp_path)
    assert made_again == []
    assert again.signing_key.read_bytes() == secret
    assert places.signing_key.stat().st_mode & 0o077 == 0


def test_a_workspace_is_found_in_its_three_ways(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        make_workspace(tmp_path / name)
    monkeypatch.chdir(tmp_path / "c")
    assert open_places().root == tmp_path / "c"
    monkeypatch.setenv("MAINSTAY_WORKSPACE", str(tmp_path / "b"))
    assert open_places().root == tmp_path / "b"
    assert open_places(tmp_path / "a").root == tmp_path / "a"


def test_no_workspace_is_told_with_what_to_do(tmp_path):
    make_workspace(tmp_path / "shop")
    with pytest.raises(InvalidUsage, match="shop/ below it is one") as told:
        open_places()
    assert "mainstay init" in (told.value.expected or "")
    with pytest.raises(InvalidUsage, match="did you mean 'shop'"):
        open_places(tmp_path / "shp")


def test_the_home_folder_does_not_become_a_workspace_by_accident(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InvalidUsage, match="probably not meant"):
        open_or_make()
    assert not is_workspace(tmp_path)
    assert open_or_make(tmp_path)[1]


def test_object_stores_and_servers_keep_their_urls(tmp_path):
    written(tmp_path, 'bundles = "s3://models/here"\nmetadata = "postgresql://db/shop"\n')
    places = open_places(tmp_path)
    assert places.bundles == "s3://models/here"
    assert places.metadata == "postgresql://db/shop"
    assert not (tmp_path / "s3:").exists()
