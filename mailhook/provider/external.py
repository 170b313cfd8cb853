"""A provider in a Python file of the administrator's own: for an API that data cannot describe.

What: `load` runs the file once and looks at what it holds; `External` is the `Provider` that calls its functions. What
they return is looked at like any other answer, and what they raise becomes an error of ours.

    CHOOSES_ID = True                                                       # optional, False where it is missing
    def identity(options) -> str                                            # kind and URL of the server
    async def create(options, spec: Spec, key: str) -> JoinDetails
    async def update(options, conference_id: str, spec: Spec) -> None
    async def delete(options, conference_id: str) -> None
    async def find(options, key: str) -> Sequence[JoinDetails]              # optional: then nothing can be found
    async def ping(options) -> None
    async def close(options) -> None                                        # optional: mailhook stops

Not here: what the file does (docs/videomost.md has an example), retries (flight, sync).

Errors: Misconfigured for a file that cannot be used, naming everything; from a call Temporary, Permanent, Gone,
Misconfigured as the file raises them, and Temporary with the class's name for whatever else it raises.
"""

import asyncio
import importlib.util
import inspect
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from mailhook.core.conference import JoinDetails, Spec
from mailhook.errors import MailhookError, Misconfigured, Permanent, Temporary
from mailhook.transport.answers import checked_details

T = TypeVar("T")

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "create": ("options", "spec", "key"),
    "update": ("options", "conference_id", "spec"),
    "delete": ("options", "conference_id"),
    "find": ("options", "key"),
    "ping": ("options",),
    "close": ("options",),
}
OPTIONAL = frozenset({"find", "close"})

Options = Mapping[str, object]


def load(file: Path, options: Options, link_hosts: tuple[str, ...], timeout: float) -> "External":
    """`timeout` in seconds, for one call. Raises Misconfigured, with everything that is wrong, one per line."""
    module = _run(file)
    wrong = [fault for name, names in FUNCTIONS.items() if (fault := _unusable(module, name, names))]
    if not callable(getattr(module, "identity", None)):
        wrong.append("def identity(options) is missing: it names the server, such as by its URL")
    if wrong:
        raise Misconfigured("\n".join(f"{file}: {fault}" for fault in wrong))
    return External(module, options, link_hosts, timeout)


def _run(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mailhook_external_provider", file)
    if spec is None or spec.loader is None:
        raise Misconfigured(f"{file}: is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        raise Misconfigured(f"{file}: cannot be read: {error.strerror or type(error).__name__}") from None
    except SyntaxError as error:
        raise Misconfigured(f"{file}: line {error.lineno}: {error.msg}") from None
    except Exception as error:
        raise Misconfigured(f"{file}: cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _unusable(module: ModuleType, name: str, names: tuple[str, ...]) -> str:
    """What is wrong with one of the functions, or ""."""
    function = getattr(module, name, None)
    wanted = f"async def {name}({', '.join(names)})"
    if function is None:
        return "" if name in OPTIONAL else f"{wanted} is missing"
    if not inspect.iscoroutinefunction(function):
        return f"{name} should be {wanted}: it is not async, and would hold up all mail"
    try:
        inspect.signature(function).bind(*names)
    except TypeError:
        return f"{name} should be {wanted}: it takes {inspect.signature(function)}"
    return ""


class External:
    """The functions of a loaded file as a `Provider`."""

    def __init__(
        self, module: ModuleType, options: Options, link_hosts: tuple[str, ...], timeout: float
    ) -> None:
        self._module = module
        self._options = options
        self._link_hosts = frozenset(host.lower() for host in link_hosts)
        self._timeout = timeout
        self._identity = f"external {self._named()}"

    def _named(self) -> str:
        try:
            name = self._module.identity(self._options)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Misconfigured(f"identity: {type(error).__name__}: {error}") from error
        if not isinstance(name, str) or not name.strip():
            raise Misconfigured("identity should return a text that names the server, such as its URL")
        return name.strip()

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def chooses_id(self) -> bool:
        return bool(getattr(self._module, "CHOOSES_ID", False))

    @property
    def finds(self) -> bool:
        return hasattr(self._module, "find")

    async def create(self, spec: Spec, key: str) -> JoinDetails:
        details = self._believed("create", await self._call("create", spec, key))
        if self.chooses_id and details.conference_id != key:
            raise Temporary("the external provider, create: the answer is about another conference")
        return details

    async def update(self, conference_id: str, spec: Spec) -> None:
        await self._call("update", conference_id, spec)

    async def delete(self, conference_id: str) -> None:
        await self._call("delete", conference_id)

    async def find(self, key: str) -> tuple[JoinDetails, ...]:
        if not self.finds:
            raise Permanent("the external provider, find: it cannot find a conference")
        found = await self._call("find", key)
        if not isinstance(found, Sequence):
            raise Temporary(f"the external provider, find: it returned {type(found).__name__}, not a list")
        return tuple(self._believed("find", details) for details in found)

    async def ping(self) -> None:
        await self._call("ping")

    async def close(self) -> None:
        if hasattr(self._module, "close"):
            await self._call("close")

    async def _call(self, operation: str, *arguments: object) -> object:
        function: Callable[..., Awaitable[object]] = getattr(self._module, operation)
        try:
            async with asyncio.timeout(self._timeout):
                return await function(self._options, *arguments)
        except MailhookError:
            raise
        except TimeoutError:
            why = f"no answer within {self._timeout:g} s"
            raise Temporary(f"the external provider, {operation}: {why}") from None
        except Exception as error:
            # Its text may hold what the server sent, and is for the file's own log.
            why = f"{type(error).__name__}{self._where(error)}"
            raise Temporary(f"the external provider, {operation}: {why}") from error

    def _where(self, error: Exception) -> str:
        """The line of the file in which it happened."""
        file = str(self._module.__file__)
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file
        ]
        return f" in line {lines[-1]} of {file}" if lines else ""

    def _believed(self, operation: str, details: object) -> JoinDetails:
        if not isinstance(details, JoinDetails):
            what = type(details).__name__
            raise Temporary(f"the external provider, {operation}: it returned {what}, not JoinDetails")
        try:
            return checked_details(details, self._link_hosts)
        except Temporary as error:
            raise Temporary(f"the external provider, {operation}: {error}") from None
