"""A provider in a Python file of the administrator's own: for an API that data cannot describe.

What: `load` runs the file once and looks at what it holds; `External` is the `Provider` that calls its functions. What
they return is looked at like any other answer, and what they raise becomes an error of ours.

    CHOOSES_ID = True                                                       # optional, False where it is missing
    def identity(options) -> str                                            # kind and URL of the server
    async def create(options, spec: Spec, key: str) -> JoinDetails
    async def update(options, conference_id: str, spec: Spec) -> None
    async def delete(options, conference_id: str) -> None
    async def find(options, key: str) -> Sequence                           # optional: then nothing can be found
    async def ping(options) -> None
    async def close(options) -> None                                        # optional: mailhook stops

What `find` returns may be removed, so it is believed only of rooms that bear the key: with CHOOSES_ID a list of
JoinDetails whose id is the key, else of pairs (the text at the server in which the key stands, JoinDetails).

Not here: what the file does (docs/videomost.md has an example), retries (flight, sync).

Errors: Misconfigured for a file that cannot be used, one line for each fault, with the file and its line; from a call
Temporary, Permanent, Gone, Misconfigured as the file raises them, and Temporary with the class's name for whatever else
it raises.
"""

import ast
import asyncio
import importlib.util
import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from mailhook import files
from mailhook.core.conference import Found, JoinDetails, Spec
from mailhook.errors import Impossible, MailhookError, Misconfigured, Temporary, Unusable
from mailhook.transport.credible import checked, checked_details

T = TypeVar("T")

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "identity": ("options",),
    "create": ("options", "spec", "key"),
    "update": ("options", "conference_id", "spec"),
    "delete": ("options", "conference_id"),
    "find": ("options", "key"),
    "ping": ("options",),
    "close": ("options",),
}
OPTIONAL = frozenset({"find", "close"})
PLAIN = frozenset({"identity"})
MEANING = {"identity": ": it names the server, such as by its URL"}

Options = Mapping[str, object]


def load(file: Path, options: Options, link_hosts: tuple[str, ...], timeout: float) -> "External":
    """`timeout` in seconds, for one call. Raises Misconfigured, with everything that is wrong, one per line."""
    module = _run(file)
    wrong = [fault for name, names in FUNCTIONS.items() if (fault := _unusable(module, name, names))]
    if wrong:
        raise Misconfigured("\n".join(f"{file}: {fault}" for fault in wrong))
    return External(module, _named(module, file, options), options, link_hosts, timeout)


