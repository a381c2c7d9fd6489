"""VGG-19's features against torchvision's network, from a file of random weights."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.models.vgg import cfgs, make_layers

from seesaw.errors import UserError
from seesaw.nets.vgg import VGG19

TORCHVISION = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu4_2": 22, "relu5_1": 29, "relu5_4": 35}


@pytest.fixture(scope="module")
def original() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return make_layers(cfgs["E"], batch_norm=False)


@pytest.fixture(scope="module")
def file(original: torch.nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{name}": value for name, value in original.state_dict().items()}, path)
    return path


def test_layers_are_torchvisions(original: torch.nn.Sequential, file: Path) -> None:
    vgg = VGG19(str(file), pooling="max")
    images = torch.rand(1, 3, 48, 40, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    with torch.no_grad():
        found = vgg(images * 2 - 1, TORCHVISION)
        for name, index in TORCHVISION.items():
            torch.testing.assert_close(found[name], original[: index + 1](x.clone()), atol=1e-5, rtol=1e-4)
    assert not any(p.requires_grad for p in vgg.parameters())
    assert len(vgg.inner) == 16


def test_average_pooling_is_the_default(file: Path) -> None:
    images = torch.rand(1, 3, 32, 32)
    average, largest = VGG19(str(file))(images, ["relu2_1"]), VGG19(str(file), "max")(images, ["relu2_1"])
    assert not torch.allclose(average["relu2_1"], largest["relu2_1"])
    with pytest.raises(ValueError, match="pooling must be average or max, not 'l2'"):
        VGG19(str(file), "l2")  # type: ignore[arg-type]


def test_offline_the_error_names_what_from_where_and_where_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, *args: object, **more: object) -> None:
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(UserError) as caught:
        VGG19()
    text = str(caught.value)
    for part in ("no route", "download.pytorch.org/models/vgg19-dcbb9e9d.pth", str(tmp_path / "hub/checkpoints"),
                 "model.backbone.network.weights=PATH", "model/backbone=efflite0"):  # fmt: skip
        assert part in text


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.pth: there is no such file"):
        VGG19(str(tmp_path / "nowhere.pth"))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UserError, match=r"does not hold torchvision's VGG-19"):
        VGG19(str(tmp_path / "text.pth"))
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"does not hold torchvision's VGG-19"):
        VGG19(str(tmp_path / "other.pth"))
