"""What is counted, how it survives a worker, and that callers cannot make it grow (M1, M22)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mainstay.base.clock import ManualClock
from mainstay.serve.machine import GpuUse, machine_use, process_use
from mainstay.serve.metrics import Metrics
from mainstay.serve.snapshots import traffic_by_model


def page(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The page as the reference parser reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float:
    return page(text)[name, tuple(sorted(labels.items()))]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def metrics(clock) -> Metrics:
    found = Metrics(0, 4711, clock)
    found.loaded("fraud", 3, ["amount", "country"])
    return found


def test_how_things_were_with_a_version_that_left_is_not_shown_for_now(metrics):
    """M1 S30: an open breaker of a version that answers no more alarms nobody."""
    open_now = {("lookup_breaker_open", "accounts"): 1.0}
    step = {"slot": "0", "model": "fraud", "version": "3", "lookup": "accounts"}
    metrics.judged("fraud", 3, {("lookup_troubles", "accounts", "slow"): 2}, open_now)
    text = metrics.render()
    assert value(text, "mainstay_lookup_breaker_open", **step) == 1
    slow = {"model": "fraud", "version": "3", "lookup": "accounts", "trouble": "slow"}
    assert value(text, "mainstay_lookup_troubles_total", **slow) == 2
    metrics.loaded("fraud", 4, ["amount"])
    assert "mainstay_lookup_breaker_open{" not in metrics.render().decode()
    metrics.judged("fraud", 4, {}, open_now)
    metrics.unloaded("fraud")
    text = metrics.render()
    assert "mainstay_lookup_breaker_open{" not in text.decode()
    assert value(text, "mainstay_lookup_troubles_total", **slow) == 2


def test_requests_runs_and_steps_are_counted(metrics):
    """M1, M22: requests by status, rows by version, and where the time went."""
    metrics.answered("fraud", "decide", 200, 2_000_000)
    metrics.answered("fraud", "decide", 200, 4_000_000)
    metrics.answered("fraud", "decide", 400, 1_000)
    metrics.ran("fraud", 3, 7, {"predict": 5_000_000, "extract": 1_000_000})
    metrics.ran("fraud", 3, 1, {"predict": 1_000_000})
    metrics.judged(
        "fraud", 3, {("withheld", "declined", "sense"): 2}, {("fallback_breaker_open", "lite"): 1.0}
    )
    metrics.non_finite("fraud", "outputs", 2)
    metrics.refused_value("fraud", "amount")
    metrics.spool_error()
    metrics.defect("ZeroDivisionError()")
    text = metrics.render()
    assert value(text, "mainstay_requests_total", model="fraud", door="decide", status="200") == 2
    assert value(text, "mainstay_request_seconds_count", model="fraud", door="decide") == 3
    total = value(text, "mainstay_request_seconds_sum", model="fraud", door="decide")
    assert total == pytest.approx(0.006001)
    assert value(text, "mainstay_runs_total", model="fraud", version="3") == 2
    assert value(text, "mainstay_rows_total", model="fraud", version="3") == 8
    spent = value(text, "mainstay_step_seconds_total", model="fraud", version="3", step="predict")
    assert spent == pytest.approx(0.006)
    withheld = {"model": "fraud", "version": "3", "status": "declined"}
    assert value(text, "mainstay_withheld_total", **withheld, why="sense") == 2
    step = {"slot": "0", "model": "fraud", "version": "3", "step": "lite"}
    assert value(text, "mainstay_fallback_breaker_open", **step) == 1
    assert value(text, "mainstay_non_finite_total", model="fraud", where="outputs") == 2
    assert value(text, "mainstay_refused_values_total", model="fraud", field="amount") == 1
    assert value(text, "mainstay_spool_errors_total") == 1
    assert value(text, "mainstay_defects_total") == 1
    assert value(text, "mainstay_loaded_version", slot="0", model="fraud", version="3") == 1


def test_share_of_2xx_and_windows(metrics, clock):
    """M1: requests in the last minute, hour and day."""
    for status in (200, 200, 200, 500):
        metrics.answered("fraud", "decide", status, 1_000_000)
    clock.advance(120)
    metrics.answered("fraud", "decide", 200, 1_000_000)
    text = metrics.render()

    def last(window: str) -> float:
        return value(text, "mainstay_requests_last", model="fraud", window=window)

    assert (last("minute"), last("hour"), last("day")) == (1, 5, 5)
    assert value(text, "mainstay_requests_last_2xx_share", model="fraud", window="hour") == 0.8


def test_counters_survive_a_worker(metrics, clock):
    """M1: the next worker of a slot goes on counting where the last one was."""
    metrics.answered("fraud", "decide", 200, 1_000_000)
    successor = Metrics(0, 4712, clock, metrics.snapshot())
    successor.loaded("fraud", 3)
    successor.answered("fraud", "decide", 200, 1_000_000)
    text = successor.render()
    assert value(text, "mainstay_requests_total", model="fraud", door="decide", status="200") == 2
    assert value(text, "mainstay_requests_last", model="fraud", window="minute") == 2
    assert value(text, "mainstay_request_seconds_count", model="fraud", door="decide") == 2


def test_workers_are_added_up_and_the_dead_have_no_gauges(metrics, clock):
    """M1: one page for all workers; a slot of a dead worker keeps its counts only."""
    other = Metrics(1, 4712, clock)
    other.loaded("fraud", 3)
    other.in_flight = 5
    other.answered("fraud", "decide", 200, 1_000_000)
    metrics.answered("fraud", "decide", 200, 1_000_000)
    left = other.snapshot()
    both = metrics.render([left, metrics.snapshot()])
    assert value(both, "mainstay_requests_total", model="fraud", door="decide", status="200") == 2
    assert value(both, "mainstay_in_flight", slot="1") == 5
    clock.advance(60)
    later = page(metrics.render([left]))
    assert ("mainstay_in_flight", (("slot", "1"),)) not in later
    counted = ("mainstay_requests_total", (("door", "decide"), ("model", "fraud"),
                                           ("status", "200")))  # fmt: skip
    assert later[counted] == 2


@pytest.mark.parametrize("torn", [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"slot":1}'])
def test_a_torn_file_of_another_slot_is_passed_over(metrics, torn):
    assert b"mainstay_in_flight" in metrics.render([torn])
    assert Metrics(0, 1, ManualClock(), torn).render()


names = st.text(max_size=30)


@settings(max_examples=60)
@given(st.lists(st.tuples(names, names, st.integers(-5, 999), names), max_size=50))
def test_callers_cannot_invent_labels(seen):
    """M22: whatever callers send, only announced names become labels, and the page stays valid."""
    metrics = Metrics(0, 1, ManualClock())
    metrics.loaded("fraud", 1, ["amount"])
    for model, field, status, step in seen:
        metrics.answered(model, "decide", status, 1000)
        metrics.ran(model, 1, 1, {"predict": 1})
        metrics.refused_value(model, field)
        metrics.refused_value("fraud", field)
        metrics.non_finite(model, "inputs", 1)
        del step
    for _, labels in page(metrics.render()):
        found = dict(labels)
        assert found.get("model", "fraud") in {"fraud", "(other)", "(none)"}
        assert found.get("field", "amount") in {"amount", "(other)"}


def test_step_and_door_names_are_bounded(metrics):
    for number in range(100):
        metrics.answered("fraud", f"door{number}", 200, 1)
        metrics.ran("fraud", 3, 1, {f"step{number}": 1})
    labels = [dict(labels) for _, labels in page(metrics.render())]
    assert len({found["door"] for found in labels if "door" in found}) <= 33
    assert len({found["step"] for found in labels if "step" in found}) <= 33


def test_traffic_for_people(metrics, clock):
    for elapsed in range(1, 101):
        metrics.answered("fraud", "decide", 200 if elapsed > 1 else 404, elapsed * 1_000_000)
    found = traffic_by_model([metrics.snapshot()], clock.now_ns())["fraud"]
    assert found.last_minute == found.last_day == 100
    assert found.share_succeeded == 0.99
    assert found.p50_ms == pytest.approx(50, rel=0.13)
    assert found.p99_ms == pytest.approx(99, rel=0.13)


def test_sizes_of_runs_and_their_processor_time(metrics):
    """M1 M11: batch sizes in powers of two, processor time by version; plain figures as well."""
    for rows, processor_ns in ((1, 2_000), (2, 3_000), (3, 4_000), (4, 5_000), (40_000, 0)):
        metrics.ran("fraud", 3, rows, {"predict": 1}, processor_ns)
    metrics.ran("fraud", 2, 5, {"predict": 1}, 9_000_000)
    metrics.answered("fraud", "decide", 200, 1_000_000)
    text = metrics.render()
    labels = {"model": "fraud", "version": "3"}
    counts = {
        le: value(text, "mainstay_run_rows_bucket", **labels, le=le)
        for le in ("1.0", "2.0", "4.0", "8.0", "16384.0", "+Inf")
    }
    assert list(counts.values()) == [1, 2, 4, 4, 4, 5]
    assert value(text, "mainstay_run_rows_sum", **labels) == 40_010
    assert value(text, "mainstay_run_processor_seconds_total", **labels) == pytest.approx(14e-6)
    found = traffic_by_model([metrics.snapshot()], 0)["fraud"]
    assert found.rows_per_run == 40_010 / 5
    assert found.processor_us == pytest.approx(14 / 40_010)


def test_connections_and_bytes_are_counted_by_door(metrics, clock):
    """M1: network level; they go on where the last worker of the slot was, but those open now."""
    counts = {"connections": 3, "connections_refused": 1, "received_bytes": 900, "sent_bytes": 70}
    metrics.carried("http", counts)
    metrics.carried("http", {**counts, "connections": 4})
    metrics.connections_open = 2
    after = Metrics(0, 1, clock, metrics.snapshot())
    after.carried("http", {"connections": 10})
    text = after.render()
    assert value(text, "mainstay_connections_total", door="http") == 14
    assert value(text, "mainstay_connections_refused_total", door="http") == 1
    assert value(text, "mainstay_received_bytes_total", door="http") == 900
    assert value(text, "mainstay_sent_bytes_total", door="http") == 70
    assert value(metrics.render(), "mainstay_connections_open", slot="0") == 2
    assert value(text, "mainstay_connections_open", slot="0") == 0


def test_the_machine_is_on_the_page(metrics, tmp_path):
    """M1: machine level, with its network, its graphics processors and the keeper."""
    gpu = GpuUse(index=1, name="L4", busy_share=0.5, memory_total_bytes=9, memory_used_bytes=None)
    text = metrics.render(machine=machine_use(tmp_path, (gpu,)), keeper=process_use())
    assert value(text, "mainstay_machine_connections") >= 0
    assert value(text, "mainstay_gpu_busy_share", gpu="1", card="L4") == 0.5
    assert ("mainstay_gpu_memory_used_bytes", (("card", "L4"), ("gpu", "1"))) not in page(text)
    assert value(text, "mainstay_keeper_resident_bytes") > 0
    assert value(text, "mainstay_machine_processors") >= 1
    assert value(text, "mainstay_machine_disk_free_bytes") > 0
