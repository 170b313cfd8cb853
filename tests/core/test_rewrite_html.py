import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import html_scan, splice_html, text_blocks
from mailhook.core.splice_html import marked, place
from mailhook.core.splice_text import Text
from mailhook.core.splices import Position, apply

NEW = marked("<p>new</p>").encode()
OLD = marked("<p>old <div>x</div></p>").encode()
ID = OLD.partition(b'id="')[2].partition(b'"')[0]
STRIPPED = b'<div class=x id="x_' + ID + b'"><p>old<div>x</div></p></div>'
TEXT = text_blocks.marked("old<br><a href='x'>x</a>").encode()


def placed(data: bytes, position: Position) -> bytes:
    return apply(data, place(data, NEW, Text(position, b"\n")))


@pytest.mark.parametrize(
    ("data", "top", "bottom"),
    [
        (b"<html><body><p>x</body></html>", b"<html><body>@<p>x</body></html>", b"<html><body><p>x@</body></html>"),
        (b"<BODY\nclass='a>b'>x</BODY >", b"<BODY\nclass='a>b'>@x</BODY >", b"<BODY\nclass='a>b'>x@</BODY >"),
        (b"<p>x</p>", b"@<p>x</p>", b"<p>x</p>@"),
        (b"<html><p>x</html>\n", b"<html>@<p>x</html>\n", b"<html><p>x@</html>\n"),
        (b"<!DOCTYPE html>\n<p>x", b"<!DOCTYPE html>@\n<p>x", b"<!DOCTYPE html>\n<p>x@"),
        (b"<head></head>x", b"<head></head>@x", b"<head></head>x@"),
        (b"<body>x<!-- </body> -->", b"<body>@x<!-- </body> -->", b"<body>x<!-- </body> -->@"),
        (b"<body>x</body><!-- </body> -->", b"<body>@x</body><!-- </body> -->", b"<body>x@</body><!-- </body> -->"),
        (b"<style></body></style>x", b"@<style></body></style>x", b"<style></body></style>x@"),
        (b"<script>'</body>'</script>x", b"@<script>'</body>'</script>x", b"<script>'</body>'</script>x@"),
        (b'<a title="</body>">x', b'@<a title="</body>">x', b'<a title="</body>">x@'),
        (b"<![if !mso]><body>x</body><![endif]>", b"<![if !mso]><body>@x</body><![endif]>",
         b"<![if !mso]><body>x@</body><![endif]>"),
        (b"<body>x</body>y</body>", b"<body>@x</body>y</body>", b"<body>x</body>y@</body>"),
        (b"<!--[if !mso]><!--><body> <!--<![endif]-->x<!--[if !mso]><!--></body><!--<![endif]-->",
         b"<!--[if !mso]><!--><body> <!--<![endif]-->@x<!--[if !mso]><!--></body><!--<![endif]-->",
         b"<!--[if !mso]><!--><body> <!--<![endif]-->x@<!--[if !mso]><!--></body><!--<![endif]-->"),
        (b"<![if !mso]><body><![endif]>x<![if !mso]></body><![endif]>",
         b"<![if !mso]><body><![endif]>@x<![if !mso]></body><![endif]>",
         b"<![if !mso]><body><![endif]>x@<![if !mso]></body><![endif]>"),
        (b"a < b <3", b"@a < b <3", b"a < b <3@"),
        (b"<p>x<!-- open", b"@<p>x<!-- open", b"<p>x@<!-- open"),
        (b"<p>x<style>open", b"@<p>x<style>open", b"<p>x@<style>open"),
        (b'<p>x<a href="open', b'@<p>x<a href="open', b'<p>x@<a href="open'),
        (b"<!-->x<!--->y<!--a--!></body>", b"@<!-->x<!--->y<!--a--!></body>", b"<!-->x<!--->y<!--a--!>@</body>"),
        (b"", b"@", b"@"),
        (b"\xef\xbb\xbfx", b"\xef\xbb\xbf@x", b"\xef\xbb\xbfx@"),
    ],
)  # fmt: skip
def test_positions(data: bytes, top: bytes, bottom: bytes) -> None:
    assert placed(data, "top") == top.replace(b"@", NEW + b"\n")
    assert placed(data, "bottom") == bottom.replace(b"@", NEW + b"\n")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<body>a" + OLD + b"b</body>", b"<body>a@b</body>"),
        (b"a" + STRIPPED + b"b", b"a@b"),
        (b"a" + TEXT + b"b", b"a@b"),
        (OLD + b"a" + STRIPPED + b"b" + TEXT, b"@ab"),
        (b"a<div>" + STRIPPED + b"</div>b", b"a<div>@</div>b"),
        (b"<title>" + TEXT + b"</title><body>b", b"<title>" + TEXT + b"</title><body>@\nb"),
    ],
    ids=[
        "comments",
        "comments stripped",
        "text marks",
        "several",
        "inside a div",
        "marks that are not shown",
    ],
)
def test_an_older_block_is_replaced(data: bytes, expected: bytes) -> None:
    assert placed(data, "top") == expected.replace(b"@", NEW)


