"""What templates may do, and what they are refused before any mail comes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from mailhook.core.confined import LONGEST_OUTPUT, LONGEST_SOURCE, Faults, Sources
from mailhook.core.dates import Locale, Timing, values
from mailhook.errors import Misconfigured

START = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
VALUES: dict[str, object] = {
    "link": "https://vm.example/?a=1&b=2",
    "topic": '<b>"x"',
    "people": ["Anna", "<Boris>"],
    "test": False,
    "number": 3,
    **values(Timing(START, START + timedelta(hours=1)), Locale.parse("en")),
}
OTHERS = {
    "en/part.txt.j2": "part of {{ topic }}",
    "en/part.html.j2": "<i>{{ topic }}</i>",
    "en/nested.txt.j2": "{% include 'en/part.txt.j2' %}",
    "en/broken.txt.j2": "one\n{{ tpoic }}",
}


def rendered(source: str, name: str = "en/body.txt.j2") -> str:
    return Sources({**OTHERS, name: source}).tried(name, [VALUES]).render(VALUES)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{ link }}", "https://vm.example/?a=1&b=2"),
        ("{% if test %}a{% elif topic and not test %}b{% else %}c{% endif %}", "b"),
        ("{{ 'TEST' if test else 'x' }}{# a comment #}", "x"),
        (
            "{% for x in people %}{{ loop.index }} {{ x }}{% if not loop.last %},{% endif %}{% endfor %}",
            "1 Anna,2 <Boris>",
        ),
        ("{{ people | join(' and ') }}", "Anna and <Boris>"),
        ("{{ people | join }}", "Anna, <Boris>"),
        ("{{ topic | upper }}{{ topic | length }}{{ topic | truncate(2, true, '…', 0) }}", '<B>"X"6<…'),
        ("{{ topic[:3] }}{{ people[0] }}", "<b>Anna"),
        ("{{ 'a' ~ topic ~ 1 }}", 'a<b>"x"1'),
        ("{{ '' | default('d', true) }}", "d"),
        ("{% set name = 'TEST' if test else 'x' %}{{ name }}", "x"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ link | urlencode }}", "https%3A//vm.example/%3Fa%3D1%26b%3D2"),
        ("{% if number in (1, 3) and number > 2 and number is odd %}yes{% endif %}", "yes"),
        ("a {% include 'en/part.txt.j2' %}", 'a part of <b>"x"'),
        (
            "{{ start | date('d MMMM y') }}|{{ start | time('HH:mm') }}|{{ '' | date }}",
            "10 March 2026|09:30|",
        ),
    ],
)
def test_what_a_template_may_do(source: str, text: str) -> None:
    assert rendered(source) == text


@pytest.mark.parametrize(
    ("source", "html"),
    [
        (
            '<a href="{{ link }}">{{ topic }}</a>',
            '<a href="https://vm.example/?a=1&amp;b=2">&lt;b&gt;&#34;x&#34;</a>',
        ),
        ("{{ people | join('<br>') }}", "Anna&lt;br&gt;&lt;Boris&gt;"),
        ("{{ when }}", "Tuesday, March 10, 2026, 9:30 AM – 10:30 AM (UTC)"),
        ("{% include 'en/part.html.j2' %}", "<i>&lt;b&gt;&#34;x&#34;</i>"),
        ("{{ '<' ~ topic }}", "&lt;&lt;b&gt;&#34;x&#34;"),
    ],
)
def test_html_escapes_whatever_is_put_into_it(source: str, html: str) -> None:
    assert rendered(source, "en/body.html.j2") == html


def test_join_escapes_what_is_not_escaped_yet() -> None:
    sources = Sources({"x.html.j2": "{{ people | join(between) }}"})
    given = {"people": ["<", Markup("&lt;")], "between": Markup("<br>")}
    assert sources.tried("x.html.j2", [given]).render(given) == "&lt;<br>&lt;"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("ok\n{{ link", "line 2: unexpected end of template"),
        ("ok\n\n{{ lnik }}", "line 3: there is no variable lnik"),
        ("{% if test %}\n{{ lnik }}{% endif %}", "line 2: there is no variable lnik"),
        ("{{ range(10 ** 9) }}", "line 1: a template calls nothing"),
        ("{% for x in range(1000000000) %}{% endfor %}", "line 1: a template calls nothing"),
        ("{% for x in people %}\n{% for y in people %}{% endfor %}{% endfor %}", "line 2: neither a for nor"),
        ("{% for x in people recursive %}{{ loop(people) }}{% endfor %}", "line 1: a template calls nothing"),
        ("{% for x in people %}{% include 'en/part.txt.j2' %}{% endfor %}", "line 1: neither a for nor"),
        ("{{ 'x' * 1000000000 }}", "line 1: a template calculates nothing"),
        ("{{ 10 ** 10 ** 10 }}", "line 1: a template calculates nothing"),
        ("{{ '%1000000000d' % 1 }}", "line 1: a template calculates nothing"),
        ("{{ topic + topic }}", "line 1: a template calculates nothing"),
        ("{{ 1 / 0 }}", "line 1: a template calculates nothing"),
        ("{{ topic.upper() }}", "line 1: a template calls nothing"),
        ("{{ '{:>1000000000}'.format(1) }}", "line 1: a template calls nothing"),
        (
            "{{ topic | center(1000000000) }}",
            "line 1: there is no filter center; there are capitalize, d, date",
        ),
        ("{{ topic | replace('x', topic) }}", "line 1: there is no filter replace"),
        ("{{ topic | safe }}", "line 1: there is no filter safe"),
        ("{{ people | attr('__class__') }}", "line 1: there is no filter attr"),
        ("{{ people | map('upper') }}", "line 1: there is no filter map"),
        ("{{ topic.__class__ }}", "line 1: there is nothing in a variable that .__class__ could read"),
        ("\n{{ start.year }}", "line 2: there is nothing in a variable that .year could read"),
        ("{{ topic['__class__'] }}", "line 1: access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ start['at'] }}", "line 1: access to attribute 'at' of 'Moment' object is unsafe"),
        ("{% for x in people %}{{ loop.__init__ }}{% endfor %}", "line 1: access to attribute '__init__'"),
        ("{% for x in people %}{{ loop._iterator }}{% endfor %}", "line 1: access to attribute '_iterator'"),
        ("{% set x = topic ~ topic %}", "line 1: set takes one value"),
        ("{% set x = [topic, topic] %}", "line 1: set takes one value"),
        ("{% set x = ('a' if test else topic ~ topic) %}", "line 1: set takes one value"),
        ("{% set x, y = people %}", "line 1: set takes one value"),
        ("{% set x %}{{ topic }}{% endset %}", "line 1: set takes one value"),
        ("{% with x = topic %}{% endwith %}", "line 1: a template has no with"),
        ("{% filter upper %}x{% endfilter %}", "line 1: a filter stands behind a value"),
        ("{% macro m() %}{% endmacro %}", "line 1: a template has no macros"),
        ("{% import 'en/part.txt.j2' as p %}", "line 1: a template imports nothing"),
        ("{% from 'en/part.txt.j2' import p %}", "line 1: a template imports nothing"),
        ("{% extends 'en/part.txt.j2' %}", "line 1: a template extends no other one"),
        ("{% block b %}{% endblock %}", "line 1: a template has no blocks"),
        (
            "{% autoescape false %}{{ topic }}{% endautoescape %}",
            "line 1: a template does not switch escaping",
        ),
        ("{% include 'en/nowhere.txt.j2' %}", "line 1: there is no template en/nowhere.txt.j2"),
        ("{% include '/etc/passwd' %}", "line 1: there is no template /etc/passwd"),
        ("{% include topic %}", "line 1: include names one file"),
        ("{% include ['a', 'b'] %}", "line 1: include names one file"),
        ("{% include 'en/part.html.j2' %}", "line 1: text includes text, and HTML includes HTML"),
        ("{% include 'en/body.txt.j2' %}", "line 1: a template that is included includes no other one"),
        ("{% include 'en/nested.txt.j2' %}", "line 1: a template that is included includes no other one"),
        ("{% if topic is strange %}{% endif %}", "line 1: No test named 'strange'"),
        ("{{ topic | date }}", "line 1: date and time are filters for start and end"),
        ("{{ start | date('" + "d" * 41 + "') }}", "line 1: a pattern has 1 to 40 characters"),
        ("{{ number | join }}", "line 1: 'int' object is not iterable"),
        ("{{ " + "(" * 5000 + "topic" + ")" * 5000 + " }}", "maximum recursion depth exceeded"),
        ("{% if test %}" * 150 + "{% endif %}" * 150, "too many"),
        ("x" * (LONGEST_SOURCE + 1), f"is longer than {LONGEST_SOURCE} characters"),
    ],
)
def test_what_a_template_is_refused(source: str, words: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(words)) as caught:
        rendered(source)
    assert str(caught.value).startswith("template en/")


def test_a_fault_is_told_of_the_file_in_which_it_stands() -> None:
    with pytest.raises(
        Misconfigured, match=re.escape("template en/broken.txt.j2, line 2: there is no variable tpoic")
    ):
        rendered("{% include 'en/broken.txt.j2' %}")


@pytest.mark.parametrize("source", ["{{ people | join }}", "{% for each in people %}{{ each }}{% endfor %}"])
def test_what_becomes_too_long_is_stopped(source: str) -> None:
    text = Sources({"x.txt.j2": source}).tried("x.txt.j2", [VALUES])
    with pytest.raises((Misconfigured, SecurityError), match=f"more than {LONGEST_OUTPUT} characters"):
        text.render({**VALUES, "people": ["x" * 1000] * 1000})


def test_all_faults_are_told_at_once() -> None:
    faults = Faults()
    faults.tell()
    for name in ("a", "b"):
        with faults.gathered():
            raise Misconfigured(name)
    with pytest.raises(Misconfigured, match=r"^a\nb$"):
        faults.tell()
