"""The wording in force: template files, read before mailhook accepts mail.

What: `Phrasebook` is made of the templates that come with mailhook, and those of `templates.path` over them, as they
are when it is made or as they were read before. `copied` is where an administrator begins.

Not here: what templates may do (`core.confined`), what they say (`core.wording`, `core.notice_wording`).

Errors: Misconfigured when templates are missing, broken or no files, a line for each; OSError from `copied`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mailhook import files
from mailhook.config import Problem, Settings
from mailhook.core import notice_wording, wording
from mailhook.core.confined import Faults
from mailhook.core.notice_wording import NoticeWording
from mailhook.core.wording import Wording
from mailhook.errors import Misconfigured

FILES = frozenset({*wording.FILES.values(), notice_wording.FILE})
"""What a folder of a language may hold."""


class Phrasebook:
    """Wording of blocks and of notices. `sources`: what `read_all` has read, if it is not to be read now."""

    def __init__(self, settings: Settings, sources: Mapping[str, str] | None = None) -> None:
        self._blocks, self._notices = _parsed(settings, read_all(settings) if sources is None else sources)

    def blocks(self) -> Wording:
        return self._blocks

    def notices(self) -> NoticeWording:
        """There where notices are enabled."""
        assert self._notices is not None
        return self._notices


def _parsed(settings: Settings, sources: Mapping[str, str]) -> tuple[Wording, NoticeWording | None]:
    faults = Faults()
    blocks: list[Wording] = []
    notices: NoticeWording | None = None
    with faults.gathered():
        blocks.append(Wording(sources, settings.templates.language))
    with faults.gathered():
        notices = _notices(sources, settings)
    faults.tell()
    return blocks[0], notices


def _notices(sources: Mapping[str, str], settings: Settings) -> NoticeWording | None:
    """None where none are sent, and a language of one's own has no words for them."""
    language, enabled = settings.templates.language, settings.organizer.notice.enabled
    if not enabled and f"{language}/{notice_wording.FILE}" not in sources:
        return None
    opt_out = next(iter(settings.policy.opt_out), "")
    return NoticeWording(sources, language, opt_out, test=settings.provider.kind == "sandbox")


def make_wording(settings: Settings) -> Wording:
    """The wording of blocks as it stands in the files now."""
    return Phrasebook(settings).blocks()


def template_problems(settings: Settings) -> list[Problem]:
    """Templates that cannot be used, and as warnings those that can be but should not, or that nothing uses."""
    where, value = "templates.path", f'"{settings.templates.path}"'
    try:
        doubts = make_wording(settings).doubts()
    except Misconfigured as error:
        return [Problem(where, value, line) for line in str(error).splitlines()]
    stray = [f"{name} is the name of no template, and none includes it" for name in unused(settings)]
    return [Problem(where, value, why, warning=True) for why in (*doubts, *stray)]


# --- files --------------------------------------------------------------------------------------------------------


def shipped(name: str) -> Path:
    """A folder that comes with mailhook: inside the installed package, or beside it in a source tree."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def read_all(settings: Settings) -> dict[str, str]:
    """The shipped templates, with those of `templates.path` over them."""
    sources = read_templates(shipped("templates"))
    if settings.templates.path:
        sources |= read_templates(Path(settings.templates.path))
    return sources


def read_templates(folder: Path) -> dict[str, str]:
    """language/file → source."""
    kinds = ("*/*.txt.j2", "*/*.html.j2")
    paths = (path for kind in kinds for path in folder.glob(kind))
    return {f"{path.parent.name}/{path.name}": _text(path) for path in paths}


def _text(path: Path) -> str:
    try:
        return files.text(path)
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} should be UTF-8") from None
    except OSError as fault:
        raise Misconfigured(f"{path} cannot be read: {fault.strerror}") from None


def unused(settings: Settings) -> list[str]:
    """Files in `templates.path` that take no template's place and are included by none: misspelt, most likely."""
    if not settings.templates.path:
        return []
    folder, everything = Path(settings.templates.path), "\n".join(read_all(settings).values())
    names = (f"{path.parent.name}/{path.name}" for path in sorted(folder.glob("*/*")) if path.is_file())
    return [name for name in names if name.partition("/")[2] not in FILES and name not in everything]


def copied(folder: Path, *, force: bool) -> Iterator[tuple[Path, bool]]:
    """Copy the shipped templates into `folder`: each file, and whether it was written.

    Not written: one that is there already, unless `force`. A file that is there already and the same is not told.
    """
    for name, source in sorted(read_templates(shipped("templates")).items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("w" if force else "x", encoding="utf-8") as file:
                file.write(source)
            yield path, True
        except FileExistsError:
            if path.read_bytes() != source.encode():
                yield path, False
