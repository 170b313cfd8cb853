import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import contentlines
from mailhook.core.contentlines import Component, fold, fold_in, read, unfold, write
from mailhook.core.splices import Splice, apply
from mailhook.errors import Unreadable

PLAIN_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")))


def calendar(*lines: bytes, line_end: bytes = b"\r\n") -> bytes:
    return line_end.join((b"BEGIN:VCALENDAR", *lines, b"END:VCALENDAR", b""))


def only_line(data: bytes) -> contentlines.ContentLine:
    (line,) = read(calendar(data)).lines
    return line


@pytest.mark.parametrize(
    ("source", "name", "params", "value"),
    [
        (b"SUMMARY:a:b;c", "SUMMARY", (), "a:b;c"),
        (b"dtstart;tzid=X:1", "DTSTART", (("TZID", "X"),), "1"),
        (b'A;CN="Doe, J; x:y";ROLE=R:mailto:a@b', "A", (("CN", "Doe, J; x:y"), ("ROLE", "R")), "mailto:a@b"),
        (b'A;MEMBER="mailto:a@b","mailto:c@d":v', "A", (("MEMBER", "mailto:a@b,mailto:c@d"),), "v"),
        (b"A;CN=^'x^' ^^ ^n:v", "A", (("CN", '"x" ^ \n'),), "v"),
        (b'A;CN="unclosed:v', "A", (("CN", "unclosed"),), "v"),
        (b"A;NOVALUE:v", "A", (("NOVALUE", ""),), "v"),
        (b"no colon at all", "", (), "no colon at all"),
        (b"odd name: v", "", (), "odd name: v"),
        (b"SUM\r\n MARY:a\r\n\tb", "SUMMARY", (), "ab"),
        (b"SUMMARY:\xd0\r\n \xb2", "SUMMARY", (), "в"),
        (b"SUMMARY:\xe9", "SUMMARY", (), "é"),
    ],
)
def test_lines(source: bytes, name: str, params: tuple[tuple[str, str], ...], value: str) -> None:
    line = only_line(source)
    assert (line.name, line.params, line.value) == (name, params, value)


def test_a_calendar_in_its_own_charset() -> None:
    root = read(calendar("LOCATION:Видеомост".encode("cp1251")), "cp1251")
    assert root.value("LOCATION") == "Видеомост"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r\r\n"])
def test_components_and_offsets(line_end: bytes) -> None:
    data = b"\xef\xbb\xbf" + calendar(
        b"METHOD:REQUEST", b"", b"BEGIN:vevent", b"UID:1", b" 2", b"BEGIN:VALARM", b"END:VALARM", b"END:VEVENT",
        line_end=line_end,
    )  # fmt: skip
    root = read(data)
    (event,) = root.children
    (uid,) = event.lines
    assert (root.value("METHOD"), event.name, uid.value) == ("REQUEST", "VEVENT", "12")
    assert data[uid.start : uid.end] == b"UID:1" + line_end + b" 2" + line_end
    assert data[event.start : event.end].startswith(b"BEGIN:vevent")
    assert data[event.closing : event.end] == b"END:VEVENT" + line_end
    assert data[event.children[0].start :].startswith(b"BEGIN:VALARM")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BEGIN:VEVENT\nEND:VEVENT\n",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\n",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n",
        b"BEGIN:VCALENDAR\n" + b"BEGIN:X\n" * contentlines.MAX_DEPTH,
        b"BEGIN:VCALENDAR\n" + b"A:\n" * (contentlines.MAX_LINES + 1) + b"END:VCALENDAR\n",
        calendar(*[b"BEGIN:vevent", b"END:VEVENT"] * (contentlines.MAX_VEVENTS + 1)),
    ],
)
def test_no_calendar(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data)


def test_text_around_the_calendar_is_ignored() -> None:
    assert read(b"hello\n" + calendar(b"X:1") + b"BEGIN:VCALENDAR\n").value("X") == "1"


@pytest.mark.parametrize(
    ("value", "text"),
    [(r"a\nb\Nc", "a\nb\nc"), (r"\\n", r"\n"), (r"\,\;\\", ",;\\"), (r"\:", r"\:"), ("end\\", "end\\")],
)
def test_unescape(value: str, text: str) -> None:
    assert contentlines.unescape_text(value) == text


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t\\")))
def test_escaping_is_undone_by_unescaping(text: str) -> None:
    escaped = contentlines.escape_text(text)
    assert "\n" not in escaped
    assert contentlines.unescape_text(escaped) == text


