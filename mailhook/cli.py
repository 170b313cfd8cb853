"""The command line.

What: `main` parses the arguments and runs one command; each returns its exit status: 0 done, 1 the thing asked about
is not in order, 2 the call or the settings are wrong.

Not here: what the commands do.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path

from mailhook import admin, app, journal
from mailhook.config import PolicySettings, Provider, Settings, load, problems
from mailhook.core.conference import State
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.policy import domain
from mailhook.errors import MailhookError
from mailhook.flight import Flight
from mailhook.ports import Store
from mailhook.preview import differences, envelope_of, preview, read
from mailhook.provider.sandbox import Sandbox
from mailhook.sync import Sync

OK, NOT_IN_ORDER, WRONG_CALL = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has seen enough; what is left of it must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (MailhookError, OSError) as error:
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
    _add_preview(commands)
    _add_conferences(commands)
    _add_pending(commands)
    return parser


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the settings (TOML)")


def _add_daemons(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser("serve", help="the relay", description="Run the relay until SIGTERM.")
    _config(serve)
    serve.set_defaults(command=_serve)
    check = commands.add_parser(
        "check",
        help="look for problems in the settings",
        description="Exit status 0, or 2 with all problems: key, value, and what would be right.",
    )
    _config(check)
    check.set_defaults(command=_check)
    demo = commands.add_parser(
        "demo",
        help="try everything locally",
        description="A local Videomost, the relay, a receiving server, and a page showing each mail before and after.",
    )
    demo.add_argument(
        "--once", action="store_true", help="run through, print a table, exit (1 if anything is missing)"
    )
    demo.add_argument("--port", type=int, default=0, metavar="N", help="of the page (default: a free one)")
    demo.set_defaults(command=_demo)
    sandbox = commands.add_parser(
        "sandbox", help="the local Videomost alone", description="Run the local Videomost."
    )
    sandbox.add_argument(
        "--port", type=int, default=18080, metavar="N", help="default: 18080; 0 takes a free one"
    )
    sandbox.add_argument("--state", type=Path, metavar="FILE", help="keep the conferences in this file")
    sandbox.set_defaults(command=_sandbox)


def _add_preview(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "preview",
        help="what would be done with a message",
        description="Decision, reason and difference for one message, as for a meeting that is not known yet. "
        "No side effects. Without --config the organizer's domain counts as yours.",
    )
    parser.add_argument("file", metavar="FILE.eml", type=Path)
    parser.add_argument("--config", metavar="FILE", type=Path, help="the settings (TOML)")
    parser.add_argument(
        "--output", metavar="NEW.eml", type=Path, help="write the message as it would be relayed"
    )
    parser.set_defaults(command=_preview)


def _listed(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, command: object
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    _config(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=command)
    return parser


def _add_conferences(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("conferences", help="list, show and delete conferences")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _listed(actions, "list", "all conferences: state, next occurrence, holders, doubts", _conferences_list)
    show = _listed(actions, "show", "all that is known of a conference", _conferences_show)
    show.add_argument("--links", action="store_true", help="show the join link too")
    delete = _listed(actions, "delete", "delete a conference at the provider, now", _conferences_delete)
    for each in (show, delete):
        each.add_argument(
            "name", metavar="NAME", help="UID of the event, conference id, or organizer's address"
        )


def _add_pending(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("pending", help="list and retry what is not yet as desired")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _listed(actions, "list", "what is not yet as desired, why, and when it is tried again", _pending_list)
    retry = _listed(actions, "retry", "let the running mailhook try again now", _pending_retry)
    retry.add_argument("name", metavar="NAME", nargs="?", default="", help="default: all")


# --- commands ------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    settings = load(options.config)
    journal.setup(settings.log.level, settings.log.format)
    for problem in problems(options.config):
        journal.event("setting", key=problem.key, error=problem.message)
    asyncio.run(app.serve(settings))
    return OK


def _check(options: argparse.Namespace) -> int:
    found = problems(options.config)
    for problem in found:
        print(f"{'warning' if problem.warning else 'error'}: {problem}")
    errors = [problem for problem in found if not problem.warning]
    if not errors:
        app.make_wording(load(options.config))
        print(f"{options.config}: no errors")
    return WRONG_CALL if errors else OK


def _demo(options: argparse.Namespace) -> int:
    from mailhook.demo import demo  # noqa: PLC0415 - the daemon needs neither samples nor pages

    journal.setup("warning", "console")
    return asyncio.run(demo(lambda line: print(line, flush=True), once=options.once, port=options.port))


def _sandbox(options: argparse.Namespace) -> int:
    async def run() -> None:
        sandbox = Sandbox(state=options.state)
        await sandbox.start("127.0.0.1", options.port)
        print(f"The local Videomost listens on {sandbox.url}", flush=True)
        try:
            await app.stop_signal()
        finally:
            await sandbox.stop()

    journal.setup("info", "console")
    asyncio.run(run())
    return OK


def _preview(options: argparse.Namespace) -> int:
    raw = options.file.read_bytes()
    settings = load(options.config) if options.config else _settings_for(raw)
    base = settings.provider.videomost.base_url or "https://videomost.example"
    shown = preview(raw, settings.policy, app.make_writer(settings), base, app.utc_now())
    print(f"decision: {shown.decision}\nreason:   {shown.reason}")
    if shown.invitation:
        print(f"meeting:  {shown.invitation.key.uid} of {shown.invitation.key.organizer}")
    if shown.places:
        print(f"places:   {', '.join(shown.places)}")
    for line in differences(raw, shown.content):
        print(line)
    if options.output:
        options.output.write_bytes(shown.content)
    return OK


def _settings_for(raw: bytes) -> Settings:
    """The defaults, with the organizer's domain as ours and the sender trusted."""
    bare = Settings(provider=Provider(kind="videomost"))
    try:
        parsed, invitation = read(raw, bare.policy)
    except MailhookError:
        return bare
    if not isinstance(invitation, Invitation):
        return bare
    rules = PolicySettings(
        organizer_domains=(domain(invitation.key.organizer),),
        trusted_senders=tuple(filter(None, (envelope_of(parsed).sender,))),
    )
    return Settings(provider=bare.provider, policy=rules)


