"""Atrous convolution by `unfold` is torch's; receptive fields as gradients see them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from segedu.layers.atrous import atrous_convolution, receptive_field


@given(
    rate=st.integers(1, 4),
    kernel=st.sampled_from([1, 3, 5]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    bias=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_equals_torch(rate, kernel, size, bias):
    layer = nn.Conv2d(3, 4, kernel, dilation=rate, padding=rate * (kernel // 2), bias=bias)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        ours = atrous_convolution(x, layer.weight, layer.bias, rate=rate)
        torch.testing.assert_close(ours, layer(x), rtol=1e-5, atol=1e-5)


def test_wrong_kernels_are_named():
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="odd, got 2"):
        atrous_convolution(x, torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="rate must be at least 1, got 0"):
        atrous_convolution(x, torch.zeros(1, 1, 3, 3), rate=0)


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]), st.integers(1, 3)),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=30, deadline=None)
def test_receptive_field_is_what_the_gradient_spans(layers):
    net = nn.Sequential(*(nn.Conv1d(1, 1, k, s, dilation=r, bias=False) for k, s, r in layers))
    for layer in net:
        nn.init.ones_(layer.weight)
    field = receptive_field(layers)
    x = torch.ones(1, 1, field + 20, requires_grad=True)
    net(x)[0, 0, 0].backward()
    seen = x.grad[0, 0].nonzero()
    assert int(seen.max()) + 1 == field and int(seen.min()) == 0
