"""Loops over everything, one product at a time."""


def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):
    """No operator but + and *."""
    batch, _, height, width = x.shape
    outputs, share, kh, kw = weight.shape
    rows = height + 2 * padding - dilation * (kh - 1)
    columns = width + 2 * padding - dilation * (kw - 1)
    out = torch.zeros(batch, outputs, rows, columns)
    for o in range(outputs):
        first = o // (outputs // groups) * share
        for r in range(rows):
            for c in range(columns):
                for i in range(share):
                    for u in range(kh):
                        for v in range(kw):
                            y, z = r + u * dilation - padding, c + v * dilation - padding
                            if 0 <= y < height and 0 <= z < width:
                                out[:, o, r, c] += weight[o, i, u, v] * x[:, first + i, y, z]
    return out if bias is None else out + bias[:, None, None]