def _run(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mailhook_external_provider", file)
    if spec is None or spec.loader is None:
        raise Misconfigured(f"{file}: is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        files.require_regular(file)
        spec.loader.exec_module(module)
    except OSError as error:
        raise Misconfigured(f"{file}: cannot be read: {error.strerror or type(error).__name__}") from None
    except SyntaxError as error:
        raise Misconfigured(f"{file}: line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        why = f"cannot be loaded: {_said(error)}: it should only define its functions"
        raise Misconfigured(f"{file}:{_line(error, str(file))} {why}") from error
    return module


def _said(error: BaseException) -> str:
    """On one line."""
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(": ")


def _line(error: BaseException, file: str) -> str:
    """The line of the file in which it happened, as " line N:", or "" if it did not happen there."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f" line {lines[-1]}:" if lines else ""


def _unusable(module: ModuleType, name: str, names: tuple[str, ...]) -> str:
    """What is wrong with one of the functions, or ""."""
    wanted = f"{'' if name in PLAIN else 'async '}def {name}({', '.join(names)})"
    if not hasattr(module, name):
        return "" if name in OPTIONAL else f"{wanted} is missing{MEANING.get(name, '')}"
    function = getattr(module, name)
    where = f"line {_bound(module, name)}: {name} should be {wanted}"
    if not callable(function):
        left_out = ", or left out altogether" if name in OPTIONAL else ""
        return f"{where}{left_out}: it is {type(function).__name__}"
    if name not in PLAIN and not inspect.iscoroutinefunction(function):
        return f"{where}: it is not async, and would hold up all mail"
    if name in PLAIN and inspect.iscoroutinefunction(function):
        return f"{where}: it is async, and nobody waits for it"
    try:
        inspect.signature(function).bind(*names)
    except TypeError:
        return f"{where}: it takes {inspect.signature(function)}"
    return ""


def _bound(module: ModuleType, name: str) -> int:
    """The line of the file in which `name` gets its value for the last time; 0 if that is hidden."""
    lines = [
        node.lineno
        for node in ast.parse(Path(str(module.__file__)).read_bytes()).body
        if name == getattr(node, "name", "")
        or any(isinstance(part, ast.Name) and part.id == name for part in _targets(node))
    ]
    return lines[-1] if lines else 0


def _targets(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Assign(targets=targets):
            yield from targets
        case ast.AnnAssign(target=target):
            yield target
        case _:
            pass


def _named(module: ModuleType, file: Path, options: Options) -> str:
    try:
        name = module.identity(options)
    except (Exception, SystemExit) as error:
        why = f"identity: {_said(error)}: it should return a text that names the server"
        raise Misconfigured(f"{file}:{_line(error, str(file))} {why}") from error
    if not isinstance(name, str) or not name.strip():
        line = _bound(module, "identity")
        why = (
            f"identity should return a text that names the server, such as its URL, not {type(name).__name__}"
        )
        raise Misconfigured(f"{file}: line {line}: {why}")
    return name.strip()


class External:
    """The functions of a loaded file as a `Provider`."""

    def __init__(
        self, module: ModuleType, name: str, options: Options, link_hosts: tuple[str, ...], timeout: float
    ) -> None:
        self._module = module
        self._options = options
        self._link_hosts = frozenset(host.lower() for host in link_hosts)
        self._timeout = timeout
        self._identity = f"external {name}"

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
            raise Unusable("the external provider, create: the answer is about another conference")
        return details

    async def update(self, conference_id: str, spec: Spec) -> None:
        await self._call("update", conference_id, spec)

    async def delete(self, conference_id: str) -> None:
        await self._call("delete", conference_id)

    async def find(self, key: str) -> tuple[Found, ...]:
        """Of what the file returns only what bears the key: the rest is somebody else's."""
        if not self.finds:
            raise Impossible("the external provider, find: it cannot find a conference")
        found = await self._call("find", key)
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise Unusable(f"the external provider, find: it returned {type(found).__name__}, not a list")
        pairs = [self._pair(item) for item in found]
        ours = [details for borne, details in pairs if self._bears(borne, key)]
        if pairs and not ours and self.chooses_id:
            raise Unusable("the external provider, find: the answer is about another conference")
        return tuple(self._found(details) for details in ours)

    def _pair(self, item: object) -> tuple[str, JoinDetails]:
        match item:
            case JoinDetails(str(name)) if self.chooses_id:
                return name, item
            case [str(borne), JoinDetails(str()) as details] if not self.chooses_id:
                return borne, details
            case _:
                wanted = "JoinDetails" if self.chooses_id else "pairs (text that bears the key, JoinDetails)"
                why = f"it should return a list of {wanted}, and returned {type(item).__name__} in it"
                raise Misconfigured(f"the external provider, find: {why}")

    def _bears(self, borne: str, key: str) -> bool:
        return borne == key if self.chooses_id else key in borne

    def _found(self, details: JoinDetails) -> Found:
        name = checked("id of the conference", details.conference_id)
        try:
            return Found(name, self._believed("find", details))
        except Unusable as error:
            return Found(name, why=str(error))

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
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            why = f"something that it waited for was cancelled{self._where(error)}"
            raise Temporary(f"the external provider, {operation}: {why}") from error
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            # Its text may hold what the server sent, and is for the file's own log.
            why = f"{type(error).__name__}{self._where(error)}"
            raise Temporary(f"the external provider, {operation}: {why}") from error

    def _where(self, error: BaseException) -> str:
        """The line of the file in which it happened."""
        file = str(self._module.__file__)
        line = _line(error, file).strip(" :")
        return f" in {line} of {file}" if line else ""

    def _believed(self, operation: str, details: object) -> JoinDetails:
        if not isinstance(details, JoinDetails):
            what = type(details).__name__
            raise Unusable(f"the external provider, {operation}: it returned {what}, not JoinDetails")
        try:
            return checked_details(details, self._link_hosts)
        except Unusable as error:
            raise Unusable(f"the external provider, {operation}: {error}") from None
