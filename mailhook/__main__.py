"""The program: `mailhook`, or python -m mailhook.

What: `main` runs the command line; of `serve`, whose process lives for months beside its workers, no more than it needs
is imported.

Not here: the commands (`cli`, `supervisor`).
"""

import sys

from mailhook import supervisor


def main() -> int:
    """Run one command; the exit status."""
    if sys.argv[1:2] == ["serve"]:
        return supervisor.main(sys.argv[2:])
    from mailhook import cli  # noqa: PLC0415 - see above

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
