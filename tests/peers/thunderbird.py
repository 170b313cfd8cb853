"""A Thunderbird with a profile of its own on a virtual screen: Anna's mail, her calendar, and no network.

Her mails are an mbox in the profile; what is done is done in the program's own windows, by its own functions.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.groupware import unused_ports
from tests.peers.marionette import Marionette
from tests.peers.waiting import eventually_async

ANNA = "anna@partner.example"
PROGRAMS = ("thunderbird", "Xvfb", "scrot")
ADVICE = "apt-get install --no-remove thunderbird xvfb scrot"
NOWHERE = 9
SCREEN = "1000x1000x24"

CALENDAR = """
const {cal} = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const made = cal.manager.createCalendar("storage", Services.io.newURI("moz-storage-calendar://"));
made.name = "Anna";
cal.manager.registerCalendar(made);
made.setProperty("imip.identity.key", "id1");
made.setProperty("disabled", false);
"""
UNTIL = """
const {setTimeout} = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
async function until(look) {
  for (let n = 0; n < 500; n++) {
    try { const found = look(); if (found) return found; } catch (e) {}
    await new Promise(again => setTimeout(again, 50));
  }
  throw new Error("not within 25 s: " + look);
}
"""
OPEN = (
    UNTIL
    + """
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const {MailUtils} = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
const server = MailServices.accounts.allServers.find(each => each.type == "pop3");
const inbox = server.rootFolder.getChildNamed("Inbox");
inbox.updateFolder(null);
const mails = await until(() => [...inbox.messages].length > given[0] && [...inbox.messages]);
MailUtils.openMessageInNewWindow(mails[given[0]]);
const shown = await until(() => {
  const about = Services.wm.getMostRecentWindow("mail:messageWindow").messageBrowser.contentWindow;
  const body = about.getMessagePaneBrowser().contentDocument.body;
  const bar = about.document.getElementById("imip-bar");
  return body.innerText.includes(given[1]) && !bar.collapsed && [about, bar, body];
});
const [about, bar, body] = shown;
const visible = each => each.getClientRects().length;
await until(() => [...bar.querySelectorAll("toolbarbutton")].filter(visible).length > 2);
await new Promise(painted => about.requestAnimationFrame(() => about.requestAnimationFrame(painted)));
return {
  buttons: [...bar.querySelectorAll("toolbarbutton[id]")].filter(visible).map(each => each.id),
  text: body.innerText,
  links: [...body.querySelectorAll("a")].filter(visible).map(each => each.href),
};
"""
)
CLOSE = 'for (const each of [...Services.wm.getEnumerator("mail:messageWindow")]) each.close();'
EDIT = (
    UNTIL
    + """
const {cal} = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const {CalEvent} = ChromeUtils.importESModule("resource:///modules/CalEvent.sys.mjs");
const calendar = cal.manager.getCalendars().find(each => each.name == "Anna");
const event = await calendar.addItem(new CalEvent(given[0]));
Services.wm.getMostRecentWindow("mail:3pane").modifyEventWithDialog(event, false);
const frame = await until(() => {
  const dialog = Services.wm.getMostRecentWindow("Calendar:EventDialog");
  const found = dialog.document.getElementById("calendar-item-panel-iframe").contentWindow;
  const text = found.document.getElementById("item-description").contentDocument.body.innerText;
  return text.includes(given[2]) && found.document.getElementById("item-title").value && found;
});
frame.document.getElementById("item-title").value += " edited";
const editor = frame.document.getElementById("item-description");
if (given[1]) {
  editor.focus();
  const selection = editor.contentDocument.getSelection();
  selection.selectAllChildren(editor.contentDocument.body);
  selection.collapseToEnd();
  editor.contentDocument.execCommand("insertText", false, given[1]);
}
const observed = new Promise(done => calendar.addObserver({
  QueryInterface: ChromeUtils.generateQI(["calIObserver"]),
  onStartBatch() {}, onEndBatch() {}, onLoad() {}, onAddItem() {}, onDeleteItem() {}, onError() {},
  onPropertyChanged() {}, onPropertyDeleting() {}, onModifyItem(now) { done(now.icalString); },
}));
frame.onCommandSave(true);
const saved = await observed;
Services.wm.getMostRecentWindow("Calendar:EventDialog")?.close();
await calendar.deleteItem(event);
return saved;
"""
)


def missing() -> str:
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"needs {', '.join(absent)}: {ADVICE}" if absent else ""


@dataclass(frozen=True)
class Shown:
    """`buttons`: ids of what the invitation's bar offers; `text`, `links`: of the message as it is displayed."""

    buttons: list[str]
    text: str
    links: list[str]


