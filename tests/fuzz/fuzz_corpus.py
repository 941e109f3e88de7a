"""Broken recordings and transcripts, made from good ones by a seeded generator.

A case is a handful of small files: a recording of one or two seconds and, mostly, its transcript
beside it, one of the two spoiled. The same good files and the same number give the same case.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

GOOD_SRT = (
    "1\n00:00:00,100 --> 00:00:00,900\nOn Monday I took my bicycle\n\n"
    "2\n00:00:01,000 --> 00:00:01,500\nto the shop.\n"
)
GOOD_VTT = (
    "WEBVTT\n\n00:00:00.100 --> 00:00:00.900\n<v Ann>On<00:00:00.400><c> Monday</c> I took\n\n"
    "00:00:01.000 --> 00:00:01.500 align:start\nmy bicycle.\n"
)
GOOD_JSON = json.dumps(
    {
        "text": "On Monday I took",
        "segments": [
            {
                "start": 0.1,
                "end": 0.9,
                "text": "On Monday I took",
                "words": [
                    {"word": " On", "start": 0.1, "end": 0.3, "probability": 0.9},
                    {"word": " Monday", "start": 0.3, "end": 0.6, "probability": 0.8},
                ],
            }
        ],
        "language": "en",
    }
)
GOOD_RTTM = (
    "SPEAKER case 1 0.10 0.80 <NA> <NA> ann <NA> <NA>\n"
    "SPEAKER case 1 1.00 0.50 <NA> <NA> bob <NA> <NA>\n"
)
GOOD_TEXT = "On Monday I took my bicycle to the shop.\n"
TRANSCRIPTS = {
    ".srt": GOOD_SRT,
    ".vtt": GOOD_VTT,
    ".json": GOOD_JSON,
    ".txt": GOOD_TEXT,
    ".rttm": GOOD_RTTM,
}
# One case in ten has no transcript, so that something has to listen to the damaged sound.
_SILENT_SHARE = 0.1
_TRANSCRIPT_SHARE = 0.3


class Case(NamedTuple):
    """One case: what was done to which file, the name of the recording, and all its files."""

    what: str
    media_name: str
    files: Mapping[str, bytes]


def make_case(number: int, good_media: Mapping[str, bytes]) -> Case:
    """Return case ``number``.

    Parameters
    ----------
    good_media : mapping
        Recordings by file ending, with the dot.
    """
    rng = random.Random(number)
    suffix = rng.choice(sorted(good_media))
    media = good_media[suffix]
    # The recording's number is in it, so that no case finds another's results in the cache.
    files: dict[str, bytes] = {}
    if rng.random() < _TRANSCRIPT_SHARE:
        kind = rng.choice(sorted(TRANSCRIPTS))
        mutate = rng.choice(TEXT_MUTATIONS)
        files[f"case{suffix}"] = media
        files[f"case{kind}"] = mutate(TRANSCRIPTS[kind].encode(), rng)
        if kind == ".rttm":
            files["case.srt"] = GOOD_SRT.encode()
        return Case(f"{mutate.__name__} {kind}", f"case{suffix}", files)
    if suffix in SPECIAL and rng.random() < 0.35:
        special = rng.choice(SPECIAL[suffix])
        what, broken = special.__name__, special(media, rng)
    else:
        mutation = rng.choice(MEDIA_MUTATIONS)
        what, broken = mutation.__name__, mutation(media, rng)
    if rng.random() < 0.1:
        other = good_media[rng.choice(sorted(good_media))]
        what, broken = f"{what}, spliced", splice(broken, other, rng)
    files[f"case{suffix}"] = broken
    if rng.random() >= _SILENT_SHARE:
        files["case.srt"] = GOOD_SRT.encode()
    return Case(f"{what} {suffix}", f"case{suffix}", files)


# Any bytes


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    """Flip 1 to 300 bits, in the header or anywhere."""
    changed = bytearray(data)
    reach = min(len(data), rng.choice((64, 2000, len(data))))
    for _ in range(rng.choice((1, 3, 30, 300))):
        changed[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random) -> bytes:
    """Cut the end off, perhaps nearly everything."""
    return data[: rng.choice((1, 8, rng.randrange(len(data)), len(data) - 1))]


def splice(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Continue one file with the middle of another."""
    return data[: rng.randrange(len(data)) + 1] + other[rng.randrange(len(other)) :]


def repeat_part(data: bytes, rng: random.Random) -> bytes:
    """Say a part again and again."""
    start = rng.randrange(len(data))
    part = data[start : start + rng.choice((16, 500, 20_000))]
    return data[:start] + part * rng.choice((2, 50)) + data[start:]


def drop_part(data: bytes, rng: random.Random) -> bytes:
    """Leave a part out, so that every offset behind it is wrong."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 100, 10_000)) :]


def fill_part(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a part with one byte."""
    start = rng.randrange(len(data))
    n = min(rng.choice((4, 1000, 30_000)), len(data) - start)
    return data[:start] + bytes([rng.choice((0, 0x7F, 0x80, 0xFF))]) * n + data[start + n :]


