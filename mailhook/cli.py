"""The command line.

What: `main` parses the arguments and runs one command; each returns its exit status: 0 done, 1 the thing asked about
is not in order, 2 the call or the settings are wrong.

Not here: what the commands do.
"""

import argparse
import asyncio
import getpass
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from pathlib import Path

from mailhook import app, doctor, journal, supervisor
from mailhook.chosen_provider import tried
from mailhook.config import load, problems
from mailhook.drafting import add_preview, add_templates
from mailhook.errors import MailhookError, Misconfigured
from mailhook.front.auth import line as hashed_line
from mailhook.listing import add_conferences, add_pending
from mailhook.provider.sandbox import Sandbox
from mailhook.trial import trial

OK, NOT_IN_ORDER, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has seen enough; what is left of it must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"mailhook: {where}{error.strerror or error}", file=sys.stderr)
        return WRONG_CALL
    except MailhookError as error:
        print(f"mailhook: {error}", file=sys.stderr)
        return WRONG_CALL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mailhook",
        description="An SMTP relay hop that gives outgoing calendar invitations their Videomost conference.",
    )
    parser.add_argument("--version", action="version", version=f"mailhook {version('mailhook')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_daemons(commands)
    _add_password(commands)
    add_preview(commands)
    add_templates(commands)
    add_conferences(commands)
    add_pending(commands)
    return parser


def _add_daemons(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser(
        "serve",
        help="the relay",
        description=supervisor.DESCRIPTION,
    )
    supervisor.add_config(serve)
    serve.set_defaults(command=lambda options: supervisor.serve(options.config))
    check = commands.add_parser(
        "check",
        help="look for problems in the settings",
        description="Exit status 0, or 2 with all problems: key, value, and what would be right.",
    )
    supervisor.add_config(check)
    check.set_defaults(command=_check)
    trial = commands.add_parser(
        "provider-test",
        help="make, move, find and delete one conference",
        description="Tries the provider that the settings name, prints each request and answer with secrets masked, "
        "and deletes what it has made. Exit status 0, or 1 if a step failed.",
    )
    supervisor.add_config(trial)
    trial.add_argument(
        "--organizer",
        metavar="ADDRESS",
        default="",
        help="who shall own the conference (default: provider.videomost.fallback_owner, or else postmaster@ your "
        "first organizer domain)",
    )
    trial.set_defaults(command=_provider_test)
    doctor = commands.add_parser(
        "doctor",
        help="try every peer",
        description="Settings, templates, listener, next hop, provider, clock, store and disks: what is well, what is "
        "not, and what to do. Exit status 0, 1 if there is a failure, 2 if the settings cannot be used.",
    )
    supervisor.add_config(doctor)
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.set_defaults(command=_doctor)
    demo = commands.add_parser(
        "demo",
        help="try everything locally",
        description="A local Videomost, the relay, a receiving server, and a page showing each mail before and after.",
    )
    demo.add_argument(
        "--once", action="store_true", help="run through, print a table, exit (1 if anything is missing)"
    )
    demo.add_argument("--port", type=_port, default=0, metavar="N", help="of the page (default: a free one)")
    demo.set_defaults(command=_demo)
    _add_sandbox(commands)


def _add_password(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    password = commands.add_parser(
        "password",
        help="make a line of listen.passwords_file",
        description="Asks for a password, or reads it from a pipe, and prints the line that lets USER log in: "
        "mailhook password USER >> FILE.",
    )
    password.add_argument("user", metavar="USER")
    password.set_defaults(command=_password)


def _password(options: argparse.Namespace) -> int:
    if sys.stdin.isatty():
        word = getpass.getpass(f"Password for {options.user}: ")
        if word != getpass.getpass("Once more: "):
            raise Misconfigured("the two passwords differ")
    else:
        word = sys.stdin.readline().rstrip("\r\n")
    print(hashed_line(options.user, word))
    return OK


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: should be a number from 0 to 65535")
    return int(text)


def _add_sandbox(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    sandbox = commands.add_parser(
        "sandbox",
        help="the local Videomost alone",
        description="Run the local Videomost on loopback: the API of docs/videomost.md, a join page and a personal "
        "cabinet. Nothing in it is a conference.",
    )
    sandbox.add_argument(
        "--port", type=_port, default=18080, metavar="N", help="default: 18080; 0 takes a free one"
    )
    sandbox.add_argument("--state", type=Path, metavar="FILE", help="keep the conferences in this file")
    sandbox.add_argument(
        "--token-file", type=Path, metavar="FILE", help="let the API ask for the bearer token in this file"
    )
    sandbox.set_defaults(command=_sandbox)


def _check(options: argparse.Namespace) -> int:
    found = problems(options.config, tried)
    for problem in found:
        print(f"{'warning' if problem.warning else 'error'}: {problem}")
    errors = [problem for problem in found if not problem.warning]
    if not errors:
        print(f"{options.config}: no errors")
    return WRONG_CALL if errors else OK


def _provider_test(options: argparse.Namespace) -> int:
    settings = load(options.config)
    journal.setup("warning", "console")
    fallback = (
        settings.provider.videomost.fallback_owner or f"postmaster@{settings.policy.organizer_domains[0]}"
    )
    organizer = (options.organizer or fallback).lower()
    work = trial(settings, organizer, app.utc_now(), lambda line: print(line, flush=True))
    return asyncio.run(_interruptible(work))


async def _interruptible(work: Coroutine[object, object, int]) -> int:
    """A signal ends it, and what it has made is deleted; SIGINT too, which who starts us may have ignored."""
    task = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return INTERRUPTED


def _doctor(options: argparse.Namespace) -> int:
    settings = load(options.config)
    journal.setup("error", "console")

    async def run() -> int:
        found = await doctor.examine(settings, problems(options.config))
        # Before the loop ends, which may have to wait for a name service or a disk that hangs.
        _print_findings(found, as_json=options.json)
        return NOT_IN_ORDER if any(each.level is doctor.Level.FAILURE for each in found) else OK

    return asyncio.run(run())


def _print_findings(found: Sequence[doctor.Finding], *, as_json: bool) -> None:
    if as_json:
        rows = [{**vars(finding), "level": finding.level.value} for finding in found]
        print(json.dumps(rows, ensure_ascii=False, indent=2), flush=True)
    for finding in () if as_json else found:
        advice = f"\n{'':11}{finding.advice}" if finding.advice else ""
        print(f"{finding.level.value:8} {finding.subject}: {finding.sentence}{advice}", flush=True)


def _demo(options: argparse.Namespace) -> int:
    from mailhook.demo import demo  # noqa: PLC0415 - the daemon needs neither samples nor pages

    journal.setup("warning", "console")
    return asyncio.run(demo(lambda line: print(line, flush=True), once=options.once, port=options.port))


def _sandbox(options: argparse.Namespace) -> int:
    token = options.token_file.read_text(encoding="utf-8").strip() if options.token_file else ""
    if options.token_file and not re.fullmatch(r"[!-~]+", token):
        raise Misconfigured(
            f"{options.token_file} should hold the token: printable ASCII characters, without blanks"
        )

    async def run() -> None:
        sandbox = Sandbox(state=options.state, token=token)
        await sandbox.start("127.0.0.1", options.port)
        print(f"The local Videomost listens on {sandbox.url} (cabinet: {sandbox.url}/cabinet)", flush=True)
        try:
            await app.stop_signal()
        finally:
            await sandbox.stop()

    journal.setup("info", "console")
    asyncio.run(run())
    return OK


if __name__ == "__main__":
    sys.exit(main())
