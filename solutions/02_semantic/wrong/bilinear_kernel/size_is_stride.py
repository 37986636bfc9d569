"""Your kernel has s weights, so that its copies do not overlap; bilinear interpolation needs 2 s - s mod 2."""


def bilinear_kernel(size):
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    tent = 1 - np.abs(np.arange(size) - center) / factor
    return tent[:, None] * tent[None, :]


def deconvolution_weight(num_classes, stride):
    size = stride
    weight = np.zeros((num_classes, num_classes, size, size))
    for c in range(num_classes):
        weight[c, c] = bilinear_kernel(size)
    return weight
