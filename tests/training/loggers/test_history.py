"""What trackers are sent of the time before they were chosen."""

from pathlib import Path

import numpy as np
from PIL import Image

from seesaw.training.loggers.history import kept_grids


def test_grids_are_found_by_their_names_in_order_up_to_the_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    grey, deep = np.arange(12, dtype=np.uint8).reshape(3, 4), np.full((2, 2), 257 * 7, dtype=np.uint16)
    Image.fromarray(grey).save(folder / "000002.png")
    Image.fromarray(deep).save(folder / "000000_064.png")
    Image.new("RGBA", (4, 3), (9, 8, 7, 255)).save(folder / "000001.png")
    Image.fromarray(grey).save(folder / "000003.png")  # past the checkpoint
    Image.fromarray(grey).save(folder / "000001-scales.png")
    (folder / "000001_500.png").write_bytes(b"torn")
    found = list(kept_grids(tmp_path, 2500))
    assert [at for at, _ in found] == [64, 1000, 2000]
    assert [tuple(picture.shape) for _, picture in found] == [(1, 2, 2), (3, 3, 4), (1, 3, 4)]
    assert np.array_equal(found[2][1][0].numpy(), grey)
    assert found[0][1].unique().tolist() == [7]
    assert found[1][1][:, 0, 0].tolist() == [9, 8, 7]
    assert list(kept_grids(tmp_path / "nothing", 1000)) == []
