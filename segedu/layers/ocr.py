"""Object-contextual representations (OCR): each pixel is told about the object that it may be of.

Y. Yuan, X. Chen, J. Wang: "Object-Contextual Representations for Semantic Segmentation", ECCV 2020,
section 3.2.

The idea in three lines: a first, rough score map says where each region lies; the features under
it, averaged with its softmax over all places, describe the region; each pixel attends to the
regions, and what it gets is joined to its own features.

Shapes: features (B, C, H, W); scores (B, K, H, W), K regions; inside, D key channels.

Departure: where there is a single region, as in RITM, every pixel attends to it with weight 1
whatever query and key are; in evaluation both are left out, and the context is one vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_norm_relu(in_channels: int, out_channels: int) -> list[nn.Module]:
    """1x1 convolution without bias, batch norm, ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def gather_regions(features: Tensor, scores: Tensor) -> Tensor:
    """Eq. 8: one description a region, (B, C, H, W), (B, K, H, W) -> (B, C, K, 1)."""
    shares = scores.flatten(2).softmax(dim=2)  # over places
    return torch.einsum("bkn,bcn->bck", shares, features.flatten(2))[..., None]


class ObjectContext(nn.Module):
    """From pixels and regions to augmented pixels (eqs. 9 to 11).

    Args:
        channels: C, of the features and of what comes out.
        keys: D.
        dropout: of whole channels, in training.
    """

    def __init__(self, channels: int, keys: int, dropout: float = 0.05) -> None:
        super().__init__()
        self.query = nn.Sequential(*conv_norm_relu(channels, keys), *conv_norm_relu(keys, keys))
        self.key = nn.Sequential(*conv_norm_relu(channels, keys), *conv_norm_relu(keys, keys))
        self.value = nn.Sequential(*conv_norm_relu(channels, keys))
        self.up = nn.Sequential(*conv_norm_relu(keys, channels))
        self.fuse = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: Tensor, scores: Tensor) -> Tensor:
        """(B, C, H, W), (B, K, H, W) -> (B, C, H, W)."""
        context = self.context(features, gather_regions(features, scores))
        # Joining and a 1x1 convolution, as a sum: the context may be one vector for all pixels.
        of_context, of_features = self.fuse.weight.chunk(2, dim=1)
        fused = F.conv2d(features, of_features) + F.conv2d(context, of_context)
        return self.dropout(F.relu_(self.norm(fused)))

    def context(self, features: Tensor, regions: Tensor) -> Tensor:
        """What each pixel gets of the regions: (B, C, H, W), (B, C, K, 1) -> (B, C, H or 1, …)."""
        values = self.value(regions)  # (B, D, K, 1)
        if regions.shape[2] == 1 and not self.training:
            return self.up(values)
        query = self.query(features).flatten(2).transpose(1, 2)  # (B, H W, D)
        key = self.key(regions).flatten(2).transpose(1, 2)  # (B, K, D)
        found = F.scaled_dot_product_attention(query, key, values.flatten(2).transpose(1, 2))
        return self.up(found.transpose(1, 2).unflatten(2, features.shape[-2:]))
