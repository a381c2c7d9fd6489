"""What people really have in their folders and zips, and what the malicious put there, each with what is to come of it."""

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

Colour = tuple[int, ...]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def halves(left: Colour, right: Colour, mode: str = "RGB", size: int = 16) -> Image.Image:
    image = Image.new(mode, (size, size), left)
    image.paste(right, (size // 2, 0, size, size))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def jpeg(image: Image.Image, **options: object) -> bytes:
    return encoded(image, "JPEG", quality=95, **({} if image.mode == "CMYK" else {"subsampling": 0}), **options)


def palette_with_hole() -> Image.Image:
    image = halves((0,), (1,), "P")
    image.putpalette([*RED, *BLUE])
    return image


def turned() -> Image.Image:
    """What a camera held upright stores: the picture lies on its side, the tag holds how to raise it."""
    return halves(RED, BLUE).transpose(Image.Transpose.ROTATE_270)


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def broken_exif() -> bytes:
    """The orientation, readable, beside a number of bits per sample that Pillow cannot write again."""
    tags = struct.pack("<HHHII", 2, 0x0112, 3, 1, 8) + struct.pack("<HHII", 0x0102, 4, 1, 2**32 - 1)
    return b"Exif\0\0II*\0\x08\0\0\0" + tags + bytes(4)


def chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunks(png: bytes, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    """A PNG file with more chunks."""
    place = png.index(before) - 4
    return png[:place] + b"".join(chunks) + png[place:]


def raw_png(width: int, height: int, bits: int, kind: int, pixels: bytes) -> bytes:
    """A PNG file of these bytes, whatever size it claims; `kind` is PNG's number of the colour type."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def sixteen_bits(kind: int, left: Colour, right: Colour) -> bytes:
    """16x16 of 16 bits a channel, the colours repeated into the lower byte."""
    row = np.array([left] * 8 + [right] * 8, dtype=np.uint16) * 257
    return raw_png(16, 16, 16, kind, (b"\0" + row.astype(">u2").tobytes()) * 16)


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


GOOD: dict[str, tuple[bytes, Colour, Colour]] = {
    "rgb.png": (encoded(halves(RED, BLUE)), RED, BLUE),
    "lossy.jpg": (jpeg(halves(RED, BLUE)), RED, BLUE),
    "UPPER.JPEG": (jpeg(halves(RED, BLUE)), RED, BLUE),
    "rgb.bmp": (encoded(halves(RED, BLUE), "BMP"), RED, BLUE),
    "rgb.webp": (encoded(halves(RED, BLUE), "WEBP", lossless=True), RED, BLUE),
    "cmyk.jpg": (jpeg(halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK")), RED, BLUE),
    "rgba.png": (encoded(halves((*RED, 255), (0, 0, 0, 0), "RGBA")), RED, WHITE),
    "half.png": (encoded(halves((*RED, 255), (0, 0, 0, 128), "RGBA")), RED, (127, 127, 127)),
    "la.png": (encoded(halves((0, 255), (0, 0), "LA")), (0, 0, 0), WHITE),
    "grey.png": (encoded(halves((10,), (200,), "L")), (10, 10, 10), (200, 200, 200)),
    "bits.png": (encoded(halves((0,), (255,), "L").convert("1")), (0, 0, 0), WHITE),
    "sixteen.png": (sixteen_bits(0, (40,), (255,)), (40, 40, 40), WHITE),
    "sixteen rgb.png": (sixteen_bits(2, (40, 200, 10), BLUE), (40, 200, 10), BLUE),
    "sixteen la.png": (sixteen_bits(4, (40, 255), (0, 0)), (40, 40, 40), WHITE),
    "sixteen rgba.png": (sixteen_bits(6, (40, 200, 10, 255), (0, 0, 0, 0)), (40, 200, 10), WHITE),
    "sixteen hole.png": (
        with_chunks(sixteen_bits(0, (40,), (10,)), chunk(b"tRNS", struct.pack(">H", 10 * 257))), (40, 40, 40), WHITE,
    ),
    "much text.png": (
        with_chunks(encoded(halves(RED, BLUE)), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000)))), RED, BLUE,
    ),
    "no end.jpg": (jpeg(halves(RED, BLUE))[:-2], RED, BLUE),
    "half an end.jpg": (jpeg(halves(RED, BLUE), progressive=True)[:-1], RED, BLUE),
    "palette.png": (encoded(halves(RED, BLUE).convert("P", palette=1)), RED, BLUE),
    "clear.png": (encoded(palette_with_hole(), transparency=1), RED, WHITE),
    "moving.gif": (
        encoded(halves(RED, BLUE), "GIF", save_all=True, append_images=[halves(GREEN, GREEN)] * 3), RED, BLUE,
    ),
    "turned.jpg": (jpeg(turned(), exif=orientation(8)), RED, BLUE),
    "broken_exif.jpg": (jpeg(turned(), exif=broken_exif()), RED, BLUE),
    "späte Größe 日本.png": (encoded(halves(RED, BLUE)), RED, BLUE),
    "line\nbreak.png": (encoded(halves(RED, BLUE)), RED, BLUE),
}  # fmt: skip
"""The content of each, and the colours that one sees on its left and right half."""

BAD: dict[str, tuple[bytes, str]] = {
    "truncated.jpg": (encoded(noise(), "JPEG")[:1500], "truncated"),
    "truncated last.jpg": (encoded(noise(), "JPEG")[:-8], "truncated"),
    "truncated with text.png": (
        with_chunks(encoded(noise()), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000))))[:4000],
        "truncated",
    ),
    "truncated.png": (encoded(noise())[:1500], "truncated"),
    "zero.jpg": (b"", "not an image"),
    "text.png": (b"not a picture", "not an image"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n", "not an image"),
    "tiff.png": (encoded(Image.new("RGB", (16, 16)), "TIFF"), "not an image"),
    "dot.png": (encoded(Image.new("RGB", (1, 1))), "1x1 pixels"),
    "line.png": (encoded(Image.new("RGB", (20_000, 1))), "20000x1 pixels"),
    "bomb.png": (raw_png(12_000, 12_000, 8, 2, bytes(64)), "decompression bomb"),  # Pillow by itself would but warn
    "big bomb.png": (raw_png(60_000, 60_000, 8, 2, bytes(64)), "decompression bomb"),
    "bad\nname.gif": (b"GIF89a", ""),
}
"""The content of each, and a part of the reason why it is bad."""


def make_folder(root: Path) -> dict[str, str]:
    """A folder with all of that, and with what only a folder can have. Returns what must be refused unread, and why."""
    (root / "deep" / "er").mkdir(parents=True)
    for name, (content, _, _) in GOOD.items():
        (root / "deep" / name).write_bytes(content)
    for name, (content, _) in BAD.items():
        (root / "deep" / "er" / name).write_bytes(content)
    (root / "deep" / "loop").symlink_to(root)
    (root / "deep" / "er" / "loop").symlink_to("..")
    (root / "deep" / "._rgb.png").write_bytes(b"what other systems leave behind")
    (root / "deep" / "notes.txt").write_text("not an image", encoding="utf-8")
    os.mkfifo(root / "deep" / "pipe.png")
    (root / "deep" / "device.png").symlink_to("/dev/zero")
    (root / "deep" / "dangling.png").symlink_to("nowhere.png")
    (root / "deep" / "circle.png").symlink_to("circle.png")
    with open(root / "deep" / "huge.png", "wb") as file:
        file.truncate((256 << 20) + 1)  # of holes: it takes no disk
    return {
        "deep/pipe.png": "not a regular file",
        "deep/device.png": "not a regular file",
        "deep/dangling.png": "No such file",
        "deep/circle.png": "symbolic links",
        "deep/huge.png": "256 are read at most",
    }


def make_zip(path: Path) -> dict[str, str]:
    """A zip with all of that, and with what only a zip can have. Returns what must be refused unread, and why."""
    evil = GOOD["rgb.png"][0]
    names = {
        "../evil.png": "leads out of the zip",
        "deep/../../evil.png": "leads out of the zip",
        "/tmp/seesaw-evil.png": "absolute",
        "C:/evil.png": "absolute",
        "..\\evil.png": "leads out of the zip",
        "deep\\..\\..\\evil.png": "leads out of the zip",
        "\\\\server\\share\\evil.png": "absolute",
        "D:\\evil.png": "absolute",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, _, _) in GOOD.items():
            archive.writestr(f"deep/{name}", content)
        for name, (content, _) in BAD.items():
            archive.writestr(f"deep/er/{name}", content)
        archive.writestr("deep/._rgb.png", b"what other systems leave behind")
        archive.writestr("__MACOSX/deep/rgb.png", evil)
        archive.writestr("deep/notes.txt", b"not an image")
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), evil)
        for name, mode in {"deep/link.png": stat.S_IFLNK, "deep/pipe.png": stat.S_IFIFO}.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode | 0o777) << 16
            archive.writestr(info, b"/etc/passwd")
        archive.writestr("deep/bomb in zip.png", bytes(17 << 20))
        archive.writestr("deep/bz2.png", evil, zipfile.ZIP_BZIP2)
    return {name.replace("\\", "/"): reason for name, reason in names.items()} | {
        "deep/link.png": "a link",
        "deep/pipe.png": "not a regular file",
        "deep/bomb in zip.png": "17 MiB packed into",
        "deep/bz2.png": "packed by method 12",
    }
