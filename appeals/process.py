"""The process of the service: its open files, and its end with its parent process."""

import multiprocessing
import os
import resource
import signal
import time
from contextlib import suppress
from threading import Thread

RESERVED_FILES = 256
"""Open files that are reserved for the database, the log and everything else that is not a client connection."""
GRACE_S = 15
"""Seconds that a process may take to end."""


def raise_file_limit() -> None:
    """Allow this process, and those it starts, as many open files as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where "no limit" cannot be set
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def files_for_connections() -> int:
    """Return how many client connections this process may have, by its limit of open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(files - RESERVED_FILES, files // 2)


def end_with_parent() -> None:
    """Make a worker end when its parent process has ended, even if that was killed.

    Otherwise it would keep the port, and serve beside the workers that are started next.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent,), name="end with parent", daemon=True).start()


def _end_after(parent: "multiprocessing.process.BaseProcess") -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
