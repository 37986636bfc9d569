"""Your weight joins every class with every other; each class is upsampled by itself, so only weight[c, c] is not 0."""


def bilinear_kernel(size):
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    tent = 1 - np.abs(np.arange(size) - center) / factor
    return tent[:, None] * tent[None, :]


def deconvolution_weight(num_classes, stride):
    size = 2 * stride - stride % 2
    weight = np.zeros((num_classes, num_classes, size, size))
    for c in range(num_classes):
        weight[c] = bilinear_kernel(size)
    return weight
