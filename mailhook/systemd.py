"""What systemd and a service say to each other: sockets that are handed over, and how far the service is.

What: `inherited` takes the sockets of socket activation (sd_listen_fds(3)); `notify` tells the state of the service
(sd_notify(3)). Both do nothing where nobody is there to talk to.

Not here: what the sockets are for (`supervisor`).

Errors: none; a manager that does not listen is not missed.
"""

import os
import socket
from contextlib import suppress
from time import CLOCK_MONOTONIC, clock_gettime_ns

FIRST_FILE = 3


def inherited() -> list[tuple[str, socket.socket]]:
    """The listening sockets that this process was started with, each with its FileDescriptorName; asked for once."""
    who, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if who != str(os.getpid()) or not count.isdecimal():
        return []
    found: list[tuple[str, socket.socket]] = []
    for index in range(int(count)):
        os.set_inheritable(FIRST_FILE + index, False)
        name = names[index] if index < len(names) else ""
        found.append((name, socket.socket(fileno=FIRST_FILE + index)))
    return found


def notify(*lines: str) -> None:
    """Tell the manager `lines`, such as READY=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        sender.send("\n".join(lines).encode())


def reloading() -> None:
    """Told before the settings are read anew; READY=1 ends it (Type=notify-reload asks for the moment)."""
    notify("RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")
