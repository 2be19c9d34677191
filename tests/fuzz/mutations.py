"""Ways to damage a file: each takes the bytes of a valid one and a random generator, and gives other bytes.

Some know the form (JSON, TOML, CSV, journal lines, a torch or model zip), so that damage gets past the parser.
"""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

OUTSIDE = ("../../victim/thesis", "Polyp/../../../victim/thesis", "..", ".", "/etc/hostname", "C:\\victim", "a/../b")
TEXTS = (*OUTSIDE, "", " ", "\x00", "\x1b[2J", "a" * 70_000, "ä\u202e", "\ud800", "NaN", "1e999", "-0", "None", "x/y")
_RAW = {"@huge@": "1" + "0" * 400, "@deep@": "[" * 5000 + "]" * 5000, "@nan@": "NaN", "@long@": "7" * 5000}
"""Stand-ins for what ``json.dumps`` does not write."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, 2**31, 2**53, 2**63, -(2**63), 1e300, -1e300, 1e-320),
    *([], {}, [[]], [None], {"a": {}}, [1, 2, 3], ["x"], {"": ""}, *TEXTS, *_RAW),
)
BYTES = (b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")
BYTES_OF_TEXT = (b"{", b"[", b'"', b"\n", b",", b"\xe4", b"\xef\xbb\xbf", b"\r\n", b"=", b"-")
WHOLE = (b"", b"\n", b"\x00" * 100, b"[" * 200_000, b"{}", b"[]", b"null", b"\xe4\xf6\xfc\n", b"9" * 5000, b'"')
TOML_VALUES = (
    *("1" * 5000, "[" * 3000, "3", "-1", "1e300", "nan", "-inf", "2020-01-01", "true", '""', '"\\u0000"', "[]", "{}"),
    *('"../../victim"', "[[]]", '["x", 3]', "0x7fffffffffffffffffff", "1979-05-27T07:32:00Z", '"' + "a" * 9000 + '"'),
)


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat or insert; mostly near the beginning, where headers are."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        end = len(data) if rng.random() < 0.4 else min(len(data), 600)
        place = rng.randrange(end) if end else 0
        match rng.randrange(6):
            case 0 if data:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                new = rng.choice(BYTES)
                data[place : place + len(new)] = new
            case 2:
                del data[place : place + rng.choice((1, 4, 50, 10_000))]
            case 3:
                data[place:place] = data[place : place + rng.choice((1, 12, 300))] * rng.choice((1, 2, 50))
            case 4:
                data[place:place] = rng.choice((*BYTES, *BYTES_OF_TEXT))
            case _:
                del data[place:]
    return bytes(data)


def of_whole(_content: bytes, rng: random.Random) -> bytes:
    """Something else in its place."""
    return rng.choice(WHOLE)


def of_json(content: bytes, rng: random.Random) -> bytes:
    """Another value, a field more or fewer, anywhere in the tree."""
    tree = [json.loads(content)]
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        _change(rng.choice(list(_containers(tree))), rng)
    return _dumped(tree[0])


def of_json_lines(content: bytes, rng: random.Random) -> bytes:
    """One line of several changed as JSON, doubled, dropped or moved."""
    lines = content.split(b"\n")
    place = rng.randrange(max(1, len(lines) - 1))
    if rng.random() < 0.75 and lines[place]:
        lines[place] = of_json(lines[place], rng)
    else:
        lines.insert(rng.randrange(len(lines)), lines.pop(place) if rng.random() < 0.5 else lines[place])
    return b"\n".join(lines)


def of_journal(content: bytes, rng: random.Random) -> bytes:
    """A record changed, with its CRC right again."""
    lines = content.split(b"\n")
    place = rng.randrange(max(1, len(lines) - 1))
    text = of_json(lines[place][9:], rng)
    lines[place] = b"%08x %s" % (zlib.crc32(text), text)
    return b"\n".join(lines)


def of_toml(content: bytes, rng: random.Random) -> bytes:
    """Another value of a field, a line fewer, or a line twice."""
    lines = content.decode().split("\n")
    places = [number for number, line in enumerate(lines) if "=" in line]
    place = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[place])
        case _:
            lines[place] = f"{lines[place].partition('=')[0]}= {rng.choice(TOML_VALUES)}"
    return "\n".join(lines).encode()


def of_csv(content: bytes, rng: random.Random) -> bytes:
    """Another cell, a column fewer, a line that is too long."""
    lines = [line.split(",") for line in content.decode().split("\n")]
    line = rng.choice(lines)
    place = rng.randrange(len(line))
    match rng.randrange(4):
        case 0:
            del line[place]
        case 1:
            line.insert(place, "1")
        case _:
            line[place] = str(rng.choice((*TEXTS, "1e400", "-1", "1.5", "9" * 400, "0x10", "true", "inf")))
    return "\n".join(map(",".join, lines)).encode("utf-8", "surrogatepass")


def of_zip(content: bytes, rng: random.Random) -> bytes:
    """A member with other bytes, another name or flag, its check sum right again."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        members = old.infolist()
        chosen = rng.choice(members)
        for info in members:
            data, name = old.read(info), info.filename
            if info is chosen and rng.random() < 0.2:
                name = rng.choice((*OUTSIDE, "a" * 300, "x.json"))
            elif info is chosen:
                data = (of_json if name.endswith(".json") and rng.random() < 0.7 else of_bytes)(data, rng)
            new.writestr(name, data)
    return target.getvalue()


def _containers(tree: Any) -> Any:
    if isinstance(tree, dict | list):
        if tree:
            yield tree
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _containers(value)


def _change(container: Any, rng: random.Random) -> None:
    key = rng.choice(list(container)) if isinstance(container, dict) else rng.randrange(len(container))
    match rng.randrange(8):
        case 0:
            del container[key]
            if isinstance(container, list) and not container:
                container.append(None)
        case 1 if isinstance(container, dict):
            container[rng.choice(("new", "__class__", "", "a" * 5000))] = rng.choice(VALUES)
        case 2 if isinstance(container, list):
            container.extend([container[key]] * rng.choice((1, 2, 100)))
        case _:
            container[key] = rng.choice(VALUES)


def _dumped(tree: Any) -> bytes:
    text = json.dumps(tree, ensure_ascii=False)
    text = re.sub('"(@[a-z]+@)"', lambda found: _RAW[found[1]], text)
    return text.encode("utf-8", "surrogatepass")
