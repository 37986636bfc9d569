"""You weigh the input in place (`*=`), so it changes; make a new tensor."""


def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):
    batch, _, height, width = x.shape
    outputs, per_group, kh, kw = weight.shape
    out_height = height + 2 * padding - dilation * (kh - 1)
    out_width = width + 2 * padding - dilation * (kw - 1)
    x *= 2
    columns = F.unfold(x, (kh, kw), dilation=dilation, padding=padding) / 2
    columns = columns.reshape(batch, groups, per_group * kh * kw, -1)
    rows = weight.reshape(groups, outputs // groups, per_group * kh * kw)
    out = (rows @ columns).reshape(batch, outputs, out_height, out_width)
    return out if bias is None else out + bias[:, None, None]
