"""The settings as the program sees them.

What: one frozen model per section of the file, with the defaults. They can be made in code too: `Settings()` is valid,
and only a provider is missing from it.

Not here: reading a file (`reading`), and what does not go together (`checks`).

Errors: pydantic's ValidationError when made in code with values that cannot be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mailhook.config.values import (
    Address,
    AddressOrNone,
    Count,
    Domain,
    Duration,
    File,
    Flag,
    Host,
    HostOrNone,
    Language,
    Line,
    ListenPort,
    NameTemplate,
    Network,
    Port,
    PositiveDuration,
    Property,
    ProxyUrl,
    Size,
    Token,
    Url,
    UrlTemplate,
    Word,
    Zone,
)
from mailhook.core.calendar_servers import Extent, ServerKind
from mailhook.core.itip import canonical
from mailhook.core.notice import When
from mailhook.core.policy import Policy
from mailhook.transport.presets import Preset, transport
from mailhook.transport.shape import Answer, Auth, Capabilities, Item, Operations, Transport

_POLICY = Policy()


class Section(BaseModel):
    """What all sections have in common: they do not change, and a key that does nothing is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Listen(Section):
    """Where and from whom mail is accepted, and by how many processes.

    `hostname` "": the machine's name; `max_size` 0: the next hop's SIZE.
    """

    host: Host = "127.0.0.1"
    port: ListenPort = 10225
    workers: Count = 1
    hostname: HostOrNone = ""
    allow: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    max_size: Size = 0
    timeout: PositiveDuration = timedelta(minutes=5)
    max_connections: Count = 1000
    max_connections_per_peer: Count = 250
    max_transactions: Count = 500
    max_in_flight: Size = 256 * 1024 * 1024


class NextHop(Section):
    """Where mail goes."""

    host: Host = "127.0.0.1"
    port: Port = 10226
    connect_timeout: PositiveDuration = timedelta(seconds=30)
    command_timeout: PositiveDuration = timedelta(minutes=5)
    data_timeout: PositiveDuration = timedelta(seconds=570)
    max_sessions: Count = 80


class VideomostSettings(Section):
    """A Videomost server. `token` holds what `token_file` contains, once loaded.

    The sections from `auth` on are laid over those of `preset`: `transport` is what comes of both.
    """

    base_url: Url = ""
    link_hosts: tuple[Domain, ...] = ()
    fallback_owner: AddressOrNone = ""
    token: Token = Field(default="", repr=False)
    token_file: File = ""
    timeout: PositiveDuration = timedelta(seconds=15)
    mode: Word = "discussion"
    ca_file: File = ""
    client_cert_file: File = ""
    client_key_file: File = ""
    proxy: ProxyUrl = Field(default="", repr=False)
    preset: Preset = "default"
    auth: Auth = Auth()
    capabilities: Capabilities = Capabilities()
    operations: Operations = Operations()
    answer: Answer = Answer()
    participant: Item = Field(default_factory=dict)

    @cached_property
    def transport(self) -> Transport:
        """What is said of the API: the preset's, with what is given here over it."""
        given = self.model_dump(include=set(Transport.model_fields), exclude_unset=True)
        return transport(self.preset, given)


class ExternalSettings(Section):
    """A provider in a Python file of one's own. `options`: whatever that file wants to be told."""

    file: File = ""
    link_hosts: tuple[Domain, ...] = ()
    timeout: PositiveDuration = timedelta(seconds=15)
    options: Mapping[str, object] = Field(default_factory=dict, repr=False)


class SandboxSettings(Section):
    """The local Videomost. `state`: a file that keeps its conferences, "" for memory."""

    host: Host = "127.0.0.1"
    port: ListenPort = 18080
    public_url: Url = ""
    state: File = ""


class Provider(Section):
    """Where conferences are made. There is no default kind: a relay must not begin to use a sandbox by oversight."""

    kind: Literal["videomost", "sandbox", "external"] | None = None
    videomost: VideomostSettings = VideomostSettings()
    sandbox: SandboxSettings = SandboxSettings()
    external: ExternalSettings = ExternalSettings()


class StoreSettings(Section):
    """Where meetings are kept, and how long after they last changed."""

    path: File = "/var/lib/mailhook/mailhook.db"
    keep: PositiveDuration = timedelta(days=400)


class PolicySettings(Section):
    """The rules of `core.policy.Policy`, field by field."""

    organizer_domains: tuple[Domain, ...] = _POLICY.organizer_domains
    domain_aliases: Mapping[Domain, Domain] = Field(default_factory=dict)
    trusted_senders: tuple[Address, ...] = _POLICY.trusted_senders
    trusted_networks: tuple[Network, ...] = _POLICY.trusted_networks
    ignore_recipients: tuple[Address, ...] = _POLICY.ignore_recipients
    trigger: Literal["marker", "always"] = _POLICY.trigger
    keywords: tuple[Word, ...] = _POLICY.keywords
    resource: tuple[Address, ...] = _POLICY.resource
    property: Property = _POLICY.property
    category: Word = _POLICY.category
    tags: tuple[Word, ...] = _POLICY.tags
    opt_out: tuple[Word, ...] = _POLICY.opt_out
    foreign_hosts: tuple[Domain, ...] = _POLICY.foreign_hosts
    all_day: Flag = _POLICY.all_day
    transparent: Flag = _POLICY.transparent
    timezone: Zone = _POLICY.timezone
    default_duration: PositiveDuration = _POLICY.default_duration
    on_failure: Literal["defer", "pass"] = _POLICY.on_failure
    deadline: PositiveDuration = _POLICY.deadline
    max_waiting: Count = _POLICY.max_waiting
    defer_for: Duration = _POLICY.defer_for
    delete_grace: Duration = _POLICY.delete_grace
    roll_after: Duration = _POLICY.roll_after
    max_conferences_per_organizer_per_hour: Count = _POLICY.max_conferences_per_organizer_per_hour
    max_deletions_per_hour: Count = _POLICY.max_deletions_per_hour


