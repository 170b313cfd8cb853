"""The long form of the kill test, with a Postfix of its own, as root:

    nice python -m tests.crash --kills 300 --workers 1 2

Half of the kills come at each step in turn, half at random; of a worker, of the supervisor, and of both. It prints what
it has done, and fails when a mail is lost or not as it should be, or a conference is missing or left over.
"""

import argparse
import asyncio
import io
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import islice
from pathlib import Path

from tests.crash.kills import VICTIMS, Kill, run, steps
from tests.peers import postfix


def _endless(dice: random.Random) -> Iterator[Kill]:
    while True:
        for kill in steps(dice):
            yield kill
            step, most = dice.choice([("moment", 1500), ("any", 150)])
            yield Kill(dice.choice(VICTIMS), step, dice.randint(1, most))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash",
        description="Kill mailhook between two Postfix queues, and count every mail.",
    )
    parser.add_argument(
        "--kills", type=int, default=300, metavar="N", help="for each number of workers (300)"
    )
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="one run each (1 2)"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="to repeat a run")
    options = parser.parse_args()
    if reason := postfix.missing():
        print(f"tests.crash {reason}", file=sys.stderr)
        return 2
    print(f"--seed {options.seed}", flush=True)
    for workers in options.workers:
        kills = list(islice(_endless(random.Random(options.seed)), options.kills))
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()) as told:
            try:
                asyncio.run(run(Path(folder), kills, workers, _tell))
            except BaseException:
                print(told.getvalue(), file=sys.stderr)
                raise
    return 0


def _tell(line: str) -> None:
    """What a site prints is of use when it fails only."""
    print(line, file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    sys.exit(main())
