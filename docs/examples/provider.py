"""An external provider for mailhook: provider.kind = "external", provider.external.file = "/etc/mailhook/provider.py".

This one speaks the default contract of docs/videomost.md, so that it can be tried against `mailhook sandbox`; put your
own API in its place. The settings that it wants:

    [provider.external]
    file = "/etc/mailhook/provider.py"
    link_hosts = ["videomost.example.org"]
    [provider.external.options]
    base_url = "https://videomost.example.org"
    token = "..."

Raise `Temporary` for what may work later, `Permanent` for what never will for this conference, `Gone` when update meets
a conference that is not there any more, `Misconfigured` for what an administrator has to change. Anything else that
comes out of a function counts as Temporary, with its class in the log. Never block: no `time.sleep`, no `requests`.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import httpx

from mailhook.core.conference import JoinDetails, Person, Spec
from mailhook.errors import Gone, Misconfigured, Permanent, Temporary

Options = Mapping[str, object]

CHOOSES_ID = True
"""The id of a conference is mailhook's key: to create again with the same key makes no second one."""

LARGEST = 1024 * 1024

# One client for all calls: making one reads all certificate authorities, and holds up mail meanwhile.
CLIENT = httpx.AsyncClient(trust_env=False)


def identity(options: Options) -> str:
    """Names the server. Conferences that were made under another name are neither used nor changed."""
    return str(options["base_url"])


async def create(options: Options, spec: Spec, key: str) -> JoinDetails:
    answer = await _ask(options, "PUT", f"conferences/{key}", spec)
    return _details(answer)


async def update(options: Options, conference_id: str, spec: Spec) -> None:
    try:
        await _ask(options, "PATCH", f"conferences/{conference_id}", spec)
    except FileNotFoundError:
        raise Gone("the conference no longer exists") from None


async def delete(options: Options, conference_id: str) -> None:
    """A conference that is not there any more is success."""
    with suppress(FileNotFoundError):
        await _ask(options, "DELETE", f"conferences/{conference_id}")


async def find(options: Options, key: str) -> Sequence[JoinDetails]:
    """Every conference that stands and bears this key: what is found may be deleted.

    Without CHOOSES_ID it returns pairs: the text at the server in which the key stands, and the details.
    """
    try:
        return [_details(await _ask(options, "GET", f"conferences/{key}"))]
    except FileNotFoundError:
        return []


async def ping(options: Options) -> None:
    await _ask(options, "GET", "ping")


async def close(_: Options) -> None:
    """Called when mailhook stops; may be left out."""
    await CLIENT.aclose()


async def _ask(options: Options, method: str, path: str, spec: Spec | None = None) -> dict[str, object]:
    """The answer's JSON object. FileNotFoundError: the API says that there is no such conference."""
    body = (
        b"" if spec is None else json.dumps(_described(spec), ensure_ascii=False).encode("utf-8", "replace")
    )
    headers = {"Authorization": f"Bearer {options['token']}", "Content-Type": "application/json"}
    url = f"{options['base_url']}/api/v1/{path}"
    async with CLIENT.stream(method, url, content=body, headers=headers) as response:
        content = b""
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > LARGEST:
                raise Temporary("the answer is too long")
    return _judged(method, response.status_code, content)


def _judged(method: str, status: int, content: bytes) -> dict[str, object]:
    if status in (401, 403):
        raise Misconfigured("the token is not accepted")
    if status == 429 or status >= 500:
        raise Temporary(f"answered {status}")
    answer = json.loads(content) if content else {}
    if not isinstance(answer, dict) or not (content or status == 204):
        raise Temporary("the answer is not a JSON object")
    if status in (404, 410) and method != "PUT":
        raise FileNotFoundError
    if not 200 <= status < 300:
        raise Permanent(f"answered {status}")
    return answer


def _details(answer: Mapping[str, object]) -> JoinDetails:
    """mailhook looks at the link's host itself."""
    return JoinDetails(str(answer["id"]), str(answer["join_url"]), str(answer.get("passcode", "")))


def _described(spec: Spec) -> dict[str, object]:
    return {
        "topic": spec.topic,
        "start": _instant(spec.start),
        "end": _instant(spec.end),
        "timezone": spec.timezone,
        "owner": _person(spec.owner),
        "participants": [_person(person) for person in spec.participants],
    }


def _person(person: Person) -> dict[str, str]:
    return {"email": person.address, "name": person.name}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
