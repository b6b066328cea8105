"""The supervisor's worker: one process that answers the socket calls of every sandbox.

What the parent (runtime/parent*.py) does for it:

- fork it (or run `python -m dockyard.runtime.supervisor TABLES PARENT JOURNAL`) and call
  `main(tables_fd, parent_fd, journal_fd)`, which returns only when `parent_fd` reaches its end. The worker asks for
  PDEATHSIG itself. When it dies, start another with the same three kinds of descriptor.
- `tables_fd`: one end of a SOCK_SEQPACKET pair whose other end the daemon's `Network` holds. The parent makes the pair
  once, keeps the worker's end open, and every worker inherits that same end.
- `parent_fd`: one end of a SOCK_SEQPACKET pair, a new one for every worker. JSON messages in datagrams:
    parent -> worker  {"listener": KEY, "sandbox": ID}       with the listener's descriptor (SCM_RIGHTS); KEY: any int,
                                                             unique while the parent lives. `"root": PATH` is added when
                                                             the driver translates paths by ptrace (proot)
    worker -> parent  {"memory": PID}                        open /proc/PID/mem for reading and writing, please
    parent -> worker  {"memory": PID}                        with the descriptor, or {"memory": PID, "errno": N}.
                                                             Needed under yama's scope 1: only an ancestor may open it
  After a restart the parent sends every listener again, before anything else. It keeps its own copy of each listener
  until poll() shows POLLHUP on it (no process uses the filter any more); the worker drops its copy by itself.
- `journal_fd`: a memfd of at least 4096 bytes that all workers inherit: the call in progress, so that the next worker
  can answer what a killed one had taken.
"""