# Absurd metadata: the names of fields, and where their numbers lie behind the name.

_EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000000)
_FIELDS = {
    "mp4": (
        *(b"mvhd", b"tkhd", b"mdhd", b"elst", b"stts", b"ctts", b"stsc", b"stsz", b"stco"),
        *(b"stss", b"avc1", b"mp4a", b"hdlr", b"dref", b"stsd", b"pasp", b"avcC", b"esds"),
    ),
    # Duration, scale of time, width, height, sampling rate, channels, cluster's and block's time,
    # default duration, track number, codec, display size.
    "mkv": (
        *(b"\x44\x89", b"\x2a\xd7\xb1", b"\xb0", b"\xba", b"\xb5", b"\x9f", b"\xe7", b"\xa3"),
        *(b"\x23\xe3\x83", b"\xd7", b"\x86", b"\x54\xb0", b"\x54\xba", b"\x63\xa2"),
    ),
    "riff": (b"avih", b"strh", b"strf", b"fmt ", b"data", b"idx1", b"RIFF", b"LIST", b"movi"),
    "flv": (b"duration", b"width", b"height", b"framerate", b"audiosamplerate", b"filesize"),
    "ogg": (b"OggS", b"vorbis", b"OpusHead", b"\x7fFLAC"),
    "flac": (b"fLaC",),
    "ts": (b"\x47\x40\x00", b"\x47\x50\x00", b"\x47\x41\x00", b"\x00\x00\x01\xe0"),
}
_FAMILY = {b"ftyp": "mp4", b"\x1a\x45\xdf\xa3": "mkv", b"RIFF": "riff", b"FLV": "flv"}


