"""What must not be changed, and what the log says of mail that shows no calendar."""

import base64

import pytest

from mailhook.core import message, sealing

CLEAR = (
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nCome at nine\r\n"
    b"-----BEGIN PGP SIGNATURE-----\r\nx\r\n"
)
ENCRYPTED = b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEM\r\n-----END PGP MESSAGE-----\r\n"


def one(kind: str, body: bytes, encoding: str = "7bit") -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


def seals(raw: bytes) -> list[str]:
    whole = message.read(raw)
    return [sealing.seal(whole, part) for part in whole.parts]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("multipart/encrypted; boundary=b", "encrypted"),
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "encrypted"),
        ("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", "signed"),
        ("application/x-pkcs7-mime", "encrypted"),
        ("application/ms-tnef; name=winmail.dat", "tnef"),
        ("application/vnd.ms-tnef", "tnef"),
        ("Application/MS-TNEF", "tnef"),
        ("message/partial; id=a; number=1; total=2", "partial"),
        ('application/octet-stream; name="winmail.dat"', "tnef"),
        ("application/octet-stream\r\nContent-Disposition: attachment; filename=WINMAIL.DAT", "tnef"),
        ("application/octet-stream; name=smime.p7m", "encrypted"),
        ("application/octet-stream; name=smime.p7s", "signed"),
        ("application/octet-stream; name=mywinmail.dat", ""),
        ("application/pdf; name=smime.p7m", ""),
        ("application/octet-stream", ""),
        ("message/rfc822", ""),
        ("application/pgp-signature", ""),
        ("application/pgp-keys", ""),
        ("text/plain", ""),
    ],
)
def test_enclosures_and_what_the_first_octets_tell_of_them(kind: str, reason: str) -> None:
    alone = one(kind, b"x")
    beside = (
        b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\ntext\r\n--o\r\n"
        + alone
        + b"\r\n--o--\r\n"
    )
    for raw in (alone, beside):
        assert sealing.enclosure(message.read(raw)) == reason
        assert sealing.beginning(raw) == reason
        assert sealing.beginning(raw + b"x" * 200_000) == reason


def test_words_about_it_are_ordinary_mail() -> None:
    text = b"He sent multipart/encrypted, application/ms-tnef and winmail.dat\r\n> -----BEGIN PGP MESSAGE-----\r\n"
    assert sealing.beginning(one("text/plain", text)) == ""
    assert sealing.beginning(b"") == ""


def test_only_the_first_octets_are_looked_at() -> None:
    late = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n" + b"x" * sealing.BEGINNING
    late += b"\r\n--o\r\n" + one("application/ms-tnef", b"x")
    assert sealing.enclosure(message.read(late)) == "tnef"
    assert sealing.beginning(late) == ""


def test_what_cannot_be_read_is_ordinary_mail() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(30))
    assert sealing.beginning(deep + b"Content-Type: application/ms-tnef\n\nx") == ""


@pytest.mark.parametrize("armour", [CLEAR, ENCRYPTED], ids=["clear-signed", "encrypted"])
@pytest.mark.parametrize(
    ("kind", "encoding", "before"),
    [
        ("text/plain", "7bit", b""),
        ("text/plain; charset=utf-8", "8bit", b"Hello\r\n\r\n"),
        ("text/plain", "quoted-printable", b"=D0=B6\r\n"),
        ("text/plain", "base64", b"Hello\r\n"),
        ("text/html", "7bit", b"<html><body><pre>"),
        ("text/html", "base64", b"<p>Hello</p><pre>\r\n"),
        ("text/plain; name=invite.ics", "7bit", b""),
        ("text/x-unknown", "7bit", b""),
    ],
)
def test_a_text_in_armour_is_sealed(armour: bytes, kind: str, encoding: str, before: bytes) -> None:
    text = before + armour
    body = base64.encodebytes(text) if encoding == "base64" else text
    raw = one(kind, body, encoding)
    assert seals(raw) == ["pgp"]
    assert sealing.enclosure(message.read(raw)) == "pgp"
    assert sealing.beginning(raw) == ("" if encoding == "base64" else "pgp")


@pytest.mark.parametrize(
    "text",
    [
        b"> -----BEGIN PGP SIGNED MESSAGE-----\r\n> Hash: SHA256\r\n",
        b"The line -----BEGIN PGP MESSAGE----- comes first\r\n",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n",
        b"-----BEGIN CERTIFICATE-----\r\n",
    ],
)
def test_what_is_quoted_or_no_message_seals_nothing(text: bytes) -> None:
    assert seals(one("text/plain", text)) == [""]
    assert sealing.beginning(one("text/plain", text)) == ""


def test_an_attached_message_in_armour_is_no_text() -> None:
    assert seals(one("application/octet-stream; name=letter.asc", CLEAR)) == [""]


def test_what_a_signature_covers_is_sealed() -> None:
    inner = b"--b\n\nx\n--b\nContent-Type: application/pgp-signature\n\ny\n--b--\n"
    assert seals(b'Content-Type: multipart/signed; boundary="b"\n\n' + inner) == ["signed", "signed"]
    assert sealing.seals(message.read(b"\nx")) == ()
