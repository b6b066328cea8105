"""A container's HostConfig: upstream's defaults, and what upstream refuses in one."""

from __future__ import annotations

import os
import re
from typing import Any

from dockyard.engine.errors import BadParameter, Failed, NotFound
from dockyard.engine.parameters import Document

MINIMUM_MEMORY = 6 * 1024 * 1024
_CAPABILITIES = """
ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE
DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD
NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN
SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
WAKE_ALARM
"""
_LOG_OPTIONS = (
    "max-size",
    "max-file",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
    "mode",
)

_MASKED = (
    *("/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
    "/sys/devices/virtual/powercap",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_FIRST_CGROUPS = not os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def defaults() -> Document:
    """Return the HostConfig of a container that asks for nothing, as inspect shows it."""
    return {
        "Binds": None,
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": "bridge",
        "PortBindings": None,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": False,
        "VolumeDriver": "",
        "VolumesFrom": None,
        "ConsoleSize": [0, 0],
        "CapAdd": None,
        "CapDrop": None,
        "CgroupnsMode": "host" if _FIRST_CGROUPS else "private",
        "Dns": None,
        "DnsOptions": None,
        "DnsSearch": None,
        "ExtraHosts": None,
        "GroupAdd": None,
        "IpcMode": "private",
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": 0,
        "PidMode": "",
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": False,
        "SecurityOpt": None,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": 67108864,
        "Runtime": "runc",
        "Isolation": "",
        "CpuShares": 0,
        "Memory": 0,
        "NanoCpus": 0,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "BlkioWeightDevice": None,
        "BlkioDeviceReadBps": None,
        "BlkioDeviceWriteBps": None,
        "BlkioDeviceReadIOps": None,
        "BlkioDeviceWriteIOps": None,
        "CpuPeriod": 0,
        "CpuQuota": 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": "",
        "CpusetMems": "",
        "Devices": None,
        "DeviceCgroupRules": None,
        "DeviceRequests": None,
        "MemoryReservation": 0,
        "MemorySwap": 0,
        "MemorySwappiness": None,
        "OomKillDisable": False if _FIRST_CGROUPS else None,
        "PidsLimit": None,
        "Ulimits": None,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        # Differs: of the paths that `inspect` shows as masked only /proc/kcore is, and under proot none is.
        "MaskedPaths": list(_MASKED),
        "ReadonlyPaths": list(_READ_ONLY),
    }


def complete(asked: Document | None) -> Document:
    """Return what was asked for, checked, with upstream's defaults for the rest.

    Raises:
        EngineError: a value that upstream refuses.
    """
    host_config = defaults()
    empty: tuple[Any, ...] = (None, "", [], {})
    for key, value in (asked or {}).items():
        if key in ("Mounts", "Tmpfs", "Init", "Sysctls", "StorageOpt", "Annotations"):
            if value not in empty:
                host_config[key] = value
        elif value not in empty or host_config.get(key) in empty:
            host_config[key] = value
    if host_config["NetworkMode"] == "default":
        host_config["NetworkMode"] = "bridge"
    host_config["RestartPolicy"] = {
        "Name": (host_config["RestartPolicy"] or {}).get("Name") or "no",
        "MaximumRetryCount": (host_config["RestartPolicy"] or {}).get("MaximumRetryCount") or 0,
    }
    if host_config["Privileged"]:
        host_config["MaskedPaths"] = host_config["ReadonlyPaths"] = []
    log = host_config["LogConfig"] or {}
    host_config["LogConfig"] = {"Type": log.get("Type") or "json-file", "Config": log.get("Config") or {}}
    for key in ("CapAdd", "CapDrop"):
        if host_config[key]:
            host_config[key] = [capability(key, name) for name in host_config[key]]
    host_config["ShmSize"] = host_config["ShmSize"] or defaults()["ShmSize"]
    if host_config["Memory"] and not host_config["MemorySwap"]:
        host_config["MemorySwap"] = 2 * host_config["Memory"]
    _check(host_config)
    return host_config


def capability(field: str, name: str) -> str:
    """Return `CAP_NET_RAW` for `net_raw`.

    Raises:
        BadParameter: there is no such capability.
    """
    short = name.upper().removeprefix("CAP_")
    if short not in _CAPABILITIES.split():
        raise BadParameter(f'invalid {field}: unknown capability: "CAP_{short}"')
    return "ALL" if short == "ALL" else f"CAP_{short}"


def check_restart_policy(policy: Document) -> None:
    """Raise BadParameter for a policy that upstream refuses."""
    name, count = policy.get("Name") or "", policy.get("MaximumRetryCount") or 0
    if name not in ("", "no", "always", "on-failure", "unless-stopped"):
        raise BadParameter(
            f"invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or "
            "'unless-stopped'"
        )
    if name != "on-failure" and count:
        extra = " and cannot be negative" if count < 0 else ""
        raise BadParameter(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'" + extra
        )
    if count < 0:
        raise BadParameter("invalid restart policy: maximum retry count cannot be negative")


def check_resources(resources: Document) -> None:
    """Raise BadParameter for limits that cannot be set."""
    memory, swap = resources.get("Memory") or 0, resources.get("MemorySwap") or 0
    if 0 < memory < MINIMUM_MEMORY:
        raise BadParameter("Minimum memory limit allowed is 6MB")
    if memory and 0 < swap < memory:
        raise BadParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if not memory and swap > 0:
        raise BadParameter("You should always set the Memory limit when using Memoryswap limit, see usage")
    if memory and memory < (resources.get("MemoryReservation") or 0):
        raise BadParameter("Minimum memory limit can not be less than memory reservation limit, see usage")
    nano = resources.get("NanoCpus") or 0
    cores = os.cpu_count() or 1
    if nano and resources.get("CpuQuota"):
        raise BadParameter("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if nano < 0 or nano > cores * 1e9:
        raise BadParameter(
            f"range of CPUs is from 0.01 to {cores}.00, as there are only {cores} CPUs available"
        )
    quota = resources.get("CpuQuota") or 0
    if 0 < quota < 1000:
        raise BadParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    _check_cpuset(resources.get("CpusetCpus") or "", cores)


def _check_cpuset(text: str, cores: int) -> None:
    if not text:
        return
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise BadParameter(f"Invalid value {text} for cpuset cpus: invalid format: {text}")
    if max(int(number) for number in re.findall(r"\d+", text)) >= cores:
        available = f"0-{cores - 1}" if cores > 1 else "0"
        raise BadParameter(f"Requested CPUs are not available - requested {text}, available: {available}")


def _check(host_config: Document) -> None:
    check_restart_policy(host_config["RestartPolicy"])
    if host_config["AutoRemove"] and host_config["RestartPolicy"]["Name"] != "no":
        raise BadParameter("can't create 'AutoRemove' container with restart policy")
    check_resources(host_config)
    if (host_config["ShmSize"] or 0) < 0:
        raise BadParameter("SHM size can not be less than 0")
    score = host_config["OomScoreAdj"] or 0
    if not -1000 <= score <= 1000:
        raise BadParameter(f"Invalid value {score}, range for oom score adj is [-1000, 1000]")
    for entry in host_config["ExtraHosts"] or []:
        if not re.fullmatch(r"[^:=]+[:=].+", entry):
            raise BadParameter(f'bad format for add-host: "{entry}"')
    for mode, key in (("IPC", "IpcMode"), ("PID", "PidMode")):
        value = host_config[key]
        valid = ("", "host", "none", "private", "shareable") if mode == "IPC" else ("", "host")
        if value not in valid and not value.startswith("container:"):
            raise BadParameter(f"invalid {mode} mode: {value}")
    if host_config["Isolation"] not in ("", "default"):
        raise BadParameter(f"invalid isolation ({host_config['Isolation']}): linux only supports 'default'")
    if host_config["Runtime"] not in ("runc", "io.containerd.runc.v2"):
        raise BadParameter(f"unknown or invalid runtime name: {host_config['Runtime']}")
    log = host_config["LogConfig"]
    if log["Type"] not in ("json-file", "local", "none"):
        raise BadParameter(f'error looking up logging plugin {log["Type"]}: plugin "{log["Type"]}" not found')
    for option in log["Config"]:
        if option not in _LOG_OPTIONS:
            raise BadParameter(f"unknown log opt '{option}' for {log['Type']} log driver")
    for option in host_config["SecurityOpt"] or []:
        if option != "no-new-privileges" and not re.match(
            r"(label|apparmor|seccomp|no-new-privileges|writable-cgroups|systempaths)[=:]", option
        ):
            kind = 2 if "=" in option or ":" in option else 1
            raise Failed(f'invalid --security-opt {kind}: "{option}"')


def check_platform(platform: str, reference: str, architecture: str) -> None:
    """Raise when a platform is asked for that the image is not made for."""
    if not platform:
        return
    parts = platform.split("/")
    if len(parts) > 3 or parts[0] not in ("linux", "windows", "darwin", architecture):
        raise BadParameter(f'"{platform}": cannot parse platform specifier: invalid argument')
    wanted = platform if "/" in platform else f"linux/{architecture}"
    if wanted.split("/")[:2] != ["linux", architecture]:
        raise NotFound(
            f"image with reference {reference} was found but its platform (linux/{architecture}) "
            f"does not match the specified platform ({wanted})"
        )
