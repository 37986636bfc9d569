"""You put the centre at f - 1/2 for odd kernels too; an odd kernel has a middle pixel, at f - 1."""


def bilinear_kernel(size):
    factor = (size + 1) // 2
    center = factor - 0.5
    tent = 1 - np.abs(np.arange(size) - center) / factor
    return tent[:, None] * tent[None, :]


def deconvolution_weight(num_classes, stride):
    size = 2 * stride - stride % 2
    weight = np.zeros((num_classes, num_classes, size, size))
    for c in range(num_classes):
        weight[c, c] = bilinear_kernel(size)
    return weight
