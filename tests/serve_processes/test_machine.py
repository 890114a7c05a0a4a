"""Readings of the machine agree with another reader, and never fail (M1)."""

import psutil

from mainstay.serve.machine import machine_use, process_use


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
