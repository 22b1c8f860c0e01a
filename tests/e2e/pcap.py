"""Classic pcap files, byte for byte: frames of any length, also none."""

import struct

_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
MAGIC_MICROSECONDS = 0xA1B2C3D4
MAGIC_NANOSECONDS = 0xA1B23C4D
ETHERNET = 1


def write(path, frames):
    """Writes `frames` (bytes) as an Ethernet capture, one microsecond apart."""
    with open(path, "wb") as out:
        out.write(_HEADER.pack(MAGIC_MICROSECONDS, 2, 4, 0, 0, 262144, ETHERNET))
        for number, frame in enumerate(frames):
            second, microsecond = divmod(number, 1_000_000)
            out.write(_RECORD.pack(1_700_000_000 + second, microsecond, len(frame), len(frame)))
            out.write(frame)


def read(path):
    """The frames of a classic Ethernet capture. Anything else is an error."""
    with open(path, "rb") as source:
        data = source.read()
    magic, _major, _minor, _zone, _figures, _snap, link = _HEADER.unpack_from(data)
    assert magic in (MAGIC_MICROSECONDS, MAGIC_NANOSECONDS), f"{path}: magic {magic:#x}"
    assert link == ETHERNET, f"{path}: link type {link}"
    frames, at = [], _HEADER.size
    while at < len(data):
        _second, _fraction, captured, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        assert captured == length, f"{path}: a frame of {length} bytes cut to {captured}"
        assert at + captured <= len(data), f"{path}: ends inside a frame"
        frames.append(data[at : at + captured])
        at += captured
    return frames
