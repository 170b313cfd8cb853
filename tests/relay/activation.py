"""What systemd does to start a service with its sockets (sd_listen_fds(3)).

python -m tests.relay.activation NAME:DESCRIPTOR[,…] COMMAND …
"""

import os
import sys

FIRST = 3


def main(sockets: str, *command: str) -> None:
    names, numbers = zip(*(each.split(":") for each in sockets.split(",")), strict=True)
    kept = [os.dup(int(number)) for number in numbers]
    for place, file in enumerate(kept, FIRST):
        os.dup2(file, place)
        os.set_inheritable(place, True)
    own = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(kept)), "LISTEN_FDNAMES": ":".join(names)}
    os.execve(command[0], command, os.environ | own)


if __name__ == "__main__":
    main(*sys.argv[1:])
