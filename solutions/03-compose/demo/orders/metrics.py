"""Requests counted and timed by route and status, in Prometheus' text format."""

from collections import Counter

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()

    def observe(self, route: str, status: int, seconds: float) -> None:
        self._requests[route, status] += 1
        self._seconds[route] += seconds
        for bound in BUCKETS:
            if seconds <= bound:
                self._buckets[route, bound] += 1

    def render(self) -> str:
        lines = ["# TYPE http_requests_total counter"]
        for (route, status), count in sorted(self._requests.items()):
            lines.append(f'http_requests_total{{route="{route}",status="{status}"}} {count}')
        lines.append("# TYPE http_request_duration_seconds histogram")
        for route in sorted(self._seconds):
            total = sum(count for (name, _), count in self._requests.items() if name == route)
            for bound in BUCKETS:
                count = self._buckets[route, bound]
                lines.append(f'http_request_duration_seconds_bucket{{route="{route}",le="{bound}"}} {count}')
            lines.append(f'http_request_duration_seconds_bucket{{route="{route}",le="+Inf"}} {total}')
            lines.append(f'http_request_duration_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
            lines.append(f'http_request_duration_seconds_count{{route="{route}"}} {total}')
        return "\n".join(lines) + "\n"
