"""What strangers write into bodies, options, names, headers and addresses, sound and broken."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

from benchmarks.fuzz.mutation import mutate
from benchmarks.fuzz.seeds import whole

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 256, 1e308, -0.0, 0.5, 2**31, 2**53 + 1, 2**63, 2**64,
    -(2**63), "", " ", "a", "7",
    "true", "null", "NaN", "\x00", "ü", "\u202e", "\U0001f600", "a" * 300, [], {}, [[]], [{}],
    {"a": {"b": []}}, [0] * 50,
)  # fmt: skip
_OPTIONS: dict[str, tuple[Any, ...]] = {
    "mode": ("classify", "classify", "digit", "number"),
    "model": ("digits", "digits@1.0.0", "@", "a@b@c"),
    "template": ("ballot", ""),
    "target_error": (0.001, "0.01", 0, 1, "nan", "inf", "1e-400"),
    "priority": ("low", "normal", "high"),
    "webhook_url": ("https://example.org/hook", "http://127.0.0.1/"),
    "webhook_events": (["job.completed"], ["job.started", "job.progress"], "job.completed", ["x"], []),
    "metadata": (
        {},
        {"a": "b"},
        '{"a": "b"}',
        "{",
        {"a" * 65: "b"},
        {str(i): "x" for i in range(17)},
        '{"a":1}',
    ),
    "deadline_s": (1, 60, "60", 0, -1, 1.5, "1e3", 31_536_001, "９"),
    "name": ("Ballots 17", "a" * 201, "\x00"),
}
_JSON_WORDS = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\u0000", b"\\ud800", b"\\", b"null", b"NaN",
    b"1e999", b"-", b"\xff", b"\xef\xbb\xbf",
    b'"images":', b'"pixels":', b'"data":', b"/*", b"[" * 500, b'{"a":' * 300,
)  # fmt: skip
_FORM_WORDS = (
    b"\r\n--b\r\n", b"\r\n--b--\r\n", b"--b", b"\r\n", b"\n", b"\r", b"\r\n\r\n",
    b"Content-Disposition: form-data; name=\"files\"",
    b"filename=\"\"", b"filename*=utf-8''%00.png", b"Content-Type: ",
    b"Content-Transfer-Encoding: base64", b'"', b";", b"\x00",
)  # fmt: skip
_NAME_PARTS = (
    "a", ".", "..", "/", "\\", "C:", "c:", "\x00", "\n", "\u202e", "\ud800", ".png", ".PNG",
    ".zip", ".txt", "__MACOSX", " ",
    "?", "%2e", "ü", "字", "\ufeff", "Thumbs.db", "desktop.ini", "\u2028", "\U0001f600", "x" * 400,
)  # fmt: skip
_URL_PARTS = (
    "https://", "http://", "HTTPS://", "//", "example.org", "127.0.0.1", "localhost", "[::1]",
    "[2606:4700::1111]", "0x7f.1",
    "xn--bcher-kva.de", "bücher.de", "１２７", "。", "@", ":", ":443", ":8443", ":80", "/", "\\", "?",
    "#", "%", "%2e", "%00", "..",
    ".", "-", "_", " ", "\t", "\n", "\u200b", "&", ";", "=", "a" * 70, "user:pw@",
    "[fe80::1%25lo]", "169.254.169.254", "::", "0",
)  # fmt: skip
_HEADER_PARTS = (
    "wait=", "wait", "=", "5", "60", "999999", "-1", ",", ";", " ", '"', "respond-async", "job_",
    "0198f6", "f" * 32, "W/", "*",
    "text/csv", "application/json", "application/*", "*/*", ";q=", "0.5", "nan", "inf", "1e9",
    "-0", "\t", "é", "²", "\x00",
    "attachment; filename=", "filename*=UTF-8''", "%", "%00", "%ff", "A" * 22, "==", "00-",
    "a" * 300, "\\", "=?utf-8?B?",
)  # fmt: skip


def make_json(chance: Random) -> bytes:
    """Make the JSON body of a submission; half of them damaged as text."""
    document: Any = _options(chance)
    document["images"] = [_image(chance) for _ in range(chance.choice((0, 1, 1, 2, 5)))]
    if chance.random() < 0.1:
        document["images"] = chance.choice(_ODD)
    if chance.random() < 0.05:
        document = chance.choice((document["images"], [document], chance.choice(_ODD)))
    text = json.dumps(document, ensure_ascii=chance.random() < 0.5, allow_nan=True).encode(
        "utf-8", "surrogatepass"
    )
    return mutate(text, chance, most=3, words=_JSON_WORDS) if chance.random() < 0.5 else text


def _options(chance: Random) -> dict[str, Any]:
    """Choose some options, a few with values of another kind."""
    chosen = chance.sample(list(_OPTIONS), chance.choice((0, 0, 1, 2, 4)))
    given = {key: chance.choice(_ODD if chance.random() < 0.1 else _OPTIONS[key]) for key in chosen}
    if chance.random() < 0.05:
        given[chance.choice(("", "files", "unknown", "__proto__", "a" * 300))] = chance.choice(_ODD)
    return given


def _image(chance: Random) -> Any:
    """Make one image: data, pixels, both, or something else."""
    image: dict[str, Any] = {}
    if chance.random() < 0.7:
        image["custom_id"] = chance.choice(("a", "b", "c/d.png", "e", chance.choice(_ODD)))
    if chance.random() < 0.5:
        text = base64.b64encode(chance.choice(whole("png"))[:600]).decode()
        prefix = chance.choice(
            ("data:image/png;base64,", "", "data:;base64,", "data:,", "data:a;b=c;base64,")
        )
        image["data"] = prefix + (
            text if chance.random() < 0.7 else mutate(text.encode(), chance).decode("latin-1")
        )
    else:
        width = chance.choice((1, 3, 28))
        image["pixels"] = [[chance.choice((0, 128, 255)) for _ in range(width)] for _ in range(width)]
        if chance.random() < 0.15:
            image["pixels"][chance.randrange(width)] = chance.choice((*_ODD, [chance.choice(_ODD)] * width))
    if chance.random() < 0.1:
        image[chance.choice(("data", "pixels", "name", "custom_id", "x"))] = chance.choice(_ODD)
    return image if chance.random() < 0.97 else chance.choice(_ODD)


def make_form(chance: Random) -> bytes:
    """Make a multipart body with the boundary `b`; half of them damaged."""
    parts = [_part(chance) for _ in range(chance.choice((0, 1, 1, 2, 4)))]
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return mutate(body, chance, words=_FORM_WORDS) if chance.random() < 0.5 else body


def _part(chance: Random) -> bytes:
    """Make one part: a file, or an option."""
    if chance.random() < 0.5:
        name, data = chance.choice(("files", "file", "other", "")), chance.choice(whole("gif"))[:300]
        label = "".join(chance.choices(_NAME_PARTS, k=chance.randrange(4))).encode("utf-8", "replace")
        head = b'Content-Disposition: form-data; name="%s"; filename="%s"' % (name.encode(), label)
        return head + chance.choice((b"", b"\r\nContent-Type: image/gif", b"\r\nX: y")) + b"\r\n\r\n" + data
    key = chance.choice((*_OPTIONS, "unknown"))
    value = str(chance.choice(_OPTIONS.get(key, _ODD))).encode("utf-8", "replace")
    return b'Content-Disposition: form-data; name="%s"\r\n\r\n' % key.encode() + value


def make_pairs(chance: Random) -> bytes:
    """Make options as pairs of texts, as JSON of the list."""
    pairs = [
        [key, value if isinstance(value, str) else json.dumps(value)]
        for key, value in _options(chance).items()
    ]
    for pair in pairs:
        if chance.random() < 0.2:
            pair[1] = mutate(pair[1].encode(), chance).decode("utf-8", "replace")
    if pairs and chance.random() < 0.1:
        pairs.append(list(chance.choice(pairs)))
    return json.dumps(pairs).encode()


def make_name(chance: Random) -> bytes:
    """Make a file's name as bytes."""
    name = "".join(chance.choices(_NAME_PARTS, k=chance.randrange(8))).encode("utf-8", "surrogatepass")
    return mutate(name, chance) if chance.random() < 0.3 else name


def make_url(chance: Random) -> bytes:
    """Make a webhook's URL."""
    start = chance.choice(
        ("https://", "https://example.org", "https://example.org/", "https://example.org/?", "http://", "")
    )
    text = start + "".join(chance.choices(_URL_PARTS, k=chance.choice((0, 1, 1, 2, 3, 5))))
    data = text.encode()
    return mutate(data, chance, most=2) if chance.random() < 0.3 else data


def make_header(chance: Random) -> bytes:
    """Make the value of a header or a query parameter."""
    data = "".join(chance.choices(_HEADER_PARTS, k=chance.randrange(1, 7))).encode()
    return mutate(data, chance, most=2) if chance.random() < 0.3 else data
