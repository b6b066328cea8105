"""The forked child, from fork to execve: namespaces, user, terminal, filter. It never returns.

Everything it needs is imported before the fork: once it is in the container, our files are out of reach.
"""

from __future__ import annotations

import array
import errno
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import termios
from typing import NoReturn

from dockyard.runtime import init, libc, seccomp
from dockyard.runtime.drivers import enter
from dockyard.runtime.plan import Plan

_TIOCSWINSZ = termios.TIOCSWINSZ


def become(plan: Plan, stdio: list[int], channel: socket.socket) -> NoReturn:
    """Turns this process into the plan's program.

    Tells `channel` {"ready"} with [pty master][listener] and waits for a byte; then the channel closes by
    itself at execve, or carries {"errno", "step", "message"} of what failed.
    """
    step = "start"
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        _reset_signals()
        os.umask(0o022)
        _enter_groups(plan["cgroups"])
        step = "root"
        if plan["style"] == "namespaces" and plan["joins"] is None:
            enter.enter(plan)
        os.setsid()
        master = _terminal(plan, stdio) if plan["tty"] else None
        for number, fd in enumerate(stdio):
            os.dup2(fd, number)
        step = "limits"
        _apply_settings(plan)
        fds = [] if master is None else [master]
        # In namespaces we may do everything, until we become the user: his set-uid programs keep their sense.
        privileged = plan["style"] == "namespaces" and not plan["no_new_privileges"]
        if plan["network"] and privileged:
            step = "filter"
            # Differs: a plain user's containers have one user; chown says that it worked and changes nothing.
            fds.append(seccomp.install(privileged=True, one_user=plan["user_namespace"]))
        step = "user"
        if plan["style"] == "namespaces":
            _drop_capabilities(plan["capabilities"])
        _become_user(plan)
        step = "cwd"
        os.chdir(plan["cwd"])
        step = "filter"
        # Differs: under proot and none everything runs with no_new_privs, so set-uid programs change nothing.
        if not privileged:
            libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
            if plan["network"]:
                fds.append(seccomp.install(traced=plan["tracer"], one_user=plan["user_namespace"]))
        _report(channel, {"ready": True}, fds)
        for fd in fds:
            os.close(fd)
        if not channel.recv(1):
            os._exit(1)
        if plan["init"]:
            step = "init"
            if program := os.fork():
                init.serve(program, plan["argv"])
            if plan["tty"]:
                init.take_terminal()
        step = "exec"
        _execute(plan["argv"], plan["env"])
    except OSError as error:
        _report(channel, {"errno": error.errno or 0, "step": step, "message": error.strerror or str(error)})
    except BaseException as error:  # the child must never run on into the parent's loop
        _report(channel, {"errno": 0, "step": step, "message": f"{type(error).__name__}: {error}"})
    os._exit(127)


def _enter_groups(folders: list[str]) -> None:
    """Moves this process into its container's groups; those that aren't there it makes."""
    for folder in folders:
        while True:
            try:
                with open(f"{folder}/cgroup.procs", "w") as file:
                    file.write("0")
            except FileNotFoundError:
                os.makedirs(folder, exist_ok=True)  # once more if another runtime sweeps it meanwhile
                continue
            break


def _report(channel: socket.socket, message: dict[str, object], fds: list[int] | None = None) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    channel.sendmsg([json.dumps(message).encode()], rights)


def _reset_signals() -> None:
    for number in (
        signal.SIGPIPE,
        signal.SIGCHLD,
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGXFSZ,
    ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _terminal(plan: Plan, stdio: list[int]) -> int:
    """Opens a pseudo-terminal of the container's own /dev/pts, so that its name is right inside."""
    master, slave = os.openpty()
    rows, columns = plan["size"]
    fcntl.ioctl(master, _TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    try:
        os.fchown(slave, plan["uid"], -1)
    except OSError:
        pass  # a user namespace without that uid: the terminal keeps its owner
    stdio[:] = [slave, slave, slave]
    return master


def _apply_settings(plan: Plan) -> None:
    if plan["cores"]:
        os.sched_setaffinity(0, plan["cores"])
    if plan["oom_score_adj"]:
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(str(plan["oom_score_adj"]))
        except PermissionError:
            pass  # Differs: under a plain user oom_score_adj below his own is ignored.
    for number, soft, hard in plan["rlimits"]:
        resource.setrlimit(number, (soft, hard))


def _drop_capabilities(kept: list[int]) -> None:
    for capability in range(64):
        if capability not in kept:
            try:
                libc.prctl(libc.PR_CAPBSET_DROP, capability)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return  # past the last one that this kernel knows
                raise


def _become_user(plan: Plan) -> None:
    if plan["user_namespace"] or os.geteuid() != 0:
        return  # one uid is mapped (or faked by the wrapper), and it is ours already
    os.setgroups(plan["groups"])
    os.setresgid(plan["gid"], plan["gid"], plan["gid"])
    os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    # A change of user clears it.
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)


def _execute(argv: list[str], env: dict[str, str]) -> None:
    if "/" in argv[0]:
        if os.path.isdir(argv[0]):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))  # the kernel says EACCES only
        os.execve(argv[0], argv, env)
    last = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in env.get("PATH", "").split(":"):
        try:
            os.execve(f"{folder or '.'}/{argv[0]}", argv, env)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                last = error
    raise last


def join(plan: Plan, pidfd: int, stdio: list[int], channel: socket.socket) -> NoReturn:
    """Enters the namespaces of a running container and starts the plan's program there.

    A pid namespace holds only later children, so a sibling of this process becomes the program; its pid goes
    to `channel` first.
    """
    try:
        _enter_groups(plan["cgroups"])
        plan["cgroups"] = []
        libc.setns(pidfd, enter.KINDS | (libc.CLONE_NEWUSER if plan["user_namespace"] else 0))
        pid = libc.clone(libc.CLONE_PARENT)
    except OSError as error:
        _report(channel, {"errno": error.errno or 0, "step": "join", "message": error.strerror or str(error)})
        os._exit(127)
    if pid == 0:
        become(plan, stdio, channel)
    _report(channel, {"pid": pid})
    os._exit(0)
