"""A process of the service and what the operating system gives it: open files, and a parent to end with."""

import multiprocessing
import os
import resource
import signal
import time
from contextlib import suppress
from threading import Thread

RESERVED_FILES = 256
"""Open files that are kept for the database, the log and all else that is no connection of a client."""
GRACE_S = 15
"""How long a process that was asked to end may take for it."""


def raise_file_limit() -> None:
    """Let this process, and those it starts, have as many files open as the system allows at all."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where "no limit" is no number that can be set
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def files_for_connections() -> int:
    """How many connections of clients this process may have open, by the files it may."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(files - RESERVED_FILES, files // 2)


def end_with_parent() -> None:
    """Have a worker end when the process that started it has ended, even if it was killed.

    It would keep the port, and serve what it was started with, beside those that are started next.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent,), name="end with parent", daemon=True).start()


def _end_after(parent: "multiprocessing.process.BaseProcess") -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
