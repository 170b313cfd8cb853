"""Templates as leaves of data: types are kept, what is wrong is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.templates import OMIT, Leaf, Tree, UrlLeaf, leaves, names
from mailhook.errors import Misconfigured

VALUES: dict[str, object] = {
    "topic": 'a "b" \\ {c}',
    "list": [{"x": 1}, 2],
    "flag": True,
    "number": 7,
    "nothing": None,
    "omit": OMIT,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ list }}", [{"x": 1}, 2]),
        (" {{- list -}} ", [{"x": 1}, 2]),
        ("{{ flag }}", True),
        ("{{ number }}", 7),
        ("{{ number + 1 }}", 8),
        ("{{ nothing }}", None),
        ("{{ topic }}", 'a "b" \\ {c}'),
        ("{{ topic[:3] }}", 'a "'),
        ("{{ number if flag else 0 }}", 7),
        ("{{ {'a': number} }}", {"a": 7}),
        ("{{ number }}{{ number }}", "77"),
        ("n={{ number }}", "n=7"),
        ("{% if flag %}yes{% endif %}", "yes"),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_a_leaf(source: str, value: object) -> None:
    assert Leaf(source).value(VALUES) == value


@pytest.mark.parametrize(
    "names", ["table.a", "table.keys", "table.b", "table.b.c", "topic._x", "topic.__class__", "x.y"]
)
def test_names_alone_mean_what_they_mean_in_an_expression(names: str) -> None:
    values = {**VALUES, "table": {"a": 7}}

    def outcome(source: str) -> object:
        try:
            return Leaf(source).value(values)
        except Misconfigured as error:
            return str(error).replace(source.strip("{}- "), names)

    assert outcome(f"{{{{ {names} }}}}") == outcome(f"{{{{ ({names}) }}}}")


def test_a_tree_keeps_all_but_its_leaves() -> None:
    source = {"a": ["{{ number }}", 3, {"b": "x{{ number }}"}], "c": True, "d": 1.5, "e": {}}
    assert Tree(source).value(VALUES) == {"a": [7, 3, {"b": "x7"}], "c": True, "d": 1.5, "e": {}}


def test_what_is_to_be_left_out() -> None:
    source = {"a": "{{ omit }}", "b": ["{{ omit }}", 1], "c": {"d": "{{ nothing or omit }}"}}
    assert Tree(source).value(VALUES) == {"b": [1], "c": {}}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"a": {"b": ["{{ topik }}"]}}, "a.b[0]: there is no variable topik"),
        ({"a": "x {{ topik }}"}, "a: there is no variable topik"),
        ({"a": "{{ number.start }}"}, "a: there is no variable number.start"),
        ({"a": "at {{ number.start }}"}, "a: there is no variable that ends in .start"),
        ({"a": "{{ number / 0 }}"}, "a: cannot be rendered: division by zero"),
        ({"a": "{{ topic.__class__ }}"}, "a: "),
        ({"a": "{{ ''.__class__.__mro__ }} x"}, "a: "),
        ({"a": "{% for %}"}, "a: is no template"),
        ({"a": "{{ number | frobnicate }}"}, "a: is no template"),
    ],
)
def test_what_is_wrong_is_named(source: object, words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Tree(source).value(VALUES)
    assert str(caught.value).startswith(words)


def test_what_goes_into_a_path_is_encoded() -> None:
    assert UrlLeaf("a/{{ x }}/b?c={{ y }}").text({"x": "../d e", "y": "ü&"}) == "a/..%2Fd%20e/b?c=%C3%BC%26"
    assert UrlLeaf("{{ x }}").text({"x": "/"}) == "%2F"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_becomes_a_template(topic: str, other: str) -> None:
    values = {"topic": topic, "other": other}
    assert Tree({"a": "{{ topic }}", "b": "{{ topic }}|{{ other }}"}).value(values) == {
        "a": topic,
        "b": f"{topic}|{other}",
    }


def test_leaves_and_names() -> None:
    assert list(leaves({"a": ["x", {"b": "y"}], "c": 1})) == [("a[0]", "x"), ("a[1].b", "y")]
    assert names("{{ a.b }}{% for x in c %}{{ x }}{% endfor %}") == {"a", "c"}
