"""A tent read off by np.interp between its feet and its top."""


def bilinear_kernel(size):
    """The tent is piecewise linear: 0 at its feet, 1 at its top."""
    f, c = (size + 1) // 2, (size - 1) / 2
    tent = np.interp(np.arange(size), [c - f, c, c + f], [0, 1, 0])
    return np.outer(tent, tent)


def deconvolution_weight(num_classes, stride):
    """An identity with two more axes."""
    kernel = bilinear_kernel(2 * stride - stride % 2)
    return np.eye(num_classes)[:, :, None, None] * kernel
