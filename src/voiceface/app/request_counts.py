"""What the server counts, in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter, defaultdict

from voiceface.app.workers import Workers


class RequestCounts:
    """Requests by route and status, and the time they took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[route, status] += 1
        self._seconds[route] += seconds

    def text(self, workers: Workers) -> str:
        """All figures, with those of the workers.

        Source: Prometheus' text-based exposition format 0.0.4.
        """
        requests = [
            (f'{{route="{route}",status="{status}"}}', float(count))
            for (route, status), count in sorted(self._requests.items())
        ]
        seconds = [(f'{{route="{route}"}}', total) for route, total in sorted(self._seconds.items())]
        families = [
            ("requests_total", "counter", "Requests that were answered", requests),
            ("request_seconds_total", "counter", "Time that they took", seconds),
            ("workers", "gauge", "Worker processes wanted", [("", float(workers.count))]),
            ("workers_ready", "gauge", "Worker processes with loaded models", [("", float(workers.ready))]),
            ("workers_busy", "gauge", "Worker processes that work", [("", float(workers.busy))]),
            ("workers_replaced_total", "counter", "Processes that ended", [("", float(workers.replaced))]),
            ("queue_length", "gauge", "Requests that wait for a worker", [("", float(workers.waiting))]),
            ("queue_limit", "gauge", "Requests that may wait", [("", float(workers.limits.queue))]),
        ]
        lines = []
        for name, kind, told, samples in families:
            lines += [f"# HELP voiceface_{name} {told}.", f"# TYPE voiceface_{name} {kind}"]
            lines += [f"voiceface_{name}{labels} {value:.10g}" for labels, value in samples]
        return "\n".join([*lines, ""])
