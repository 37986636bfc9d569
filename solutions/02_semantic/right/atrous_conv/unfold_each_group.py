"""unfold for each group by itself, in float64, and fold at the end."""


def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):
    """Groups one after the other."""
    outputs, per_group, kh, kw = weight.shape
    size = [
        x.shape[2] + 2 * padding - dilation * (kh - 1),
        x.shape[3] + 2 * padding - dilation * (kw - 1),
    ]
    out = x.new_zeros(len(x), outputs, *size)
    share = outputs // groups
    for g in range(groups):
        inputs = x[:, g * per_group : (g + 1) * per_group].double()
        columns = F.unfold(inputs, (kh, kw), dilation, padding)
        rows = weight[g * share : (g + 1) * share].flatten(1).double()
        out[:, g * share : (g + 1) * share] = F.fold(rows @ columns, size, 1)
    if bias is not None:
        out += bias[None, :, None, None]
    return out
