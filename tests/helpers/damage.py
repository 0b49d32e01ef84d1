"""Damaged, truncated and forged files, drawn from a seed."""

import json
import os
import zlib

import numpy as np

from sklearn_metabp.tracing.files import checksum

HUGE = (2**31, 2**40, 2**62, 2**63, 2**64, 10**30)
NO_SIZES = (-1, 0, True, 1.5, "8", None, [8], {}, *HUGE)


def take_apart(data):
    """Return the table, the header in the metadata and the bytes of the arrays of a file."""
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    return table, json.loads(table["__metadata__"]["header"]), data[8 + length :]


def put_together(table, header, body, *, text=None, length=None):
    """Return a file of these parts, with a correct checksum of the header, like a forgery."""
    text = json.dumps(header) if text is None else text
    checksum = str(zlib.crc32(text.encode(errors="surrogatepass")))
    table = {
        **table,
        "__metadata__": table["__metadata__"] | {"header": text, "checksum": checksum},
    }
    encoded = json.dumps(table).encode()
    encoded += b" " * (-len(encoded) % 8)
    return (len(encoded) if length is None else length).to_bytes(8, "little") + encoded + body


def with_array(data, name, change):
    """Return the file with a changed array and correct checksums, like a forgery."""
    table, header, body = take_apart(data)
    arrays = {
        name: np.frombuffer(
            body[slice(*entry["data_offsets"])],
            {"F64": "<f8", "F32": "<f4", "I64": "<i8"}[entry["dtype"]],
        )
        .reshape(entry["shape"])
        .copy()
        for name, entry in table.items()
        if name != "__metadata__"
    }
    change(arrays[name])
    column = sorted(set(arrays) - {"checksums"}).index(name)
    for piece, start in enumerate(range(0, len(arrays[name]), header["piece_rows"])):
        rows = arrays[name][start : start + header["piece_rows"]]
        arrays["checksums"][piece, column] = checksum(rows)
    for key, array in arrays.items():
        start, stop = table[key]["data_offsets"]
        body = body[:start] + array.tobytes() + body[stop:]
    return put_together(table, header, body)


def cut(data, rng):
    return data[: rng.integers(len(data))]


def lengthened(data, rng):
    return data + rng.bytes(rng.integers(1, 100))


