"""Random histories of one meeting: whatever comes when, no room is deleted that people hold, and none is left over."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailhook.core.aim import NoRoom, Room, desired
from mailhook.core.conference import JoinDetails, Spec, State
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.outcome import failed, lost, succeeded
from mailhook.core.policy import OptedOut, Unwanted, Wanted, Wish
from mailhook.core.reservation import (
    LATE,
    LEASE,
    Granted,
    Held,
    Standing,
    TooMany,
    conference_key,
    confirm,
    doubt,
    give_up,
    of_provider,
    renew,
    reserve,
)
from mailhook.core.revision import Condemn, Create, Insert, Leave, announce, look, renounce, withdraw
from mailhook.core.uninviting import cancel
from mailhook.core.upkeep import (
    CreateRoom,
    DeleteLeftover,
    DeleteRoom,
    Limited,
    Nothing,
    Recover,
    Task,
    UpdateRoom,
    claim,
)
from tests.core.invitations import POLICY, at, invitation

KEY = MeetingKey("ivan@corp.example", "uid-1")
PEOPLE = ("anna@partner.example", "boris@partner.example", "petr@corp.example")
RULES = replace(POLICY, max_deletions_per_hour=2, max_conferences_per_organizer_per_hour=4)
START = at("2027-03-01 00:00")

Outcome = Literal["done", "not done", "done unheard", "late", "crash"]
OUTCOMES = st.sampled_from(["done", "done", "done", "not done", "done unheard", "late", "crash"])
SOME = st.sets(st.sampled_from(PEOPLE), min_size=1)


@dataclass
class Mail:
    """A REQUEST on its way; `link`: what it bears."""

    invitation: Invitation
    recipients: frozenset[str]
    link: JoinDetails | None = None
    before: Meeting | None = None


@dataclass
class Creator:
    token: str
    spec: Spec
    mail: Mail | None
    generation: int = 0
    made: JoinDetails | None = None
    owned: bool = False


@dataclass
class Rooms:
    """A provider: rooms by id."""

    name: str
    chooses_id: bool
    rooms: dict[str, tuple[str, Spec]] = field(default_factory=dict)
    count: int = 0

    def find(self, key: str) -> list[str]:
        return [room for room, (owner, _) in self.rooms.items() if owner == key]

    def add(self, key: str, spec: Spec) -> None:
        """Without looking whether there is one."""
        self.count += 1
        self.rooms[f"{self.name}-{key if self.chooses_id else self.count}"] = (key, spec)

    def create(self, key: str, spec: Spec) -> JoinDetails:
        self.count += 1
        found = [] if self.chooses_id else self.find(key)
        room = found[0] if found else f"{self.name}-{key if self.chooses_id else self.count}"
        self.rooms[room] = (key, spec)
        return JoinDetails(room, f"https://{self.name}.example/{room}")


class History(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.meeting = Meeting(KEY)
        self.provider = Rooms("new", chooses_id=True)
        self.revision = 0
        self.tokens = 0
        self.creators: list[Creator] = []
        self.ready: list[Mail] = []
        self.sent: list[Mail] = []
        self.worker: tuple[str, Task] | None = None
        self.made: list[datetime] = []
        self.ended: list[datetime] = []
        self.elsewhere = 0
        self.holds: dict[str, list[Mail]] = {name: [] for name in PEOPLE}
        self.condemned = False
        self.doomed: set[str] = set()
        self.late: list[tuple[datetime, str, Spec]] = []

    @initialize(chooses_id=st.booleans())
    def choose(self, chooses_id: bool) -> None:
        self.provider = Rooms("old", chooses_id)

    # --- the row -----------------------------------------------------------------------------------------

    def write(self, after: Meeting) -> None:
        before, self.meeting = self.meeting.conference, after
        state = after.conference.state
        if state is State.ENDING and before.state is not State.ENDING:
            assert len(self.recent(self.ended)) + self.elsewhere < RULES.max_deletions_per_hour
            self.ended.append(self.now)
            assert before.details is not None
            self.unheld(before.details.conference_id)
            self.doomed.add(before.details.conference_id)
        if state is State.RESERVED and (before.state, before.generation) != (
            state,
            after.conference.generation,
        ):
            self.made.append(self.now)

    def recent(self, moments: list[datetime]) -> list[datetime]:
        return [moment for moment in moments if moment > self.now - timedelta(hours=1)]

    def token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    def delete(self, room: str) -> None:
        assert room.startswith(self.provider.name), "a room of another provider"
        if room not in self.doomed:
            self.unheld(room)
        self.provider.rooms.pop(room, None)

    def unheld(self, room: str) -> None:
        """Nobody has a mail with this room's link, or the organizer wants it gone."""
        links = {name: {m.link.conference_id for m in mails if m.link} for name, mails in self.holds.items()}
        bearing = [name for name, ids in links.items() if room in ids]
        assert not bearing or self.condemned, f"{room} is held by {bearing}"

    # --- mail --------------------------------------------------------------------------------------------

    @rule(
        recipients=SOME,
        days=st.integers(-1, 3),
        listed=SOME,
        weekly=st.booleans(),
        older=st.booleans(),
        wish=st.sampled_from([Wanted("keyword"), Wanted("keyword"), Unwanted("no-marker"), OptedOut()]),
    )
    def request(
        self, recipients: set[str], days: int, listed: set[str], weekly: bool, older: bool, wish: Wish
    ) -> None:
        self.revision += not older
        start = self.now + timedelta(days=days)
        text = f"""
            SEQUENCE:{self.revision - older}
            DTSTART:{start:%Y%m%dT%H%M%SZ}
            DURATION:PT1H
            {"RRULE:FREQ=WEEKLY;COUNT=3" if weekly else "X-NOTHING:1"}
            {chr(10).join(f"ATTENDEE:mailto:{name}" for name in sorted(listed | recipients))}
        """
        mail = Mail(invitation(text), frozenset(recipients))
        seen = of_provider(self.meeting, self.provider.name)
        after, plan = look(seen, mail.invitation, wish, RULES, self.now)
        self.write(after)
        match plan:
            case Insert(details):
                mail.link = details
                self.ready.append(mail)
            case Create(spec):
                self.creators.append(Creator(self.token(), spec, mail))
            case Condemn():
                self.write(renounce(self.meeting, mail.invitation, plan.reason, RULES, self.now))
                self.condemned = True
            case Leave():
                pass

    @rule(recipients=SOME, days=st.integers(0, 3), weekly=st.booleans(), link=st.booleans())
    def deliver(self, recipients: set[str], days: int, weekly: bool, link: bool) -> None:
        """A REQUEST goes all the way, or passes without its link."""
        self.request(recipients, days, recipients, weekly, older=False, wish=Wanted("keyword"))
        if self.creators and self.creators[-1].mail is not None:
            creator = self.creators[-1]
            if link:
                self.finish(creator)
            elif not creator.generation:
                self.landed(creator, None)
        while self.ready:
            self.tell()

    @precondition(lambda self: self.ready)
    @rule()
    def tell(self) -> None:
        mail = self.ready.pop(0)
        if mail.link is not None and self.meeting.link != mail.link:
            return
        mail.before = self.meeting
        linked = mail.link is not None
        self.write(announce(self.meeting, mail.invitation, mail.recipients, RULES, self.now, linked=linked))
        for name in mail.recipients & self.meeting.told.keys():
            self.condemned = self.condemned and not self.meeting.wanted
            self.holds[name].append(mail)
        self.sent.append(mail)

    @precondition(lambda self: self.sent)
    @rule(refused=st.booleans(), which=st.integers(0, 9))
    def answer(self, refused: bool, which: int) -> None:
        mail = self.sent.pop(which % len(self.sent))
        if refused and mail.before is not None:
            for name in mail.recipients:
                self.holds[name] = [each for each in self.holds[name] if each is not mail]
            self.write(withdraw(self.meeting, mail.before, mail.invitation, mail.recipients, RULES, self.now))

    @rule(recipients=SOME)
    def call_off(self, recipients: set[str]) -> None:
        self.revision += 1
        text = f"SEQUENCE:{self.revision}\nDTSTART:{self.now:%Y%m%dT%H%M%SZ}\nATTENDEE:mailto:{PEOPLE[0]}"
        self.write(cancel(self.meeting, invitation(text, method="CANCEL"), recipients, RULES, self.now))
        for name in recipients:
            self.holds[name] = []

    # --- creators ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.creators)
    @rule(which=st.integers(0, 9), outcome=OUTCOMES, refused=st.booleans(), again=st.booleans())
    def create(self, which: int, outcome: Outcome, refused: bool, again: bool) -> None:
        """`again`: after an unclear answer the creator tries once more itself."""
        creator = self.creators[which % len(self.creators)]
        if creator.made is not None:
            self.confirm(creator, outcome)
        elif creator.generation:
            self.call(creator, outcome, refused, again)
        else:
            self.reserve(creator)

    def reserve(self, creator: Creator) -> None:
        made = len(self.recent(self.made))
        after, grant = reserve(self.meeting, creator.token, self.provider.name, RULES, self.now, made)
        self.write(after)
        match grant:
            case Granted(generation):
                creator.generation = generation
            case Standing(details):
                self.landed(creator, details)
            case TooMany():
                self.landed(creator, None)
            case Held():
                pass

    def call(self, creator: Creator, outcome: Outcome, refused: bool, again: bool) -> None:
        key = conference_key(b"secret", KEY, creator.generation)
        conference = self.meeting.conference
        creator.owned = conference.state is State.RESERVED and conference.token == creator.token
        match outcome:
            case "crash":
                self.creators.remove(creator)
            case "done":
                self.write(renew(self.meeting, creator.token, RULES, self.now))
                creator.made = self.provider.create(key, creator.spec)
            case "late" if creator.owned:
                self.late.append((self.now, key, creator.spec))
                self.unclear(creator, again)
            case "done unheard" if creator.owned:
                self.provider.create(key, creator.spec)
                self.unclear(creator, again)
            case "not done" | "done unheard" | "late":
                self.fail(creator, refused=refused and not self.provider.find(key))

    @precondition(lambda self: self.late)
    @rule()
    def arrive(self) -> None:
        """What was given up is done after all; under an id that was deleted nothing is."""
        since, key, spec = self.late.pop(0)
        gone = self.provider.chooses_id and f"{self.provider.name}-{key}" in self.doomed
        if self.now < since + LATE and not gone:
            self.provider.add(key, spec)

    def unclear(self, creator: Creator, again: bool) -> None:
        if again:
            self.write(doubt(self.meeting, creator.token))
        else:
            self.fail(creator, refused=False)

    def fail(self, creator: Creator, *, refused: bool) -> None:
        self.write(give_up(self.meeting, creator.token, "no", RULES, self.now, refused=refused))
        self.landed(creator, None)

    def confirm(self, creator: Creator, outcome: Outcome) -> None:
        if outcome == "crash" and creator.owned:
            self.creators.remove(creator)
            return
        assert creator.made is not None
        after, details = confirm(
            self.meeting, creator.token, creator.spec, creator.made, self.provider.name, RULES, self.now
        )
        self.write(after)
        creator.generation, creator.made, creator.token = 0, None, self.token()
        if details is not None:
            self.landed(creator, details)

    def landed(self, creator: Creator, details: JoinDetails | None) -> None:
        self.creators.remove(creator)
        if creator.mail is not None:
            creator.mail.link = details
            self.ready.append(creator.mail)

    # --- the worker --------------------------------------------------------------------------------------

    def claim(self) -> Task:
        token = self.token()
        deleted = len(self.recent(self.ended)) + self.elsewhere
        after, task = claim(self.meeting, token, self.provider.name, RULES, self.now, deleted)
        self.write(after)
        if isinstance(task, Nothing | Limited):
            assert after.lease or after.wake_at is None or after.wake_at > self.now, "a busy loop"
        else:
            self.worker = (token, task)
        return task

    @rule()
    def take(self) -> None:
        self.claim()

    @precondition(lambda self: self.meeting.wake_at is not None)
    @rule()
    def take_when_due(self) -> None:
        assert self.meeting.wake_at is not None
        self.now = max(self.now, self.meeting.wake_at)
        self.claim()

    @precondition(lambda self: self.worker is not None)
    @rule(outcome=OUTCOMES)
    def work(self, outcome: Outcome) -> None:
        assert self.worker is not None
        (token, task), self.worker = self.worker, None
        if isinstance(task, CreateRoom):
            self.creators.append(Creator(self.token(), task.spec, None))
            self.write(succeeded(self.meeting, token, task, RULES, self.now))
            return
        missing = outcome in {"done", "done unheard"} and not self.perform(task)
        match outcome:
            case "done" if missing:
                self.write(lost(self.meeting, token, RULES, self.now))
            case "done":
                self.write(succeeded(self.meeting, token, task, RULES, self.now))
            case "not done" | "done unheard" | "late":
                self.write(failed(self.meeting, token, "no", RULES, self.now, task))
            case "crash":
                pass

    def perform(self, task: Task) -> bool:
        """Whether the room is there."""
        match task:
            case UpdateRoom(room, spec):
                assert room.startswith(self.provider.name)
                if room not in self.provider.rooms:
                    return False
                self.provider.rooms[room] = (self.provider.rooms[room][0], spec)
            case DeleteRoom(room):
                self.delete(room)
            case DeleteLeftover(leftover):
                assert not self.meeting.link or leftover.conference_id != self.meeting.link.conference_id
                self.delete(leftover.conference_id)
            case Recover(generation, keep):
                for room in self.provider.find(conference_key(b"secret", KEY, generation)):
                    if room != keep:
                        self.delete(room)
            case CreateRoom() | Nothing() | Limited():
                pass
        return True

    # --- the world ---------------------------------------------------------------------------------------

    @rule(step=st.sampled_from([timedelta(seconds=3), LEASE, timedelta(minutes=2), timedelta(minutes=50)]))
    def wait(self, step: timedelta) -> None:
        self.now += step

    @rule(days=st.integers(1, 10))
    def sleep(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule(elsewhere=st.integers(0, 3))
    def others_delete(self, elsewhere: int) -> None:
        self.elsewhere = elsewhere

    @rule()
    def vanish(self) -> None:
        """Somebody deletes the room at the provider."""
        if self.meeting.link and self.meeting.conference.state is not State.RESERVED:
            self.provider.rooms.pop(self.meeting.link.conference_id, None)

    @precondition(lambda self: self.provider.name == "old" and not self.creators and self.worker is None)
    @rule()
    def change_provider(self) -> None:
        self.provider = Rooms("new", self.provider.chooses_id)
        self.ready.clear()

    @invariant()
    def holders_are_told(self) -> None:
        for name, mails in self.holds.items():
            assert not mails or name in self.meeting.told, f"{name} holds a mail that is forgotten"
        assert all(any(not entry.cancelled for entry in told) for told in self.meeting.told.values())

    @invariant()
    def what_is_under_way_is_not_forgotten(self) -> None:
        meeting = self.meeting
        if meeting.conference.provider in {"", self.provider.name}:
            waiting = meeting.conference.state in {State.RESERVED, State.ENDING}
            assert not waiting or meeting.wake_at is not None

    def teardown(self) -> None:
        """Everybody finishes, the provider works, and time passes."""
        self.ready.clear()
        self.late.clear()
        self.elsewhere = 0
        for creator in list(self.creators):
            if creator.made is not None:
                self.confirm(creator, "done")
        self.creators.clear()
        if self.worker is not None:
            self.work("done")
        end = self.now + timedelta(days=60)
        for _ in range(80):
            due = self.meeting.wake_at
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            if not isinstance(self.claim(), Nothing | Limited):
                self.work("done")
            for creator in list(self.creators):
                self.finish(creator)
        else:
            raise AssertionError(f"never at rest: {self.meeting}")
        self.now = max(self.now, end)
        self.settled()

    def finish(self, creator: Creator) -> None:
        for _ in range(4):
            if creator in self.creators:
                self.create(self.creators.index(creator), "done", refused=False, again=False)
        self.creators = [each for each in self.creators if each is not creator]

    def settled(self) -> None:
        meeting = self.meeting
        if meeting.conference.provider not in {"", self.provider.name}:
            return
        rooms = set(self.provider.rooms)
        own = {meeting.link.conference_id} if meeting.link else set()
        assert rooms <= own, f"orphans: {rooms - own}"
        assert not meeting.leftovers or all(x.provider != self.provider.name for x in meeting.leftovers)
        match desired(meeting, self.now, RULES.roll_after):
            case Room(spec):
                assert meeting.conference.applied == spec
            case NoRoom():
                assert meeting.link is None
            case _:
                pass


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
