"""Mozilla's remote control of its own programs: JSON over TCP, and scripts run with the program's own rights.

Each message is its length in decimal, a colon, and `[0, number, command, parameters]`, answered by
`[1, number, error, result]`.
"""

import asyncio
import json
from typing import Any

PATIENCE = 30


class Marionette:
    """One session in the program's own windows."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    @classmethod
    async def connect(cls, port: int) -> "Marionette":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        made = cls(reader, writer)
        try:
            await made._begin()
        except BaseException:
            made.close()  # it serves one session at a time
            raise
        return made

    async def _begin(self) -> None:
        await self._hear()  # its greeting
        await self._ask("WebDriver:NewSession", capabilities={"alwaysMatch": {}})
        await self._ask("Marionette:SetContext", value="chrome")
        await self._ask("WebDriver:SetTimeouts", script=PATIENCE * 1000)

    def close(self) -> None:
        self._writer.close()

    async def run(self, script: str, *arguments: object) -> Any:
        """What the body of an async function returns; what it throws is an AssertionError."""
        wrapped = (
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
            f"(async () => {{ {script} }})().then(value => done([value, ''])).catch(e => done([null, String(e)]));"
        )
        answer = await self._ask(
            "WebDriver:ExecuteAsyncScript", script=wrapped, args=arguments, sandbox="system", newSandbox=True
        )
        value, fault = answer["value"]
        assert not fault, fault
        return value

    async def _ask(self, command: str, **parameters: object) -> Any:
        self._number += 1
        data = json.dumps([0, self._number, command, parameters]).encode()
        self._writer.write(b"%d:%b" % (len(data), data))
        _, number, error, result = await self._hear()
        assert (number, error) == (self._number, None), error
        return result

    async def _hear(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            length = await self._reader.readuntil(b":")
            return json.loads(await self._reader.readexactly(int(length[:-1])))
