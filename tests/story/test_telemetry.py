"""Traces and metrics reach a real collector, through the real door. O14 M22 M1."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers.collector import Collector, values
from tests.servers.mainstay import MODEL, live_model, mainstay, serving
from tests.servers.until import until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STEPS = {"wait", "validate", "extract", "predict", "judge", "present", "record"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


def test_a_request_is_told_to_a_collector_step_by_step(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O14 M22: in the caller's own trace; what was counted comes too, from one process."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "1000")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=risk")
    workspace = tmp_path / "shop"
    live_model(workspace)
    settings = workspace / "mainstay.toml"
    wanted = f'telemetry = "{collector.url}"'
    settings.write_text(settings.read_text().replace('telemetry = ""', wanted))
    server = serving(workspace)
    try:
        place = urlsplit(server.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        body = json.dumps({"inputs": {"a": 0.1, "b": 0.2, "c": 0.3}})
        parent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        connection.request("POST", f"/models/{MODEL}/decide", body, parent)
        answer = connection.getresponse()
        decided = json.loads(answer.read())
        said = answer.getheader("traceresponse", "")
        connection.close()

        def own() -> list:
            spans = [span for span in collector.spans if span.trace_id.hex() == TRACE]
            return spans if len(spans) > len(STEPS) else []

        spans = until(own, what="the spans of a request")
        (whole,) = [span for span in spans if span.parent_span_id.hex() == PARENT]
        steps = [span for span in spans if span is not whole]
        assert said == f"00-{TRACE}-{whole.span_id.hex()}-01"
        assert {step.name for step in steps} == STEPS
        assert {step.parent_span_id for step in steps} == {whole.span_id}
        for step in steps:
            assert whole.start_time_unix_nano <= step.start_time_unix_nano
            assert step.start_time_unix_nano <= step.end_time_unix_nano
            assert step.end_time_unix_nano <= whole.end_time_unix_nano
        about = values(whole.attributes)
        assert whole.name == f"decide {MODEL}"
        assert (about["mainstay.decision"], about["mainstay.status"]) == (decided["id"], "answered")
        assert about["http.response.status_code"] == 200
        ran = {step.name: values(step.attributes) for step in steps}
        assert ran["predict"] == {"mainstay.version": decided["version"], "mainstay.rows": 1}

        def counted() -> bool:
            metric = collector.metrics.get("mainstay_requests")
            points = metric.sum.data_points if metric else ()
            return any(
                values(point.attributes)["door"] == "decide" and point.as_double >= 2
                for point in points
            )

        until(counted, what="metrics that count both decisions")
        latency = collector.metrics["mainstay_request_seconds"].histogram.data_points
        (decides,) = [each for each in latency if values(each.attributes)["door"] == "decide"]
        assert sum(decides.bucket_counts) == decides.count >= 2
        assert len(decides.bucket_counts) == len(decides.explicit_bounds) + 1
        assert "mainstay_machine_processors" in collector.metrics
        named = {"service.name": "mainstay", "team": "risk"}
        assert all(named.items() <= resource.items() for resource in collector.resources)
        status = mainstay("status", "--json", workspace=workspace)
        assert json.loads(status.stdout)["traffic"][MODEL]["last_day"] >= 2
        # A collector that is away is told of, and costs nothing.
        collector.close()
        until(lambda: "send metrics" in problems(workspace), what="the problem in the status")
        assert server.decide()[0] == 200
    finally:
        assert server.stop() == 0


def problems(workspace: Path) -> str:
    """What `mainstay status` says a person should look at."""
    found = mainstay("status", "--json", workspace=workspace)
    return " ".join(json.loads(found.stdout)["problems"])
