"""One slice of the padded input for each tap; no unfold."""


def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):
    """Add up the taps."""
    kh, kw = weight.shape[2:]
    x = F.pad(x, (padding,) * 4)
    rows = x.shape[2] - dilation * (kh - 1)
    columns = x.shape[3] - dilation * (kw - 1)
    parts = []
    for inputs, w in zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True):
        out = 0
        for u in range(kh):
            for v in range(kw):
                top, left = u * dilation, v * dilation
                seen = inputs[:, :, top : top + rows, left : left + columns]
                out = out + torch.einsum("oc,bcyx->boyx", w[:, :, u, v], seen)
        parts.append(out)
    out = torch.cat(parts, 1)
    return out if bias is None else out + bias.view(1, -1, 1, 1)
