"""Videomost over HTTP: `Provider` by a transport that is data, by default the contract of docs/videomost.md.

What: each of the port's functions is one request (two where the fallback owner is needed, or where a create must look
first), whose form and whose answers' meaning stand in the transport. Every answer is looked at before it is believed.

Not here: HTTP (session); forms, answers, presets (`transport`); retries and the deadline of a waiting mail (flight);
the circuit breaker (guard); the server side (sandbox).

Errors: Temporary, Permanent, Gone, Misconfigured; none of their texts holds a token, a join link, an id of a
conference or anything else that the server wrote, but for its error code.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import assert_never
from urllib.parse import urlsplit

from mailhook.core.conference import Found, JoinDetails, Person, Spec, usable
from mailhook.core.templates import Tree
from mailhook.errors import Gone, Impossible, MailhookError, Misconfigured, Permanent, Temporary, Unusable
from mailhook.provider.route import Route
from mailhook.provider.session import Session, Witness
from mailhook.transport.answers import Judgement, Meaning, Reader, Reply, judged
from mailhook.transport.presets import transport as transport_of
from mailhook.transport.requests import Form, described, keyed, login_values
from mailhook.transport.shape import OPERATIONS, Transport

MODE = "discussion"
NOBODYS = "0" * 32
"""A key of the right form that no conference has."""


class Videomost:
    """Client of one server.

    `base_url` is http(s), without credentials; `link_hosts` are the hosts that a join link may name (default: the
    host of `base_url`); `fallback_owner` is the address that owns the rooms of organizers without an account
    (empty: such a room is refused); `timeout` bounds one call, in seconds; `mode` is what the variable of that name
    says; `secret` keys the passcodes of our own choosing; `witness` sees every exchange.

    Raises Misconfigured for settings that cannot be used.
    """

    TIMEOUT = 15.0

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        base_url: str,
        *,
        token: str = "",
        link_hosts: tuple[str, ...] = (),
        fallback_owner: str = "",
        kind: str = "videomost",
        timeout: float = TIMEOUT,
        transport: Transport | None = None,
        mode: str = MODE,
        secret: bytes = b"",
        route: Route = Route(),  # noqa: B008 - frozen
        witness: Witness | None = None,
    ) -> None:
        base = _checked_base(base_url)
        if not re.fullmatch(r"[!-~]*", token):
            raise Misconfigured(
                "the token for Videomost may hold only printable ASCII characters without blanks"
            )
        transport = transport or transport_of("default", {})
        auth = transport.auth
        self._identity = f"{kind} {base}"
        self._can = transport.capabilities
        self._fallback_owner = fallback_owner
        self._timeout = timeout
        self._secret = secret
        self._participant = Tree(transport.participant)
        self._values: Mapping[str, object] = {
            **login_values(auth.username, auth.password, token),
            "base_url": base,
            "mode": mode,
        }
        self._forms = {
            name: Form(f"operations.{name}", getattr(transport.operations, name)) for name in OPERATIONS
        }
        hosts = frozenset(host.lower() for host in link_hosts) or frozenset({urlsplit(base).hostname or ""})
        self._reader = Reader(transport.answer, self._values, hosts)
        self._session = Session(base, auth, token, timeout, route, witness)

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def chooses_id(self) -> bool:
        return self._can.chooses_id

    @property
    def finds(self) -> bool:
        return self._has("find")

    async def create(self, spec: Spec, key: str) -> JoinDetails:
        """Permanent also when the room of this key was deleted: its link never works again."""
        if not self._can.chooses_id or self._can.repeats_create:
            return await self._created(spec, key)
        # The provider refuses an id that it knows: what is there is made to be what is asked for.
        if room := usable(await self.find(key)):
            return await self._overtaken(room, spec)
        try:
            return await self._created(spec, key)
        except Permanent as refusal:
            if room := usable(await self.find(key)):
                return await self._overtaken(room, spec)
            raise refusal from None

    async def _created(self, spec: Spec, key: str) -> JoinDetails:
        reply, judgement = await self._described("create", spec, keyed(key, self._secret))
        match judgement.meaning:
            case Meaning.SUCCESS:
                return self._details("create", reply, key)
            case Meaning.GONE:
                raise Permanent(self._sentence("create", "the conference of this key was deleted before"))
            case _:
                raise self._refusal("create", judgement)

    async def _overtaken(self, room: JoinDetails, spec: Spec) -> JoinDetails:
        if self._has("update") and self._can.updates_keep_link:
            await self.update(room.conference_id, spec)
        return room

    async def update(self, conference_id: str, spec: Spec) -> None:
        if not self._has("update") or not self._can.updates_keep_link:
            raise Impossible(
                self._sentence("update", "this API cannot change a conference and keep its link")
            )
        reply, judgement = await self._described("update", spec, self._named(conference_id))
        if judgement.meaning is Meaning.GONE:
            raise Gone(self._sentence("update", "the conference no longer exists"))
        self._require("update", judgement)
        self._require_about("update", reply, conference_id)

    async def delete(self, conference_id: str) -> None:
        if not self._has("delete"):
            raise Impossible(
                self._sentence("delete", "this API cannot delete: somebody has to do it by hand")
            )
        reply, judgement = await self._call("delete", self._named(conference_id))
        if judgement.meaning is not Meaning.GONE:
            self._require("delete", judgement)
            self._require_about("delete", reply, conference_id)

    async def find(self, key: str) -> tuple[Found, ...]:
        """The rooms that bear `key` and stand."""
        if not self._has("find"):
            raise Impossible(self._sentence("find", "this API cannot find a conference"))
        values = keyed(key, self._secret)
        reply, judgement = await self._call("find", values)
        if judgement.meaning is Meaning.GONE:
            return ()
        self._require("find", judgement)
        try:
            return self._reader.bearing(reply, values, key, own_id=self._own(key))
        except Unusable as error:
            raise Unusable(self._sentence("find", str(error))) from None

    async def ping(self) -> None:
        """By what there is for it; Impossible if the server is there, but nothing can be asked without a conference."""
        if self._has("ping"):
            _, judgement = await self._call("ping", {})
            self._require("ping", judgement)
        elif self._session.logs_in:
            async with self._limits("login"):
                await self._session.log_in("login")
        elif self._has("find"):
            await self.find(NOBODYS)
        else:
            async with self._limits("ping"):
                await self._session.reach()
            why = "there is no operations.ping, no login and no operations.find to ask with"
            raise Impossible(self._sentence("ping", why))

    async def close(self) -> None:
        await self._session.close()

    # --- one call --------------------------------------------------------------------------------------

    def _has(self, operation: str) -> bool:
        return bool(self._forms[operation].operation.method)

    def _own(self, key: str) -> str:
        return key if self._can.chooses_id else ""

    def _named(self, conference_id: str) -> dict[str, object]:
        """The variables that name a room which stands."""
        own = keyed(conference_id, self._secret) if self._can.chooses_id else {}
        return {**own, "id": conference_id}

    async def _described(
        self, operation: str, spec: Spec, named: Mapping[str, object]
    ) -> tuple[Reply, Judgement]:
        """The answer to a call that says what the room should be; by another owner if the first is unknown."""
        async with self._limits(operation):
            reply, judgement = await self._asked(operation, {**described(spec, self._participant), **named})
            if judgement.meaning is Meaning.UNKNOWN_OWNER and self._fallback_owner:
                other = described(self._for_fallback_owner(spec), self._participant)
                reply, judgement = await self._asked(operation, {**other, **named})
        return reply, judgement

    async def _call(self, operation: str, named: Mapping[str, object]) -> tuple[Reply, Judgement]:
        async with self._limits(operation):
            return await self._asked(operation, named)

    @asynccontextmanager
    async def _limits(self, operation: str) -> AsyncIterator[None]:
        """One time for all that a call takes: httpx's own counts anew with every byte."""
        with self._session.failures(operation):
            async with asyncio.timeout(self._timeout):
                yield

    async def _asked(self, operation: str, named: Mapping[str, object]) -> tuple[Reply, Judgement]:
        form = self._forms[operation]
        reply = await self._session.exchange(operation, form.request({**self._values, **named}))
        return reply, judged(form.operation, reply, self._reader.code(reply))

    def _for_fallback_owner(self, spec: Spec) -> Spec:
        others = tuple(p for p in spec.participants if p.address != spec.owner.address)
        return replace(spec, owner=Person(self._fallback_owner), participants=(spec.owner, *others))

    # --- what an answer means ----------------------------------------------------------------------------

    def _details(self, operation: str, reply: Reply, key: str) -> JoinDetails:
        """The room in a success; Unusable if it is not about this key, or bears no link that we may send out."""
        try:
            return self._reader.details(reply, keyed(key, self._secret), own_id=self._own(key))
        except Unusable as error:
            raise Unusable(self._sentence(operation, str(error))) from None

    def _require(self, operation: str, judgement: Judgement) -> None:
        if judgement.meaning is not Meaning.SUCCESS:
            raise self._refusal(operation, judgement)

    def _require_about(self, operation: str, reply: Reply, conference_id: str) -> None:
        if not self._reader.is_about(reply, conference_id):
            raise Unusable(self._sentence(operation, "the answer is about another conference"))

    def _refusal(self, operation: str, judgement: Judgement) -> MailhookError:
        """The error for an answer that is no success."""
        sentence = self._sentence(operation, judgement.why)
        match judgement.meaning:
            case Meaning.MISCONFIGURED:
                return Misconfigured(sentence)
            case Meaning.TEMPORARY | Meaning.SUCCESS:
                return Temporary(sentence)
            case Meaning.PERMANENT | Meaning.GONE | Meaning.UNKNOWN_OWNER:
                return Permanent(sentence)
            case _:
                assert_never(judgement.meaning)

    def _sentence(self, operation: str, what: str) -> str:
        return self._session.sentence(operation, what)


def _checked_base(base_url: str) -> str:
    """`base_url` without a final slash."""
    try:
        parts, port = urlsplit(base_url), urlsplit(base_url).port
    except ValueError:
        raise Misconfigured("base_url of Videomost is not a URL") from None
    named = bool(parts.hostname) and not re.search(r"[^!-~]", base_url)
    plain = not (parts.query or parts.fragment or "@" in parts.netloc) and port != 0
    if parts.scheme not in ("http", "https") or not named or not plain:
        raise Misconfigured("base_url of Videomost must be http(s)://host[:port][/path], without credentials")
    return base_url.rstrip("/")
