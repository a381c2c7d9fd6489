"""EfficientNet-Lite0's features against the package's own network."""

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from seesaw.nets.efficientnet_lite import EfficientNetLite0, pretrained


@pytest.fixture(scope="module")
def zeros() -> EfficientNetLite0:
    return EfficientNetLite0("zeros")


@pytest.mark.parametrize("size", [64, 65, 51])
def test_every_block_is_the_packages(zeros: EfficientNetLite0, size: int) -> None:
    network = EfficientNet.from_name("efficientnet-lite0", image_size=size).eval()  # the size decides its padding
    network.load_state_dict(pretrained().state_dict())
    pixels = torch.randint(0, 256, (2, 3, size, size), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        found = zeros(pixels / 127.5 - 1, zeros.layers)
        x = network._swish(network._bn0(network._conv_stem((pixels - 127) / 128)))
        torch.testing.assert_close(found["stem"], x, atol=1e-3, rtol=1e-4)
        for k, block in enumerate(network._blocks):
            if k:
                inner = block._swish(block._bn0(block._expand_conv(x)))
                torch.testing.assert_close(found[f"block{k}_expand"], inner, atol=1e-3, rtol=1e-4)
            x = block(x)
            torch.testing.assert_close(found[f"block{k}"], x, atol=1e-3, rtol=1e-4)
    assert list(found) == list(zeros.layers)


def test_nothing_behind_the_last_layer_is_computed(zeros: EfficientNetLite0) -> None:
    called: list[int] = []
    handles = [
        block.project.register_forward_hook(lambda *_, k=k: called.append(k)) for k, block in enumerate(zeros.blocks)
    ]
    zeros(torch.zeros(1, 3, 64, 64), ["block2_expand", "image"])
    assert called == [0, 1]
    for handle in handles:
        handle.remove()


def test_replicated_edges_see_a_constant_image_as_constant_in_the_stem(zeros: EfficientNetLite0) -> None:
    grey = torch.full((1, 3, 64, 64), 0.2)
    replicate = EfficientNetLite0()(grey, ["stem"])["stem"]
    torch.testing.assert_close(replicate, replicate[..., :1, :1].expand_as(replicate))
    assert not torch.allclose(zeros(grey, ["stem"])["stem"], replicate)


def test_wrong_names_are_refused(zeros: EfficientNetLite0) -> None:
    with pytest.raises(
        ValueError, match=r"no layer 'relu4_2'; it has image, stem, block0_depthwise, block0, block1_expand"
    ):
        zeros(torch.zeros(1, 3, 64, 64), ["relu4_2"])
    with pytest.raises(ValueError, match="edges must be replicate or zeros, not 'mirror'"):
        EfficientNetLite0("mirror")  # type: ignore[arg-type]
