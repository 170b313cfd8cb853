"""The commands that list and change conferences: `conferences` and `pending`.

What: their arguments, and what they print: lines for people, or JSON.

Not here: what a row holds (`admin`), deciding (`core`).

Errors: what the store raises; the exit status is 1 when nothing fits a name.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from mailhook import admin, app, chosen_provider, journal, own_copies
from mailhook.config import Settings, load
from mailhook.core.conference import State
from mailhook.core.meeting import Meeting
from mailhook.flight import Flight
from mailhook.ports import Store
from mailhook.store.file import Access
from mailhook.sync import Sync

OK, NOT_IN_ORDER, WRONG_CALL = 0, 1, 2


def _listed(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, command: object
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the settings (TOML)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=command)
    return parser


def add_conferences(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("conferences", help="list, show and delete conferences")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _listed(
        actions,
        "list",
        "all conferences: state, next occurrence, holders, doubts, rules not followed",
        _conferences_list,
    )
    show = _listed(actions, "show", "all that is known of a conference", _conferences_show)
    show.add_argument("--links", action="store_true", help="show the join link too")
    delete = _listed(actions, "delete", "delete a conference at the provider, now", _conferences_delete)
    for each in (show, delete):
        each.add_argument(
            "name", metavar="NAME", help="UID of the event, conference id, or organizer's address"
        )


def add_pending(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("pending", help="list and retry what is not yet as desired")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _listed(actions, "list", "what is not yet as desired, why, and when it is tried again", _pending_list)
    retry = _listed(actions, "retry", "let the running mailhook try again now", _pending_retry)
    retry.add_argument("name", metavar="NAME", nargs="?", default="", help="default: all")
    forget = _listed(
        actions, "forget", "list no more what the provider cannot find, once you have looked", _pending_forget
    )
    forget.add_argument("name", metavar="NAME", help="UID of the event, or organizer's address")


def _with_store(
    options: argparse.Namespace, act: Callable[[Settings, Store], Awaitable[int]], access: Access
) -> int:
    """Never makes a file or migrates one: who runs a command may be another user than mailhook's."""
    settings = load(options.config)
    journal.setup("warning", "console")

    async def run() -> int:
        async with AsyncExitStack() as stack:
            store = await app.open_store(settings, app.utc_now, stack, access)
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
    if isinstance(value, str) and value.isprintable() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _conferences_list(options: argparse.Namespace) -> int:
    async def act(settings: Settings, store: Store) -> int:
        now = app.utc_now()
        rows = [admin.overview(meeting, settings.policy, now) for meeting in await store.all()]
        _print(rows, as_json=options.json, empty="no conferences")
        return OK

    return _with_store(options, act, "look")


def _conferences_show(options: argparse.Namespace) -> int:
    async def act(settings: Settings, store: Store) -> int:
        meetings = await _found(store, options.name)
        now, kinds = app.utc_now(), own_copies.copy_kinds(settings)
        rows = [admin.everything(m, settings.policy, now, links=options.links, kinds=kinds) for m in meetings]
        if options.json:
            _print(rows, as_json=True, empty="")
        for row in () if options.json else rows:
            print("\n".join(f"{name:14} {_cell(value)}" for name, value in row.items()) + "\n")
        return OK if meetings else NOT_IN_ORDER

    return _with_store(options, act, "look")


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
            if after.link is not None or after.conference.state is State.ENDING:
                print(f"mailhook: not deleted yet, will be tried again: {after.error}", file=sys.stderr)
                return NOT_IN_ORDER
        return OK if meetings else NOT_IN_ORDER

    return _with_store(options, act, "change")


async def _bring(settings: Settings, store: Store, meeting: Meeting) -> None:
    """Do at once what the relay's worker would do within a second."""
    async with AsyncExitStack() as stack:
        secret = await store.secret()
        provider = chosen_provider.make_provider(settings, None, stack, secret)
        flight = Flight(store, provider, secret, settings.policy)
        sync = Sync(store, provider, flight, secret, settings.policy, settings.store.keep, app.utc_now)
        await sync.bring(meeting.key)


def _pending_list(options: argparse.Namespace) -> int:
    async def act(_: Settings, store: Store) -> int:
        now = app.utc_now()
        rows = [admin.pending(meeting) for meeting in await store.all() if admin.is_pending(meeting, now)]
        _print(rows, as_json=options.json, empty="nothing is pending")
        return OK

    return _with_store(options, act, "look")


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

    return _with_store(options, act, "change")


def _pending_forget(options: argparse.Namespace) -> int:
    async def act(settings: Settings, store: Store) -> int:
        meetings = await _found(store, options.name)
        for meeting in meetings:
            await admin.forget(store, meeting.key, settings.policy)
        now = app.utc_now()
        left = [admin.pending(m) for m in await store.all() if admin.is_pending(m, now)]
        _print(left, as_json=options.json, empty="nothing is pending")
        return OK if meetings else NOT_IN_ORDER

    return _with_store(options, act, "change")
