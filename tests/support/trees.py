"""Small sets in the layouts of the large ones, the text files written as theirs are."""

import io
import os
import signal
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from seesaw.data.prepare.tree import FolderTree

NUMBERS = (1, 2, 3, 162_769, 162_770, 162_771, 162_772, 182_637, 182_638, 202_599)
"""At the ends of the published split: five of train, three of valid, two of test."""

ATTRIBUTES = [
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes",
    "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling",
    "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
    "Wearing_Necktie", "Young",
]  # fmt: skip


class DeadlyTree(FolderTree):
    """Reading its last image kills the process, as an image that needs too much memory does."""

    def read(self, name: str) -> bytes:
        if name == self.names[-1]:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(name)


def face(number: int, size: tuple[int, int] = (178, 218)) -> bytes:
    """A jpg whose pixels come from its number."""
    colours = np.random.default_rng(number).integers(0, 256, (4, 3, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def images(numbers: Sequence[int] = NUMBERS) -> dict[str, bytes]:
    """CelebA's files, by name."""
    return {f"{number:06d}.jpg": face(number) for number in numbers}


def attribute(number: int, column: int) -> int:
    """-1 or 1, neither the same for all numbers nor for all columns."""
    return 1 if (number * 7 + column * 5 + number * column) % 3 else -1


def split_code(number: int) -> int:
    return 0 if number <= 162_770 else 1 if number <= 182_637 else 2


def tables(kind: str, numbers: Sequence[int] = NUMBERS) -> dict[str, bytes]:
    """The text files as torchvision expects them (`txt`), or as Kaggle writes them (`csv`)."""
    names = [f"{number:06d}.jpg" for number in numbers]
    codes = [split_code(number) for number in numbers]
    rows = [[attribute(number, column) for column in range(len(ATTRIBUTES))] for number in numbers]
    if kind == "csv":
        header = ",".join(("image_id", *ATTRIBUTES))
        lines = [f"{name},{','.join(map(str, row))}" for name, row in zip(names, rows, strict=True)]
        parts = ["image_id,partition", *(f"{name},{code}" for name, code in zip(names, codes, strict=True))]
        written = {"list_attr_celeba.csv": [header, *lines], "list_eval_partition.csv": parts}
        return {name: "\r\n".join((*lines, "")).encode() for name, lines in written.items()}
    four = dict.fromkeys(names, "  95  71  226  313")
    written = {
        "list_attr_celeba.txt": [
            str(len(names)),
            " ".join((*ATTRIBUTES, "")),
            *(f"{name} {' '.join(f'{value:2d}' for value in row)}" for name, row in zip(names, rows, strict=True)),
        ],
        "list_eval_partition.txt": [f"{name} {code}" for name, code in zip(names, codes, strict=True)],
        "identity_CelebA.txt": [f"{name} {number}" for name, number in zip(names, numbers, strict=True)],
        "list_bbox_celeba.txt": [str(len(names)), "image_id x_1 y_1 width height", *map("".join, four.items())],
        "list_landmarks_align_celeba.txt": [
            str(len(names)),
            "lefteye_x lefteye_y righteye_x righteye_y",
            *map("".join, four.items()),
        ],
    }
    return {name: "\n".join((*lines, "")).encode() for name, lines in written.items()}


def celeba(root: Path, numbers: Sequence[int] = NUMBERS) -> Path:
    """Some of CelebA under `root` in the exact layout of torchvision's loader: the images as a folder, all five text files."""
    write(root / "celeba", {f"img_align_celeba/{name}": content for name, content in images(numbers).items()})
    return write(root / "celeba", tables("txt", numbers)).parent


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Files by their names in a folder; one whose name ends in .zip/ starts a zip: `a.zip/b.jpg`."""
    archives: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        outer, is_zip, inner = name.partition(".zip/")
        if is_zip:
            archives.setdefault(f"{outer}.zip", {})[inner] = content
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    for name, entries in archives.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / name, "w") as archive:
            for inner, content in entries.items():
                archive.writestr(inner, content)
    return folder
