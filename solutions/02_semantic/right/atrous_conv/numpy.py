"""In NumPy, with sliding windows of the whole reach of the kernel; float64."""


def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):
    """Windows, every r-th value of each, and one einsum."""
    x, weight = x.double().numpy(), weight.double().numpy()
    batch, channels = x.shape[:2]
    outputs, per_group, kh, kw = weight.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    reach = (dilation * (kh - 1) + 1, dilation * (kw - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    windows = windows[..., ::dilation, ::dilation]
    windows = windows.reshape(batch, groups, channels // groups, *windows.shape[2:])
    weight = weight.reshape(groups, outputs // groups, per_group, kh, kw)
    out = np.einsum("bgcyxuv,gocuv->bgoyx", windows, weight)
    out = out.reshape(batch, outputs, *out.shape[3:])
    return out if bias is None else out + bias.numpy()[:, None, None]
