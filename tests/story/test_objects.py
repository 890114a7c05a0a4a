"""N1, S5, S10: bundles kept in an object store, through the commands and the HTTP door."""

import re
import signal
from pathlib import Path

import pytest

from tests.servers.mainstay import mainstay, pack_model, start_server
from tests.servers.objects import ObjectServer
from tests.servers.until import until


def keep_in(shop: Path, url: str) -> None:
    """Write where bundles are kept into the settings of a workspace."""
    settings = shop / "mainstay.toml"
    written, changed = re.subn(
        r"^bundles = .*$", f'bundles = "{url}"', settings.read_text(), flags=re.MULTILINE
    )
    assert changed == 1
    settings.write_text(written)


def test_versions_in_an_object_store_are_served_and_rolled_back(
    tmp_path: Path, objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N1, S5, S10: nothing but the setting differs; a machine that has none of the files serves
    them, and the version before comes back."""
    for name, value in objects.surroundings.items():
        monkeypatch.setenv(name, value)
    shop = tmp_path / "shop"
    assert mainstay("init", str(shop)).returncode == 0
    keep_in(shop, objects.new_folder())
    pack_model(shop)
    pack_model(shop, bias=40.0)
    assert not list(shop.rglob("*.mainstay"))
    assert mainstay("deploy", "sums@1", workspace=shop).returncode == 0
    server = start_server(shop, "--workers", "1")
    try:
        until(server.answers, what=f"the first answer: {server.said()}")
        told = server.decide()[1]
        assert told["version"] == 1
        deployed = mainstay("deploy", "sums@2", workspace=shop)
        assert deployed.returncode == 0, deployed.stderr
        until(lambda: server.decide()[1]["version"] == 2, what="the second version")
        assert mainstay("rollback", "sums", workspace=shop).returncode == 0
        until(lambda: server.decide()[1] | {"id": ""} == told | {"id": ""}, what="the first again")
    finally:
        server.stop(signal.SIGTERM)


def test_an_object_store_that_cannot_be_reached_is_said_in_words(
    tmp_path: Path, objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N1: a bucket that is not there refuses the version, and the workspace knows no new one."""
    for name, value in objects.surroundings.items():
        monkeypatch.setenv(name, value)
    shop = tmp_path / "shop"
    assert mainstay("init", str(shop)).returncode == 0
    keep_in(shop, "s3://nowhere/at-all")
    with pytest.raises(Exception, match="cannot be kept") as refused:
        pack_model(shop)
    assert "nowhere" in str(refused.value) or "NoSuchBucket" in str(refused.value)
    listed = mainstay("status", "--json", workspace=shop)
    assert '"sums"' not in listed.stdout
