"""Readings of the machine agree with another reader, and never fail (M1)."""

import os

import psutil
import pytest

from mainstay.base.clock import ManualClock
from mainstay.serve.beside import BESIDE_FILE, gpus, look_beside, read_beside
from mainstay.serve.machine import GpuUse, NetworkUse, machine_use, network_use, process_use


def test_memory_and_disk_agree_with_psutil(tmp_path):
    use = machine_use(tmp_path)
    assert use.memory_total_bytes == psutil.virtual_memory().total
    assert use.memory_available_bytes is not None
    assert 0 < use.memory_available_bytes <= psutil.virtual_memory().total
    assert use.disk_total_bytes == psutil.disk_usage(str(tmp_path)).total
    assert use.processors == psutil.cpu_count()


def test_process_agrees_with_psutil():
    use, other = process_use(), psutil.Process()
    assert use.resident_bytes is not None
    assert abs(use.resident_bytes - other.memory_info().rss) < 64 * 1024 * 1024
    assert use.processor_seconds > 0
    assert use.open_files is not None
    assert use.open_files > 2


def test_a_system_without_these_files_only_knows_less(tmp_path):
    """A figure that is not offered is missing, never an error."""
    use = machine_use(tmp_path / "gone", proc=tmp_path)
    assert use.memory_total_bytes is None
    assert use.busy_seconds is None
    assert use.disk_free_bytes is None
    assert process_use(tmp_path).open_files is None


def test_damaged_files_are_passed_over(tmp_path):
    (tmp_path / "stat").write_text("cpu x y z\n")
    (tmp_path / "meminfo").write_text("MemTotal: many kB\n")
    use = machine_use(tmp_path, proc=tmp_path)
    assert use.busy_seconds is None
    assert use.memory_total_bytes is None


def test_the_network_agrees_with_psutil():
    """M1: bytes by network without the machine's own loop, and connections."""
    before = {
        name: each for name, each in psutil.net_io_counters(pernic=True).items() if name != "lo"
    }
    use = network_use()
    after = {
        name: each for name, each in psutil.net_io_counters(pernic=True).items() if name != "lo"
    }
    assert use.received_bytes is not None
    assert use.sent_bytes is not None
    received = [sum(each.bytes_recv for each in seen.values()) for seen in (before, after)]
    assert received[0] <= use.received_bytes <= received[1]
    sent = [sum(each.bytes_sent for each in seen.values()) for seen in (before, after)]
    assert sent[0] <= use.sent_bytes <= sent[1]
    assert use.connections is not None


def test_refused_reset_and_retransmitted_are_read_by_their_names(tmp_path):
    """M1: wherever the kernel puts them among the others."""
    net = tmp_path / "net"
    net.mkdir()
    (net / "dev").write_text(
        "Inter-|   Receive    |  Transmit\n face |bytes packets|bytes packets\n"
        "    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
        "  eth0: 100 2 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n"
        "  eth1: 5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n"
    )
    (net / "snmp").write_text(
        "Udp: InDatagrams RetransSegs\nUdp: 1 2\n"
        "Tcp: RtoMin AttemptFails EstabResets CurrEstab OutSegs RetransSegs\nTcp: 1 4 5 6 70 8\n"
    )
    (net / "netstat").write_text("TcpExt: ListenOverflows ListenDrops\nTcpExt: 3 4\n")
    assert network_use(tmp_path) == NetworkUse(
        received_bytes=105, sent_bytes=37, connections=6, refused=3, reset=5, failed=4,
        sent_segments=70, retransmitted_segments=8,
    )  # fmt: skip
    (net / "snmp").write_text("Tcp: RtoMin CurrEstab\nTcp: 1\n")
    (net / "dev").write_text("eth0: 1 2\n")
    assert network_use(tmp_path) == NetworkUse(refused=3)


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """A machine whose driver brought its program along; what it says is handed in."""

    def says(text: str, code: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\nexit {code}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return says


def test_graphics_processors_are_read_where_there_are_some(cards):
    """M1: by the driver's program; what a card does not measure is left out."""
    cards("0, NVIDIA L4, 37, 23034, 1024\n1, NVIDIA T4, [N/A], 15360, [N/A]\n")
    assert gpus() == (
        GpuUse(index=0, name="NVIDIA L4", busy_share=0.37, memory_total_bytes=23034 * 2**20,
               memory_used_bytes=2**30),
        GpuUse(index=1, name="NVIDIA T4", busy_share=None, memory_total_bytes=15360 * 2**20,
               memory_used_bytes=None),
    )  # fmt: skip


@pytest.mark.parametrize(("text", "code"), [("Driver mismatch", 0), ("0, A, 1, 1, 1", 9), ("", 0)])
def test_a_driver_that_says_something_else_leaves_them_out(cards, text, code):
    cards(text, code)
    assert gpus() == ()


def test_a_machine_without_them_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == ()


def test_workers_show_what_the_keeper_saw_until_it_is_old(cards, tmp_path):
    """M1: and a file that was torn is none."""
    cards("0, NVIDIA L4, 37, 23034, 1024\n")
    clock = ManualClock()
    assert read_beside(tmp_path, clock) is None
    seen = look_beside(tmp_path, clock)
    assert read_beside(tmp_path, clock) == seen
    assert len(seen.gpus) == 1
    assert seen.keeper.resident_bytes
    clock.advance(600)
    assert read_beside(tmp_path, clock) is None
    (tmp_path / BESIDE_FILE).write_bytes(b'{"time_ns":')
    assert read_beside(tmp_path, clock) is None