class Rewrite(Section):
    """How the link is written."""

    location: Literal["if-empty", "append", "never"] = "if-empty"
    position: Literal["top", "bottom"] = "top"
    dkim: Literal["skip", "strip"] = "skip"


class Templates(Section):
    """The wording. `path`: a folder whose files take the place of those that come with mailhook."""

    path: File = ""
    language: Language = "ru"
    domains: Mapping[Domain, Language] = Field(default_factory=dict)


class NoticeSettings(Section):
    """Short mails to the organizer. `when`: whether the link is brought where his own copy is known to bear it."""

    enabled: Flag = False
    when: When = "when-not-written"
    sender: AddressOrNone = ""
    sender_name: Word = "Videomost"


class ImapSettings(Section):
    """The organizer's sent copy. `host` "": it is left alone; `port` 0: 993 with implicit TLS, else 143.

    `password` holds what `password_file` contains, once loaded; `passwords_file` is read at each login.
    """

    host: HostOrNone = ""
    port: ListenPort = 0
    tls: Literal["starttls", "implicit", "off"] = "starttls"
    ca_file: File = ""
    auth: Literal["password", "authzid"] = "password"
    login: Word = "{address}"
    username: Line = ""
    password: Line = Field(default="", repr=False)
    password_file: File = ""
    passwords_file: File = ""
    folder: Line = ""
    timeout: PositiveDuration = timedelta(seconds=30)
    probe: AddressOrNone = ""

    @property
    def actual_port(self) -> int:
        return self.port or (993 if self.tls == "implicit" else 143)


class CalDavSettings(Section):
    """The organizers' events on a calendar server; off without `url`, which is a template.

    `password`, `token`: what `password_file` and `token_file` contain, once loaded.
    """

    url: UrlTemplate = ""
    profile: ServerKind = "generic"
    write: Extent = "full"
    username: NameTemplate = ""
    password: str = Field(default="", repr=False)
    password_file: File = ""
    token: Token = Field(default="", repr=False)
    token_file: File = ""
    passwords_file: File = ""
    ca_file: File = ""
    timeout: PositiveDuration = timedelta(seconds=30)
    watch: Duration = timedelta(minutes=10)
    probe: AddressOrNone = ""


class Organizer(Section):
    """What the organizer gets, whom no mail to the attendees reaches."""

    caldav: CalDavSettings = CalDavSettings()
    notice: NoticeSettings = NoticeSettings()
    imap: ImapSettings = ImapSettings()


class Http(Section):
    """Health, metrics and the status page. `port` 0: none of them.

    `password` holds what `password_file` contains, once loaded; "": whoever reaches it may look.
    """

    host: Host = "127.0.0.1"
    port: ListenPort = 10227
    password: Line = Field(default="", repr=False)
    password_file: File = ""


class Log(Section):
    """What is logged to standard error, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(Section):
    """All settings. `rules` is the section [policy] as written, `policy` the same as the core takes it."""

    listen: Listen = Listen()
    nexthop: NextHop = NextHop()
    provider: Provider = Provider()
    store: StoreSettings = StoreSettings()
    rules: PolicySettings = Field(default_factory=PolicySettings, alias="policy")
    rewrite: Rewrite = Rewrite()
    templates: Templates = Templates()
    organizer: Organizer = Organizer()
    http: Http = Http()
    log: Log = Log()

    @cached_property
    def policy(self) -> Policy:
        """The rules for the core."""
        rules = Policy(**{name: getattr(self.rules, name) for name in PolicySettings.model_fields})
        return replace(
            rules,
            ignore_recipients=_canonical(rules.ignore_recipients, rules.domain_aliases),
            resource=_canonical(rules.resource, rules.domain_aliases),
        )

    def share(self) -> "Settings":
        """The same for one of `listen.workers`: what is a limit of all is divided among them, at least 1 for each."""
        workers = self.listen.workers
        hop = {"max_sessions": max(1, self.nexthop.max_sessions // workers)}
        rules = {"max_waiting": max(1, self.rules.max_waiting // workers)}
        sections = {name: getattr(self, name) for name in type(self).model_fields if name != "rules"}
        sections["nexthop"] = self.nexthop.model_copy(update=hop)
        return Settings(**sections, policy=self.rules.model_copy(update=rules))


def _canonical(addresses: Iterable[str], aliases: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(canonical(address, aliases) for address in addresses)
