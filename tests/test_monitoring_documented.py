"""docs/monitoring.md names every metric and every label, and its rules can be used as they are."""

import logging
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mailhook import journal
from mailhook.core.conference import State
from mailhook.core.pending import Pending
from mailhook.journal import Story
from mailhook.meter import BREAKER_STATES, OUTCOMES, Meter
from mailhook.ports import Holdings, Load

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
TABLES, RULES_TEXT = TEXT.split("## Alert rules")
PROMTOOL = shutil.which("promtool")


def exposed() -> str:
    """Of a meter that has counted something of everything."""
    meter = Meter("1")
    with meter.listening():
        Story(decision="pass", reason="ordinary", code=250, times={"relay": 0.02}).tell()
        Story(decision="rewrite", reason="rewritten", code=250, times={"read": 0.02}).tell()
        journal.called("create", "ok", 0.2)
        journal.event("example", level=logging.WARNING)
        meter.publish(
            Load(
                clients=0,
                busy=0,
                idle=0,
                waiting=0,
                held_bytes=0,
                breaker="closed",
                certificates={"listener": 5.0},
            )
        )
    return meter.exposition(Holdings({}, {}, {}, 0)).decode()


SAMPLES = exposed()


def metrics() -> dict[str, set[str]]:
    """The labels of each metric; a histogram goes by its own name."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(mailhook_\w+)(\{.*\})? ", SAMPLES, re.MULTILINE):
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        found.setdefault(family, set()).update(set(re.findall(r"(\w+)=", labels)) - {"le"})
    return found


def rules() -> list[dict[str, Any]]:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", RULES_TEXT, re.MULTILINE | re.DOTALL)
    (group,) = yaml.safe_load(text)["groups"]
    found = group["rules"]
    assert isinstance(found, list)
    return found


def test_every_metric_is_documented_with_its_labels() -> None:
    rows = re.findall(r"^\| `(mailhook_\w+)` \| (.*?) \|", TABLES, re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == metrics()


def test_names_follow_the_conventions() -> None:
    """https://prometheus.io/docs/practices/naming: counters end in _total, and units are base units."""
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", SAMPLES, re.MULTILINE))
    for name, kind in kinds.items():
        assert (kind == "counter") == name.endswith("_total")
        assert kind != "histogram" or name.endswith("_seconds")
    assert set(re.findall(r"^# HELP (\w+) \S", SAMPLES, re.MULTILINE)) == set(kinds)


@pytest.mark.parametrize(
    "values",
    [State, Pending, BREAKER_STATES, OUTCOMES.values()],
    ids=["states", "kinds", "breakers", "outcomes"],
)
def test_every_value_of_a_label_is_documented(values: Any) -> None:
    for value in values:
        assert f"`{getattr(value, 'value', value)}`" in TABLES


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    samples = set(re.findall(r"^(mailhook_\w+)", SAMPLES, re.MULTILINE))
    named = set(re.findall(r"mailhook_\w+", rule["expr"]))
    assert named
    assert named <= samples
    for selector in re.findall(r"(mailhook_\w+)\{(.*?)\}", rule["expr"]):
        family = re.sub(r"_(bucket|count|sum)$", "", selector[0])
        assert set(re.findall(r"(\w+)[!=]", selector[1])) <= metrics()[family] | {"le"}
    assert rule["labels"]["severity"] in {"page", "warn", "info"}
    assert rule["annotations"]["summary"]
    assert len(rule["annotations"]["action"]) > 40


def test_what_an_alert_waits_for_begins_at_nought() -> None:
    """A series that begins with its first count has not risen, as far as Prometheus knows."""
    begun = Meter("1").exposition(None).decode()
    rising = " ".join(rule["expr"] for rule in rules() if "increase(" in rule["expr"])
    awaited = re.findall(r'(?:event|reason|outcome|decision)=~?"([\w|-]+)"', rising)
    assert awaited
    for value in (value for values in awaited for value in values.split("|")):
        assert re.search(rf'^mailhook_\w+_total{{.*="{value}".*}} 0.0$', begun, re.MULTILINE), value


def test_events_that_rules_name_are_told() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "mailhook").rglob("*.py"))
    for event in re.findall(r'event="([\w-]+)"', RULES_TEXT):
        assert f'journal.event("{event}"' in code


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: apt-get install --no-remove prometheus")
def test_prometheus_takes_the_rules_and_the_figures(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "mailhook", "rules": rules()}]}), encoding="utf-8")
    said = subprocess.run(
        [PROMTOOL, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr + said.stdout
    said = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=SAMPLES, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")


REFUSED = 'mailhook_envelope_refusals_total{command="MAIL",class="4xx"}'
DELIVERED = 'mailhook_messages_total{outcome="delivered",decision="pass",reason="ordinary"}'
ABORTED = 'mailhook_messages_total{outcome="aborted",decision="aborted",reason="none"}'


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: apt-get install --no-remove prometheus")
@pytest.mark.parametrize(
    ("series", "alerts"),
    [
        ({"mailhook_nexthop_reachable": "0x60"}, {"MailhookNextHopDown"}),
        ({"mailhook_nexthop_reachable": "1x60", REFUSED: "0x60", DELIVERED: "0+60x60"}, set()),
        ({REFUSED: "0+1x60", DELIVERED: "0+60x60"}, set()),
        ({REFUSED: "0+10x60", ABORTED: "0+10x60"}, {"MailhookEnvelopesDeferred"}),
        ({REFUSED: "0+10x60", ABORTED: "0x60"}, {"MailhookEnvelopesDeferred"}),
        ({'mailhook_clients_refused_last_hour{why="not-allowed"}': "11x60"}, {"MailhookClientsRefused"}),
        ({'mailhook_clients_refused_last_hour{why="http-password"}': "11x60"}, {"MailhookWrongPasswords"}),
        (
            {'mailhook_certificate_expiry_seconds{side="listener"}': "1209600-60x60"},
            {"MailhookCertificateExpires"},
        ),
        ({'mailhook_certificate_expiry_seconds{side="listener"}': "1300000-60x60"}, set()),
        ({'mailhook_warnings_total{event="worker-died"}': "0x30 1x30"}, {"MailhookWorkerDied"}),
        ({'mailhook_warnings_total{event="settings-kept"}': "0x30 1x30"}, {"MailhookSettingsKept"}),
    ],
)
def test_an_alert_is_raised_when_it_should_be(
    tmp_path: Path, series: dict[str, str], alerts: set[str]
) -> None:
    """Each figure once a minute for an hour, in the notation of `promtool test rules`; all the others stand still."""
    assert PROMTOOL is not None
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "mailhook", "rules": rules()}]}), encoding="utf-8"
    )
    standing = {"mailhook_processes": "1x60", 'up{job="mailhook"}': "1x60"}
    asked = [
        {
            "expr": f'count(ALERTS{{alertstate="firing", alertname="{rule["alert"]}"}})',
            "eval_time": "50m",
            "exp_samples": [{"labels": "{}", "value": 1}] if rule["alert"] in alerts else [],
        }
        for rule in rules()
    ]
    inputs = [{"series": name, "values": values} for name, values in {**standing, **series}.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": asked}
    file = tmp_path / "test.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}),
        encoding="utf-8",
    )
    said = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
