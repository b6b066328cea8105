"""What a container uses, in the shape of `docker stats`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine.container import ZERO, Container
from dockyard.engine.parameters import Document
from dockyard.wire.clock import rfc3339_nano

if TYPE_CHECKING:
    from dockyard.runtime.runtime import Runtime

NANOSECONDS = 1_000_000_000
_NO_CPU: Document = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}

_BLKIO = (
    *("io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive"),
    *("io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive"),
    *("io_time_recursive", "sectors_recursive"),
)
_NETWORK = [f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")]


async def snapshot(runtime: Runtime, container: Container, now: float, before: Document | None) -> Document:
    """Return one sample; `before` is the sample that it is compared with.

    Differs: `docker stats` counts no network and disk I/O; without control groups it doesn't count processes
    that have ended either.
    """
    sample: Document = {
        "name": f"/{container.name}",
        "id": container.id,
        "read": ZERO,
        "preread": ZERO,
        "pids_stats": {},
        "blkio_stats": dict.fromkeys(_BLKIO),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _NO_CPU,
        "precpu_stats": _NO_CPU,
        "memory_stats": {},
    }
    if container.process is None:
        return sample
    used = await runtime.usage(container.id)
    throttling = used.throttling
    limit = container.host_config["Memory"] or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    sample.update(
        read=rfc3339_nano(now),
        preread=before["read"] if before else ZERO,
        pids_stats={"current": used.pids},
        cpu_stats={
            "cpu_usage": {
                "total_usage": used.cpu,
                "usage_in_kernelmode": used.system,
                "usage_in_usermode": used.user,
            },
            "system_cpu_usage": _system_cpu(),
            "online_cpus": os.cpu_count() or 1,
            "throttling_data": {
                "periods": throttling.periods,
                "throttled_periods": throttling.throttled,
                "throttled_time": throttling.nanoseconds,
            },
        },
        blkio_stats={name: [] for name in _BLKIO},
        precpu_stats=before["cpu_stats"] if before else _NO_CPU,
        memory_stats={
            "usage": used.memory,
            # Clients leave out the first with version 2 of control groups, the second with 1.
            "stats": {"inactive_file": used.cache, "total_inactive_file": used.cache},
            "limit": limit,
        },
    )
    if container.address and container.host_config["NetworkMode"] not in ("host", "none"):
        sample["networks"] = {"eth0": dict.fromkeys(_NETWORK, 0)}
    return sample


def _system_cpu() -> int:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    return sum(int(field) for field in fields) * NANOSECONDS // os.sysconf("SC_CLK_TCK")
