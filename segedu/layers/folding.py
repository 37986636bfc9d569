"""Batch norm as part of the convolution before it: the same answer in fewer steps.

In evaluation y = γ (W x + b - μ) / σ + β is linear in x, so it is a convolution with the weights
γ W / σ and the bias γ (b - μ) / σ + β. Worth a quarter of the time of a small network on a CPU.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Net = TypeVar("Net", bound=nn.Module)


def folded(net: Net) -> Net:
    """A copy for inference, batch norms folded into the convolutions that they follow.

    They are found within `nn.Sequential`, and by their names in residual blocks (conv1 and bn1, …).

    Args:
        net: in evaluation mode; it is left as it is.

    Raises:
        ValueError: it is in training mode, in which a batch norm depends on the batch.
    """
    if net.training:
        raise ValueError("the network is in training mode: call net.eval() first")
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        for (name, conv), (following, norm) in pairwise(list(module.named_children())):
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
                continue
            if isinstance(module, nn.Sequential) or name.replace("conv", "bn") == following:
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, following, nn.Identity())
    return net