class Thunderbird:
    def __init__(self, session: Marionette, display: str) -> None:
        self._session = session
        self._display = display

    async def show(self, number: int, expected: str, picture: Path | None = None) -> Shown:
        """Open the mail of that number, and wait until `expected` stands in it."""
        found = Shown(**await self._session.run(OPEN, number, expected))
        if picture:
            screen = {**os.environ, "DISPLAY": self._display}
            taken = await asyncio.create_subprocess_exec("scrot", "-o", picture, env=screen)
            assert await taken.wait() == 0
        await self._session.run(CLOSE)
        return found

    async def edit(self, event: str, typed: str, expected: str) -> str:
        """The calendar of an event, after its title was changed and something typed below the text."""
        saved: str = await self._session.run(EDIT, event, typed, expected)
        return saved


def _preferences(profile: Path, port: int) -> dict[str, object]:
    local, pop = "mail.server.server1", "mail.server.server2"
    return {
        "mail.accountmanager.accounts": "account1,account2",
        "mail.accountmanager.defaultaccount": "account2",
        "mail.accountmanager.localfoldersserver": "server1",
        "mail.account.account1.server": "server1",
        "mail.account.account2.server": "server2",
        "mail.account.account2.identities": "id1",
        f"{local}.type": "none",
        f"{local}.hostname": "Local Folders",
        f"{local}.userName": "nobody",
        f"{local}.directory": str(profile / "Mail" / "local"),
        f"{pop}.type": "pop3",
        f"{pop}.hostname": "127.0.0.1",
        f"{pop}.port": NOWHERE,
        f"{pop}.userName": "anna",
        f"{pop}.directory": str(profile / "Mail" / "pop"),
        f"{pop}.check_new_mail": False,
        f"{pop}.login_at_startup": False,
        "mail.identity.id1.useremail": ANNA,
        "mail.identity.id1.fullName": "Anna",
        "mail.identity.id1.valid": True,
        "mail.shell.checkDefaultClient": False,
        "mail.spotlight.firstRunDone": True,
        "mail.provider.suppress_dialog_on_startup": True,
        "mail.inappnotifications.enabled": False,
        "mailnews.start_page.enabled": False,
        "app.update.enabled": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
        "calendar.timezone.local": "Europe/Moscow",
        "calendar.timezone.useSystemTimezone": False,
        "marionette.port": port,
        "network.proxy.type": 1,
        "network.proxy.http": "127.0.0.1",
        "network.proxy.http_port": NOWHERE,
        "network.proxy.ssl": "127.0.0.1",
        "network.proxy.ssl_port": NOWHERE,
    }


def _filled(profile: Path, mails: Sequence[bytes], port: int) -> None:
    for folder in ("local", "pop"):
        (profile / "Mail" / folder).mkdir(parents=True)
    lines = (each.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ") for each in mails)
    mbox = b"".join(b"From - Sun Nov 22 12:00:00 2026\n" + each + b"\n\n" for each in lines)
    (profile / "Mail" / "pop" / "Inbox").write_bytes(mbox)
    rows = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in _preferences(profile, port).items())
    (profile / "user.js").write_text("".join(rows))


@asynccontextmanager
async def thunderbird(mails: Sequence[bytes]) -> AsyncIterator[Thunderbird]:
    """Anna's Thunderbird, with these mails in her inbox."""
    (port,) = unused_ports(1)
    home = Path(tempfile.mkdtemp())
    _filled(home / "profile", mails, port)
    nothing = asyncio.subprocess.DEVNULL
    output = home / "output"
    reading, writing = os.pipe()
    screen = await asyncio.create_subprocess_exec(
        *("Xvfb", "-displayfd", str(writing), "-screen", "0", SCREEN, "-nolisten", "tcp"),
        pass_fds=[writing],
        stdout=nothing,
        stderr=nothing,
    )
    os.close(writing)
    display = f":{(await asyncio.to_thread(os.read, reading, 16)).decode().strip()}"
    os.close(reading)
    with output.open("wb") as said:
        program = await asyncio.create_subprocess_exec(
            *("thunderbird", "--profile", str(home / "profile"), "--no-remote"),
            *("--marionette", "--remote-allow-system-access"),
            env={**os.environ, "DISPLAY": display, "HOME": str(home), "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdout=said,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        session = await eventually_async(lambda: _session(port, program, output), "Thunderbird can be led")
        assert session is not None
        await session.run(CALENDAR)
        yield Thunderbird(session, display)
        session.close()
    finally:
        for process in (program, screen):
            process.terminate()
            await process.wait()
        shutil.rmtree(home, ignore_errors=True)


async def _session(port: int, program: asyncio.subprocess.Process, output: Path) -> Marionette | None:
    assert program.returncode is None, _text(output)
    try:
        return await Marionette.connect(port)
    except (OSError, EOFError):
        return None


def _text(file: Path) -> str:
    return file.read_text(errors="replace")
