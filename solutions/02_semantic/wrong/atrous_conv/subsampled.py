"""You take every r-th pixel of the image and convolve that: the output then has r times fewer pixels each way."""


def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):
    batch, _, height, width = x.shape
    outputs, per_group, kh, kw = weight.shape
    out_height = height + 2 * padding - dilation * (kh - 1)
    out_width = width + 2 * padding - dilation * (kw - 1)
    x = F.pad(x, (padding,) * 4)[:, :, ::dilation, ::dilation]
    out_height, out_width = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    columns = F.unfold(x, (kh, kw))
    columns = columns.reshape(batch, groups, per_group * kh * kw, -1)
    rows = weight.reshape(groups, outputs // groups, per_group * kh * kw)
    out = (rows @ columns).reshape(batch, outputs, out_height, out_width)
    return out if bias is None else out + bias[:, None, None]
