"""Exports that were cut off, altered or made to do harm: refused in one sentence, and nothing in them runs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from attacks import ATTACKS, MARK, in_folder, node
from safetensors.torch import load_file, save_file
from small_models import small_run

import seesaw
from seesaw.cli.main import main
from seesaw.trained import exported


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the exports of one run: g.safetensors and hub."""
    folder = tmp_path_factory.mktemp("exports")
    path = small_run(folder / "run", "progan_small")
    for to, out in (("safetensors", "g.safetensors"), ("hub", "hub")):
        assert main(["export", str(path), "--to", to, "--out", str(folder / out)]) == 0
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the exports in the current folder."""
    shutil.copy(made / "g.safetensors", tmp_path)
    shutil.copytree(made / "hub", tmp_path / "hub")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(place: Path | str) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(seesaw.UserError) as refusal:
        seesaw.load(place)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def with_metadata(path: Path, **metadata: str) -> None:
    """Write the file again with these metadata in the place of its own, and the checksum that fits them."""
    tensors = load_file(path)
    text = metadata["description"]
    fitting = {"format": "pt", "seesaw": "1", "sha256": exported.digest(tensors, text)}
    save_file(tensors, path, fitting | metadata)


def description(path: Path) -> dict[str, Any]:
    return exported.read_weights(path)[1]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_that_was_cut_off_is_refused(share: float, here: Path) -> None:
    content = (here / "g.safetensors").read_bytes()
    (here / "g.safetensors").write_bytes(content[: int(share * len(content))])
    assert "g.safetensors is cut off or damaged" in refused("g.safetensors")


def test_an_onnx_file_is_held_to_the_checksum_beside_it(made: Path, tmp_path: Path) -> None:
    assert (
        main(["export", str(made / "run"), "--which", "last", "--to", "onnx", "--out", str(tmp_path / "g.onnx")]) == 0
    )
    run, content = seesaw.load(tmp_path / "g.onnx"), (tmp_path / "g.onnx").read_bytes()
    with pytest.raises(seesaw.UserError, match="an ONNX file gives no gradients"):
        run.forward(run.latents(2).requires_grad_())
    for other in (content[:-9], content.replace(b"images_shown: 64", b"images_shown: 65", 1)):
        (tmp_path / "g.onnx").write_bytes(other)
        assert "g.onnx was altered or is damaged: it does not fit the checksum in g.onnx.json" in refused(
            tmp_path / "g.onnx"
        )
    listed = {"seesaw": {"files": {"g.onnx": exported.sha256_of(tmp_path / "g.onnx")}}}
    (tmp_path / "g.onnx").write_bytes(b"no program")
    listed["seesaw"]["files"]["g.onnx"] = exported.sha256_of(tmp_path / "g.onnx")
    (tmp_path / "g.onnx.json").write_text(json.dumps(listed), encoding="utf-8")
    assert "g.onnx is damaged, or was not written by seesaw export" in refused(tmp_path / "g.onnx")
    (tmp_path / "g.onnx.json").unlink()
    assert "g.onnx.json is missing or cannot be read" in refused(tmp_path / "g.onnx")


def test_one_altered_bit_of_a_weight_is_refused(here: Path) -> None:
    content = bytearray((here / "g.safetensors").read_bytes())
    content[-3] ^= 1
    (here / "g.safetensors").write_bytes(content)
    assert "was altered or is damaged: its content does not fit its checksum" in refused("g.safetensors")


def test_an_altered_description_is_refused(here: Path) -> None:
    content = (here / "g.safetensors").read_bytes()
    (here / "g.safetensors").write_bytes(content.replace(b"images_shown: 64", b"images_shown: 65", 1))
    assert "does not fit its checksum" in refused("g.safetensors")


@pytest.mark.parametrize("name", ["model.safetensors", "samples.png"])
def test_a_folder_whose_file_was_altered_or_lost_is_refused(name: str, here: Path) -> None:
    (here / "hub" / name).write_bytes((here / "hub" / name).read_bytes() + b" ")
    assert f"{name} is missing or was altered: it does not fit the checksum in config.json" in refused("hub")
    if name == "samples.png":
        (here / "hub" / name).unlink()
        assert "is missing or was altered" in refused("hub")


def test_a_folder_without_its_list_of_files_is_refused(here: Path) -> None:
    for text in ("{", "[]", '{"seesaw": 3}', '{"seesaw": {"files": {}}}'):
        (here / "hub" / "config.json").write_text(text, encoding="utf-8")
        assert "config.json" in refused("hub")
    listed = {"seesaw": {"files": {"../g.safetensors": "0"}}}  # a file outside the folder
    (here / "hub" / "config.json").write_text(json.dumps(listed), encoding="utf-8")
    assert "has no checksum of model.safetensors" in refused("hub")


def test_a_readme_may_be_edited(here: Path) -> None:
    (here / "hub" / "README.md").write_text("mine", encoding="utf-8")
    assert seesaw.load("hub").sample(2).shape == (2, 1, 16, 16)


def test_other_files_of_the_format_are_named_for_what_they_are(here: Path) -> None:
    save_file({"x": torch.zeros(2)}, here / "other.safetensors")
    assert "was not written by seesaw export" in refused("other.safetensors")
    with_metadata(here / "g.safetensors", description=yaml.safe_dump(description(here / "g.safetensors")), seesaw="9")
    assert "was written by another version of seesaw (export 9): update seesaw" in refused("g.safetensors")
    assert "there is no such file" in refused("lost.safetensors")


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch MARK']",
        "images_shown: 1\nconfig: 3",
        "a: &a [*a]\nimages_shown: 1\nconfig: {}",
        "images_shown: many\nconfig: {}",
        "x",
        "{",
    ],
)
def test_a_hostile_description_is_refused(text: str, here: Path) -> None:
    """With a checksum that fits, as whoever makes the file computes one."""
    with_metadata(here / "g.safetensors", description=text)
    assert "g.safetensors: " in refused("g.safetensors")
    assert not (here / MARK).exists()


@pytest.mark.parametrize("place", ["G", "D", "view"])
@pytest.mark.parametrize("target", list(ATTACKS)[:12])
def test_what_a_description_names_is_not_imported(
    target: str, place: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(here)
    monkeypatch.syspath_prepend(str(here))
    found = description(here / "g.safetensors")
    found["config"]["model"][place] = node(target)
    with_metadata(here / "g.safetensors", description=yaml.safe_dump(found))
    assert f"'{target}' is not among the classes" in refused("g.safetensors")
    assert not (here / MARK).exists()


def test_weights_that_do_not_fit_are_refused(here: Path) -> None:
    found = description(here / "g.safetensors")
    for change in ({"extra_state": {"nothing._extra_state": {}}}, {"extra_state": {}}):
        with_metadata(here / "g.safetensors", description=yaml.safe_dump(found | change))
        assert "the weights do not fit the model" in refused("g.safetensors")


FACTS = {
    "a resolution in words": ({"resolution": "x"}, "data.resolution is 'x', which no set of images has"),
    "no resolution": ({"resolution": None}, "data.resolution is null"),
    "a giant": ({"resolution": 10**9}, "data.resolution is 1000000000"),
    "channels in words": ({"channels": "a"}, "data.channels is 'a'; it must be a whole number"),
    "no channels": ({"channels": 0}, "data.channels is 0"),
    "a depth": ({"depth": 99}, "data.depth is 99; it must be 8 or 16"),
    "a depth in words": ({"depth": "x"}, "data.depth is 'x'"),
    "names": ({"class_names": 3}, "data.class_names is 3; it must be a list of names"),
    "nested names": ({"class_names": [[1]]}, "data.class_names is"),
}


@pytest.mark.parametrize("case", FACTS)
def test_facts_that_no_set_has_are_refused(case: str, here: Path) -> None:
    """Of a file whose checksum fits."""
    change, words = FACTS[case]
    found = description(here / "g.safetensors")
    found["config"]["data"] |= change
    with_metadata(here / "g.safetensors", description=yaml.safe_dump(found))
    assert words in refused("g.safetensors")


@pytest.mark.parametrize("state", [[1, 2], 5, "x"])
def test_a_state_that_is_no_mapping_is_refused(state: object, here: Path) -> None:
    found = description(here / "g.safetensors") | {"extra_state": state}
    with_metadata(here / "g.safetensors", description=yaml.safe_dump(found))
    assert "its description cannot be read" in refused("g.safetensors")
