"""Other people's hops, to compare with.

What: `postfix`, `haraka` and `proxy` (aiosmtpd's own handler) start one each, as their users run them.

Not here: what runs (`hops.Hop`).

Errors: AssertionError when one does not listen in time; CalledProcessError when it cannot be installed.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.hop.hops import Hop, environment, listening, started
from tests.peers.postfix import OWN_CF, SERVICES

HERE = Path(__file__).parent
HARAKA = "Haraka@3.3.4"

MAIN_CF = f"""{OWN_CF}\
message_size_limit = 100000000
mailhook_destination_concurrency_limit = 20
mailhook_initial_destination_concurrency = 20
mailhook_destination_concurrency_failed_cohort_limit = 0
max_use = 1000000
"""
"""By default each process of Postfix ends after 100 mails: the start of the next, 10 to 30 ms for a mail or two in a
hundred, would be all that p99 tells of the way through the queue. The proxy keeps the default."""

# Before the queue: the proxy. After the queue, for the latency through Postfix: as in docs/postfix.md.
MASTER_CF = f"""
127.0.0.1:{{proxy}} inet n - n - - smtpd
  -o smtpd_proxy_filter=127.0.0.1:{{sink}}
  -o max_use=100
{{after}}mailhook unix - - n - 20 smtp
  -o smtp_send_xforward_command=yes
  -o disable_mime_output_conversion=yes
{SERVICES}"""
AFTER = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o content_filter=mailhook:[127.0.0.1]:{hop}
"""

# Whoever connects may relay, as a client of a hop may.
RELAYING = """
exports.hook_connect = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
"""


def proxy(home: Path, port: int, next_port: int) -> Hop:
    line = [sys.executable, str(HERE / "proxy.py"), str(port), str(next_port), str(home / "proxy.log")]
    return started("aiosmtpd Proxy", port, line, home / "proxy.out")


def haraka(home: Path, cache: Path, port: int, next_port: int) -> Hop:
    """Installed by npm into `cache` unless it is there."""
    module = cache / "node_modules" / "Haraka"
    if not module.exists():
        cache.mkdir(parents=True, exist_ok=True)
        line = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", HARAKA]
        subprocess.run(line, cwd=cache, check=True, capture_output=True)
    own = home / "haraka"
    (own / "config").mkdir(parents=True)
    (own / "plugins").mkdir()
    (own / "plugins" / "relaying.js").write_text(RELAYING)
    settings = {
        "smtp.ini": f"listen=127.0.0.1:{port}\nnodes=0\n",
        "plugins": "relaying\nqueue/smtp_proxy\n",
        "smtp_proxy.ini": f"host=127.0.0.1\nport={next_port}\nenable_outbound=true\n",
        "databytes": "100000000",
        "loglevel": "NOTICE",
        "me": "haraka.example",
        "host_list": "partner.example",
    }
    # A section that is missing is not taken from the defaults.
    settings["connection.ini"] = (module / "config" / "connection.ini").read_text()
    for name, content in settings.items():
        (own / "config" / name).write_text(content)
    line = ["node", str(module / "bin" / "haraka"), "-c", str(own)]
    return started("Haraka smtp_proxy", port, line, own / "log", cwd=own)


def postfix(home: Path, proxy: int, sink: int, after: Mapping[int, int]) -> Hop:
    """One instance, a proxy for `sink` at the port `proxy`; `after`: ports, and those of the hops behind its queue."""
    own = home / "postfix"
    for name in ("config", "queue", "data"):
        (own / name).mkdir(parents=True)
    shutil.chown(own / "data", "postfix")
    (own / "config" / "main.cf").write_text(MAIN_CF.format(home=own))
    behind = "".join(AFTER.format(port=port, hop=hop) for port, hop in after.items())
    (own / "config" / "master.cf").write_text(MASTER_CF.format(proxy=proxy, sink=sink, after=behind))
    subprocess.run(
        ["postfix", "-c", own / "config", "start"], check=True, env=environment(), capture_output=True
    )
    listening(proxy)
    return Hop("Postfix smtpd proxy", proxy, master=own / "queue" / "pid" / "master.pid")