def absurd_numbers(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a few numbers of the header with extreme ones."""
    family = next((f for mark, f in _FAMILY.items() if mark in data[:12]), None)
    family = family or next((f for f in ("ogg", "flac", "ts") if _FIELDS[f][0] in data[:64]), None)
    fields = _FIELDS.get(family or "", (data[:2],))
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 5))):
        places = []
        field = rng.choice(fields)
        at = data.find(field)
        while at >= 0 and len(places) < 50:
            places.append(at + len(field))
            at = data.find(field, at + 1)
        if not places:
            continue
        start = rng.choice(places) + rng.choice((0, 1, 2, 3, *range(4, 84, 4)))
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice(_EXTREMES) & ((1 << (8 * width)) - 1)
        order: str = rng.choice(("big", "little"))
        text = value.to_bytes(width, "big" if order == "big" else "little")
        if start + width <= len(changed):
            changed[start : start + width] = text
    return bytes(changed)


# MP4 boxes: 4 bytes of length, 4 of name, content.


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if size < 8:
            break
        found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += size
    return found


def _in_moov(data: bytes, change: Callable[[list[tuple[bytes, bytes]]], bytes]) -> bytes:
    """Rebuild a file whose moov comes last, so that offsets into mdat stay true."""
    return b"".join(
        _box(name, change(_boxes(content)) if name == b"moov" else content)
        for name, content in _boxes(data)
    )


def thousands_of_streams(data: bytes, rng: random.Random) -> bytes:
    """Repeat the tracks of an MP4 file."""
    times = rng.choice((50, 1000, 3000))

    def change(boxes: list[tuple[bytes, bytes]]) -> bytes:
        return b"".join(_box(n, c) * (times if n == b"trak" else 1) for n, c in boxes)

    return _in_moov(data, change)


def nested_boxes(data: bytes, rng: random.Random) -> bytes:
    """Put boxes into boxes into boxes."""
    deep = b""
    for _ in range(rng.choice((100, 5000))):
        deep = _box(rng.choice((b"udta", b"meta", b"trak", b"moov")), deep)
    return _in_moov(data, lambda boxes: b"".join(_box(n, c) for n, c in boxes) + deep)


def long_tables(data: bytes, rng: random.Random) -> bytes:
    """Let the table of sample times claim more than the file has."""
    count = rng.choice((1_000_000, 0x0FFFFFFF, 0xFFFFFFFF))
    delta = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF))
    at = data.find(b"stts")
    if at < 0:
        return data
    entry = struct.pack(">III", 1, count, delta)
    return data[: at + 8] + entry + data[at + 20 :]


def turned(data: bytes, rng: random.Random) -> bytes:
    """Give a track a display matrix that no camera writes."""
    at = data.find(b"tkhd")
    matrix = b"".join(
        struct.pack(">i", rng.choice((0, 1, -1, 0x10000, -0x10000, 0x7FFFFFFF, -0x80000000)))
        for _ in range(9)
    )
    # Version 0: flags, times, track, duration, layer and volume take 40 bytes behind the name.
    return data[: at + 44] + matrix + data[at + 80 :] if at >= 0 else data


def late_packets(data: bytes, rng: random.Random) -> bytes:
    """Let the clusters of a Matroska file come hours late."""
    changed = bytearray(data)
    at = data.find(b"\x1f\x43\xb6\x75")
    while at >= 0:
        stamp = data.find(b"\xe7", at, at + 40)
        if stamp >= 0 and rng.random() < 0.7:
            changed[stamp + 1 : stamp + 2] = b"\x84"
            changed[stamp + 2 : stamp + 6] = struct.pack(">I", rng.choice((36_000_000, 1 << 31)))
        at = data.find(b"\x1f\x43\xb6\x75", at + 1)
    return bytes(changed)


SPECIAL = {
    ".mp4": (thousands_of_streams, nested_boxes, long_tables, turned),
    ".mov": (thousands_of_streams, nested_boxes, long_tables, turned),
    ".m4a": (thousands_of_streams, nested_boxes, long_tables),
    ".mkv": (late_packets,),
    ".webm": (late_packets,),
}
MEDIA_MUTATIONS = (
    *(flip_bits, flip_bits, truncate, repeat_part, drop_part, fill_part),
    *(absurd_numbers, absurd_numbers, absurd_numbers),
)


# Transcripts


def absurd_times(data: bytes, rng: random.Random) -> bytes:
    """Replace numbers by numbers that no clock shows."""
    changed = data
    for _ in range(rng.choice((1, 3, 10))):
        digits = [i for i, byte in enumerate(changed) if 48 <= byte < 58]
        if not digits:
            break
        at = rng.choice(digits)
        new = rng.choice(
            (
                *(b"-1", b"99999999999999999999", b"1e308", b"NaN", b"Infinity", b"1e400", b""),
                *(b"0x1F", "٣".encode(), b"9" * 5000, b"-0.0", b"null", b"00:00:00"),
            )
        )
        changed = changed[:at] + new + changed[at + 1 :]
    return changed


def many_lines(data: bytes, rng: random.Random) -> bytes:
    """Say it thousands of times."""
    return (data + b"\n") * rng.choice((100, 20_000))


def long_line(data: bytes, rng: random.Random) -> bytes:
    """Put a megabyte into one line."""
    at = rng.randrange(len(data))
    piece: bytes = rng.choice((b"a", b"a ", b"<b>", b"<", b"{\\an8}", "́".encode(), b"(", b"-"))
    return data[:at] + piece * (1_000_000 // len(piece)) + data[at:]


def deep_nesting(data: bytes, rng: random.Random) -> bytes:
    """Open brackets that nobody closes."""
    piece = rng.choice((b"[", b'{"segments":', b'{"a":[', b"<i>"))
    return data[: rng.randrange(3)] + piece * 100_000


def other_encoding(data: bytes, rng: random.Random) -> bytes:
    """Write it in another encoding, or in half of one."""
    text = data.decode("utf-8", "replace")
    encoding = rng.choice(("utf-16", "utf-16-be", "utf-32", "cp037", "utf-7"))
    return rng.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe")) + text.encode(encoding)


def control_characters(data: bytes, rng: random.Random) -> bytes:
    """Sprinkle characters that steer terminals and parsers."""
    pieces = (b"\x00", b"\x1b[2J", b"\r", b"\x85", "\u2028".encode(), "\u202e".encode(), b"\x0c")
    changed = data
    for _ in range(20):
        at = rng.randrange(len(changed))
        changed = changed[:at] + rng.choice(pieces) + changed[at:]
    return changed


def wrong_types(data: bytes, rng: random.Random) -> bytes:
    """Put a value of another type where one is expected."""
    values = (b"null", b"[]", b"{}", b'"x"', b"true", b"1e999", b"-1", b'"\\ud800"')
    changed = data
    for _ in range(rng.choice((1, 3))):
        colons = [i for i, byte in enumerate(changed) if byte == ord(":")]
        if not colons:
            break
        at = rng.choice(colons)
        ends = [i for i in (changed.find(b",", at), changed.find(b"}", at)) if i > 0]
        changed = changed[: at + 1] + rng.choice(values) + changed[min(ends, default=at + 1) :]
    return changed


def escape_names(data: bytes, rng: random.Random) -> bytes:
    """Let words and speakers be paths and addresses."""
    name = rng.choice((b"../../../../tmp/escaped", b"/etc/passwd", b"file:///etc/passwd", b"a/b"))
    for word in (b"ann", b"Ann", b"case", b"Monday"):
        data = data.replace(word, name)
    return data


TEXT_MUTATIONS = (
    *(flip_bits, truncate, repeat_part, absurd_times, absurd_times, many_lines, long_line),
    *(deep_nesting, other_encoding, control_characters, wrong_types, escape_names),
)