@pytest.mark.parametrize(
    "data",
    [b"<!--" * 100_000, b'<a ="' + b'" ="' * 20_000, b"<style>" * 50_000, b"<" * 100_000],
    ids=["comments", "quotes", "styles", "angles"],
)
def test_hostile_markup_gets_its_block_in_linear_time(data: bytes) -> None:
    assert NEW in placed(data, "bottom")


@pytest.mark.parametrize("data", [b"<!-->" * 50_000, OLD * 5_000, b"</body>" * 50_000])
def test_more_markup_than_anybody_writes_is_left_alone(data: bytes) -> None:
    assert placed(data, "bottom") == data


FRAGMENTS = st.sampled_from(
    [
        b"<html>",
        b"<body>",
        b"</body>",
        b"</html>",
        b"<!--",
        b"-->",
        b"<style>",
        b"</style>",
        b"<div>",
        b"</div>",
        b'<a x="',
        b'">',
        b"x",
        NEW,
        OLD,
        STRIPPED,
        TEXT,
        text_blocks.BEGIN.encode(),
        b"<!-- videomost:begin -->",
        b"<!-- videomost:end -->",
        b'<div id="videomost-conference">',
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map(b"".join), st.sampled_from(["top", "bottom"]))
def test_twice_is_once(data: bytes, position: Position) -> None:
    once = placed(data, position)
    assert NEW in once
    assert placed(once, position) == once


MARKUP = st.lists(
    st.sampled_from(
        [
            *(b"<", b">", b"/", b"=", b"'", b'"', b" ", b"\n", b"!", b"-", b"--", b"a", b"x:y", b"\xd0\xb6"),
            *(
                b"<p ",
                b"</p>",
                b"<table a=",
                b"<td>",
                b"<br/>",
                b"<xmpp>",
                b"<divx>",
                b"<bodyguard>",
                b"<s>",
                b"<title>",
            ),
            *(
                b"<div>",
                b"</DIV>",
                b"<Body",
                b"</body>",
                b"<html>",
                b"</head >",
                b"<style>",
                b"</style>",
                b"<!--",
                b"-->",
            ),
            *(b"<script>", b"</script>", b"<![if x]>", b"<?php", b"<textarea>", b"</textarea>"),
        ]
    ),
    max_size=30,
).map(b"".join)


@given(MARKUP, st.sets(st.integers(0, 300), max_size=4))
def test_what_is_skipped_is_what_need_not_be_noted(data: bytes, places: set[int]) -> None:
    """The quick scan finds what the scan of all markup finds."""
    wanted = {b"", *html_scan.NOTED}
    expected = [
        each
        for each in html_scan.tokens(data)
        if each.name.removeprefix(b"/") in wanted or any(each.start <= at < each.end for at in places)
    ]
    assert [*html_scan.noted(data, (at for at in places if at < len(data)))] == expected


def test_very_much_markup_is_left_alone() -> None:
    few = b"<body>" + b"<b>" * (splice_html.MAX_TAGS - 1)
    assert place(few, NEW, Text("bottom", b"\n"))
    assert place(few + b"<b>", NEW, Text("bottom", b"\n")) == []
