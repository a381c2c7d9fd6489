"""torch's layer around a convolution that is differentiated twice at the cost of once."""

from torch import Tensor, nn

from seesaw.functional.convolution import SecondOrderLayer, conv2d


class Conv2d(SecondOrderLayer, nn.Conv2d):
    """`torch.nn.Conv2d` with zeros at the edges and no dilation, for a discriminator that meets gradient penalties."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return conv2d(input, weight, bias, self.stride, self.padding, self.second_order, self.groups)  # type: ignore[arg-type]
