"""Whatever stands in a template, reading it ends, and ends well or with a fault that names it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailhook.core.confined import LONGEST_OUTPUT, Sources
from mailhook.core.wording import SAMPLE
from mailhook.errors import Misconfigured

VALUES: dict[str, object] = {"link": SAMPLE.link, "topic": SAMPLE.topic, "people": ["a", "<b>"], "test": True}
WORDS = """{{ }} {% %} {# #} {{- -%} ( ) [ ] { } ' " : link topic people test loop x y nothing 1 999999999999999999 ''
'ru/other.txt.j2' | ~ . , = == + - * ** / // % < > if elif else endif for in endfor recursive set endset include
import extends block endblock macro endmacro call endcall filter endfilter raw endraw with endwith autoescape
endautoescape is not and or defined date time join upper truncate default length safe range __class__ attr"""
WHOLE = (
    "{% for x in people %}",
    "{% endfor %}",
    "{% if test %}",
    "{% endif %}",
    "{{ topic }}",
    "{{ x | join }}",
    "\n",
)
PIECES = st.lists(st.sampled_from([*WORDS.split(), *WHOLE]), max_size=30)
SOURCES = st.one_of(PIECES.map(" ".join), PIECES.map("".join), st.text(max_size=80))


def read(name: str, source: str) -> tuple[str, str]:
    """What comes of a template, or its fault."""
    sources = Sources({name: source, "ru/other.txt.j2": "{{ topic }}", "ru/other.html.j2": source})
    try:
        return sources.tried(name, [VALUES]).render(VALUES), ""
    except Misconfigured as fault:
        return "", str(fault)


@settings(max_examples=600, deadline=None)
@given(SOURCES, st.sampled_from(["ru/body.txt.j2", "ru/body.html.j2"]))
def test_reading_a_template_ends_well_or_with_a_fault(source: str, name: str) -> None:
    text, fault = read(name, source)
    assert len(text) <= LONGEST_OUTPUT
    assert not fault or fault.startswith("template ru/")