def flipped(data, rng):
    flipped = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        flipped[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def flipped_early(data, rng):
    """Flip bits in the header, whatever the size of the arrays."""
    length = min(len(data), 8 + int.from_bytes(data[:8], "little"))
    return flipped(data[:length], rng) + data[length:]


def wiped(data, rng):
    start = int(rng.integers(len(data)))
    return data[:start] + bytes(min(64, len(data) - start)) + data[start + 64 :]


def of_another_length(data, rng):
    length = int.from_bytes(data[:8], "little")
    lengths = [
        0,
        1,
        7,
        length - 1,
        length + 1,
        length + 8,
        length - 8,
        len(data),
        len(data) - 8,
        2**20,
        2**63,
    ]
    return int(rng.choice([*lengths, 2**64 - 1][: len(lengths)])).to_bytes(8, "little") + data[8:]


def nested(data, rng):
    depth = 10 ** int(rng.integers(3, 6))
    text = "[" * depth + "]" * depth if rng.integers(2) else '{"a":' * depth + "1" + "}" * depth
    if rng.integers(2):
        table, header, body = take_apart(data)
        return put_together(table, header, body, text=text)
    return len(text).to_bytes(8, "little") + text.encode() + data


def of_another_table(data, rng):
    """Make one entry of one array impossible."""
    table, header, body = take_apart(data)
    name = str(rng.choice([name for name in table if name != "__metadata__"]))
    entry = table[name]
    kind = rng.integers(9)
    if kind == 0:
        entry["shape"][rng.integers(len(entry["shape"]))] = NO_SIZES[rng.integers(len(NO_SIZES))]
    elif kind == 1:
        entry["shape"] = [entry["shape"], [], [2] * 40, [HUGE[2]] * 3, "8", None][
            rng.integers(1, 6)
        ]
    elif kind == 2:
        entry["dtype"] = [*("BOOL", "F16", "U8", "I32", "O", "float64"), 5, None, ["F64"]][
            rng.integers(9)
        ]
    elif kind == 3:
        entry["data_offsets"][rng.integers(2)] = NO_SIZES[rng.integers(len(NO_SIZES))]
    elif kind == 4:
        entry["data_offsets"] = [[], [0], [0, 8, 16], "0:8", None, entry["data_offsets"][::-1]][
            rng.integers(6)
        ]
    elif kind == 5:
        entry["shape"] = [*entry["shape"], 1]
    elif kind == 6:
        table["of no use" if rng.integers(2) else "\ud800"] = table.pop(name)
    elif kind == 7:
        del table[name]
    else:
        table[name] = [None, [], 5, {}, {**entry, "code": "print(1)"}][rng.integers(5)]
    return put_together(table, header, body)


def of_another_header(data, rng):
    """Give one value of the header an impossible type or size."""
    table, header, body = take_apart(data)
    name = str(rng.choice(sorted(header)))
    values = [
        None,
        {},
        [],
        "",
        "\ud800",
        "__import__('os')",
        -1,
        2**80,
        1e300,
        [[1]],
        [2**40, 2**40],
        [True, 2],
        {"a": 1},
    ]
    kind = rng.integers(4)
    if kind == 0:
        del header[name]
    elif kind == 1:
        header["more"] = 1
    elif kind == 2:
        text = json.dumps(header | {name: "@"}).replace(
            '"@"', str(rng.choice(["NaN", "Infinity", "1e999", "9" * 5000]))
        )
        return put_together(table, header, body, text=text)
    else:
        header[name] = values[rng.integers(len(values))]
    return put_together(table, header, body)


def of_other_metadata(data, rng):
    table, header, body = take_apart(data)
    metadata = table["__metadata__"]
    kind = rng.integers(6)
    if kind == 0:
        del table["__metadata__"]
        encoded = json.dumps(table).encode()
        return len(encoded).to_bytes(8, "little") + encoded + body
    if kind == 1:
        metadata["kind"] = str(
            rng.choice(["sklearn_metabp trace 2", "sklearn_metabp rule 2", "pt", ""])
        )
    elif kind == 2:
        metadata["format"] = 5
    elif kind == 3:
        return put_together(
            table,
            header,
            body,
            text=str(rng.choice(["", "null", "5", "[]", "{", '{"a":1,"a":2}', '{"a":"\ud800"}'])),
        )
    elif kind == 4:
        start, stop = table["checksums"]["data_offsets"]
        body = body[:start] + bytes(stop - start) + body[stop:]
    else:
        metadata.pop("kind")
    return put_together(table, header, body)


def empty(data, rng):
    return b""


def of_no_format(data, rng):
    return rng.bytes(rng.integers(1, 2000))


DAMAGES = (
    *(cut, lengthened, flipped, flipped, flipped_early, wiped, of_another_length, nested),
    *(of_another_table, of_another_table, of_another_table),
    *(of_another_header, of_another_header, of_another_header, of_other_metadata),
    *(empty, of_no_format),
)


def put_in_the_way(path, kind):
    """Replace a file by something that is no file."""
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        target = {"loop": path, "nowhere": path.with_name("nowhere"), "device": "/dev/zero"}[kind]
        path.symlink_to(target)


IN_THE_WAY = ("directory", "loop", "nowhere", "device", "pipe")

# A program that opens the files named on its input. Its memory may grow by a limit only.
UNDER_A_LIMIT = """
import resource, sys
from sklearn_metabp import {names}
{function}
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + {more}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in sys.stdin.read().split("\\n"):
    try:
        read(path)
    except {error}:
        pass
print("done")
"""