@given(PLAIN_TEXT, PLAIN_TEXT, st.sampled_from([b"\n", b"\r\n"]))
def test_what_is_written_is_read_and_no_line_is_long(param: str, value: str, line_end: bytes) -> None:
    data = write("X-TEST", (("P", param),), value, line_end)
    physical = data.split(line_end)
    assert physical.pop() == b""
    assert all(len(each) <= contentlines.MAX_LINE for each in physical)
    for each in physical:
        each.decode()
    line = only_line(data[: -len(line_end)])
    assert line.value == value
    assert line.param("P") == param


def test_a_list_is_not_quoted_and_a_comma_in_a_value_is() -> None:
    written = write("C", (("FEATURE", "AUDIO"), ("FEATURE", "VIDEO"), ("LABEL", "a, b")), "v")
    assert written == b'C;FEATURE=AUDIO,VIDEO;LABEL="a, b":v\r\n'


@given(st.binary(max_size=400).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), st.integers(0, 100))
def test_folding_any_octets_is_undone_by_unfolding(content: bytes, column: int) -> None:
    folded, after = fold(content, b"\r\n", column)
    data = b"x" * column + folded
    assert unfold(data, 0, len(data)).content == b"x" * column + content
    assert len(data.split(b"\r\n")[-1]) == after


@given(st.text("aя🙂,;\\n ", max_size=200), st.text("bю\\;", max_size=200), st.data())
def test_an_edit_inside_a_folded_line(old: str, new: str, data: st.DataObject) -> None:
    source = write("DESCRIPTION", (), old)
    layer = unfold(source, 0, len(source))
    assert layer.content == f"DESCRIPTION:{old}".encode()
    at = data.draw(st.integers(0, len(old)))
    to = data.draw(st.integers(at, len(old)))
    start, end = (len(f"DESCRIPTION:{old[:offset]}".encode()) for offset in (at, to))
    edited = apply(source, fold_in(source, layer, [Splice(start, end, new.encode())], b"\r\n"))
    assert unfold(edited, 0, len(edited)).content == f"DESCRIPTION:{old[:at]}{new}{old[to:]}".encode()
    if new:
        assert max(map(len, edited.split(b"\r\n"))) <= contentlines.MAX_LINE
    assert edited.endswith(b"\r\n")


def spans(component: Component) -> list[tuple[int, int]]:
    children = [span for child in component.children for span in spans(child)]
    return [*((line.start, line.end) for line in component.lines), *children]


LINES = st.sampled_from(
    [
        b"BEGIN:VEVENT",
        b"END:VEVENT",
        b"END:VCALENDAR",
        b"A:1",
        b" x",
        b"\t",
        b"",
        b'A;"',
        b"B;C=D:e",
        b"\xff:\x00",
    ]
)


@given(st.lists(LINES, max_size=30), st.sampled_from([b"\n", b"\r\n"]))
def test_lines_are_disjoint_spans_in_order_within_their_calendar(lines: list[bytes], line_end: bytes) -> None:
    data = line_end.join((b"BEGIN:VCALENDAR", *lines))
    try:
        root = read(data)
    except Unreadable:
        return
    end = 0
    for start, stop in sorted(spans(root)):
        assert end <= start < stop <= root.end
        end = stop


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_unreadable(data: bytes) -> None:
    try:
        read(b"BEGIN:VCALENDAR\n" + data + b"\nEND:VCALENDAR")
    except Unreadable:
        return


@given(st.lists(st.text('aB;:=", -x', min_size=1, max_size=12), max_size=6))
def test_a_line_reads_the_same_wherever_it_stands(texts: list[str]) -> None:
    """What is remembered of one line's head does not change the next one's."""

    def read_lines(*rows: str) -> list[contentlines.ContentLine]:
        calendar = "\r\n".join(("BEGIN:VCALENDAR", *rows, "END:VCALENDAR", ""))
        return [line._replace(start=0, end=0) for line in read(calendar.encode()).lines]

    texts = [f"X{text.strip()}" for text in texts]
    assert read_lines(*texts, *texts) == [*read_lines(*texts), *read_lines(*texts)]
    assert read_lines(*texts) == [line for text in texts for line in read_lines(text)]
