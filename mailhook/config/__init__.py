"""The settings: one TOML file.

What: `Settings` is what the rest of the program gets; `load` reads a file; `problems` finds all that is wrong with it;
`exposed` what is wrong with the addresses of sockets that were handed over.

Not here: what the settings do. docs/configuration.md and config.example.toml explain each of them.

Errors: Misconfigured from `load`, naming every problem.
"""

from mailhook.config.problem import Problem
from mailhook.config.reading import load, problems
from mailhook.config.security import exposed
from mailhook.config.settings import (
    CalDavSettings,
    ExternalSettings,
    Http,
    ImapSettings,
    Listen,
    Log,
    NextHop,
    NoticeSettings,
    Organizer,
    PolicySettings,
    Provider,
    Rewrite,
    SandboxSettings,
    Settings,
    StoreSettings,
    Templates,
    VideomostSettings,
)

__all__ = [
    "CalDavSettings",
    "ExternalSettings",
    "Http",
    "ImapSettings",
    "Listen",
    "Log",
    "NextHop",
    "NoticeSettings",
    "Organizer",
    "PolicySettings",
    "Problem",
    "Provider",
    "Rewrite",
    "SandboxSettings",
    "Settings",
    "StoreSettings",
    "Templates",
    "VideomostSettings",
    "exposed",
    "load",
    "problems",
]