def _with_store(options: argparse.Namespace, act: Callable[[Settings, Store], Awaitable[int]]) -> int:
    settings = load(options.config)
    journal.setup("warning", "console")

    async def run() -> int:
        async with AsyncExitStack() as stack:
            store = await app.open_store(settings, app.utc_now, stack)
            return await act(settings, store)

    return asyncio.run(run())


def _print(rows: Sequence[admin.Row], *, as_json: bool, empty: str) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    elif not rows:
        print(empty)
    else:
        for row in rows:
            print(
                "  ".join(f"{name}={_cell(value)}" for name, value in row.items() if value not in (None, []))
            )


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() and " " not in text else json.dumps(text, ensure_ascii=False)


def _conferences_list(options: argparse.Namespace) -> int:
    async def act(settings: Settings, store: Store) -> int:
        now = app.utc_now()
        rows = [admin.overview(meeting, settings.policy, now) for meeting in await store.all()]
        _print(rows, as_json=options.json, empty="no conferences")
        return OK

    return _with_store(options, act)


def _conferences_show(options: argparse.Namespace) -> int:
    async def act(settings: Settings, store: Store) -> int:
        meetings = await _found(store, options.name)
        rows = [admin.everything(m, settings.policy, app.utc_now(), links=options.links) for m in meetings]
        if options.json:
            _print(rows, as_json=True, empty="")
        for row in () if options.json else rows:
            print("\n".join(f"{name:14} {_cell(value)}" for name, value in row.items()) + "\n")
        return OK if meetings else NOT_IN_ORDER

    return _with_store(options, act)


async def _found(store: Store, name: str) -> list[Meeting]:
    meetings = await admin.matching(store, name)
    if not meetings:
        print(
            f"mailhook: no conference is known by {name!r}; try 'mailhook conferences list'", file=sys.stderr
        )
    return meetings


def _conferences_delete(options: argparse.Namespace) -> int:
    async def act(settings: Settings, store: Store) -> int:
        meetings = await _found(store, options.name)
        if len(meetings) > 1:
            print(
                f"mailhook: {options.name!r} names {len(meetings)} conferences; give a UID", file=sys.stderr
            )
            return WRONG_CALL
        for meeting in meetings:
            await admin.remove(store, meeting.key, settings.policy)
            await _bring(settings, store, meeting)
            after = await store.get(meeting.key) or meeting
            _print([admin.overview(after, settings.policy, app.utc_now())], as_json=options.json, empty="")
            if after.conference.state is State.ENDING:
                print(f"mailhook: not deleted yet, will be tried again: {after.error}", file=sys.stderr)
                return NOT_IN_ORDER
        return OK if meetings else NOT_IN_ORDER

    return _with_store(options, act)


async def _bring(settings: Settings, store: Store, meeting: Meeting) -> None:
    """Do at once what the relay's worker would do within a second."""
    async with AsyncExitStack() as stack:
        provider = app.make_provider(settings, None, stack)
        secret = await store.secret()
        flight = Flight(store, provider, secret, settings.policy)
        sync = Sync(store, provider, flight, secret, settings.policy, settings.store.keep, app.utc_now)
        await sync.bring(meeting.key)


def _pending_list(options: argparse.Namespace) -> int:
    async def act(_: Settings, store: Store) -> int:
        now = app.utc_now()
        rows = [admin.pending(meeting) for meeting in await store.all() if admin.is_pending(meeting, now)]
        _print(rows, as_json=options.json, empty="nothing is pending")
        return OK

    return _with_store(options, act)


def _pending_retry(options: argparse.Namespace) -> int:
    async def act(settings: Settings, store: Store) -> int:
        now = app.utc_now()
        chosen = await _found(store, options.name) if options.name else await store.all()
        waiting = [meeting for meeting in chosen if admin.is_pending(meeting, now)]
        for meeting in waiting:
            await admin.retry(store, meeting.key, settings.policy)
        _print(
            [admin.pending(meeting) for meeting in waiting], as_json=options.json, empty="nothing is pending"
        )
        return OK

    return _with_store(options, act)


if __name__ == "__main__":
    sys.exit(main())
