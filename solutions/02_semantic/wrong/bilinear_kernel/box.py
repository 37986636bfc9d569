"""Your kernel is 1 everywhere: that copies each value; bilinear interpolation fades from one to the next."""


def bilinear_kernel(size):
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    tent = np.ones(size)
    return tent[:, None] * tent[None, :]


def deconvolution_weight(num_classes, stride):
    size = 2 * stride - stride % 2
    weight = np.zeros((num_classes, num_classes, size, size))
    for c in range(num_classes):
        weight[c, c] = bilinear_kernel(size)
    return weight
