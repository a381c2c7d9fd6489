"""Files that hold a whole picture and that Pillow refuses: a PNG with much text, a JPEG without its end marker."""

import hashlib
import struct
from collections.abc import Iterator

PNG_START, JPEG_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
END = b"\xff\xd9"
"""The marker at the end of a JPEG."""

SCAN = b"\xff\xda"
"""The marker that starts a scan of a JPEG."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
"""Chunks of a PNG that hold text, or a colour profile; neither decides on its pixels."""

WITH_ORIENTATION = (b"Raw profile type exif", b"XML:com.adobe.xmp")
"""Texts that may hold the orientation."""


def without_texts(content: bytes) -> bytes:
    """A PNG without its texts, of which Pillow unpacks 1 MiB each and 64 MiB in all."""
    kept, place = [PNG_START], len(PNG_START)
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        keyword = content[place + 8 : place + 88].partition(b"\0")[0]
        if kind not in TEXTS or keyword in WITH_ORIENTATION:
            kept.append(content[place:end])
        place = end
    return b"".join(kept)


def ended(content: bytes) -> Iterator[bytes]:
    """A JPEG with its end marker: first as it should end, then with noise before the marker, eight times another.

    Where data are missing the noise is decoded in their place, and the pictures differ; not always, since its first bits may
    mean what the missing ones are taken for. Where only the marker is missing the picture is complete before the noise, and
    all are equal. The noise holds restart markers, each number of them first once, since data may end before one.
    """
    content = content.rstrip(b"\xff")
    yield content + END
    for number in range(8):
        noise = b""
        for k in range(64):
            row = hashlib.sha256(bytes([number, k])).digest()
            noise += row.replace(b"\xff", b"\x55") + bytes([0xFF, 0xD0 + (number + k) % 8])
        yield content + noise + END


def lacks_scans(content: bytes) -> bool:
    """Whether a progressive JPEG ends before every component was sent in full: it would be coarse, and nothing else is wrong."""
    place = len(JPEG_START)
    while place + 10 <= len(content) and content[place + 1] not in (0xC0, 0xC1, 0xC2):  # the start of the frame
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    if content[place + 1 : place + 2] != b"\xc2":
        return False
    sent = set[int]()
    components, start = content[place + 9], content.find(SCAN, place)
    while 0 <= start < len(content) - 10:
        last, low = content[start + 8], content[start + 9] & 15
        if content[start + 4] == 1 and (last, low) == (63, 0):
            sent.add(content[start + 5])
        start = content.find(SCAN, start + 1)
    return len(sent) < components
