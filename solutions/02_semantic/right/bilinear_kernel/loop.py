"""Weight by weight, as the formula stands."""

import math


def bilinear_kernel(size):
    """Two loops over the kernel."""
    f = math.ceil(size / 2)
    c = f - 1 if size % 2 else f - 0.5
    kernel = np.zeros((size, size), np.float32)
    for y in range(size):
        for x in range(size):
            kernel[y, x] = (1 - abs(y - c) / f) * (1 - abs(x - c) / f)
    return kernel


def deconvolution_weight(num_classes, stride):
    """One kernel per class."""
    size = 2 * stride - 1 if stride % 2 else 2 * stride
    weight = np.zeros((num_classes, num_classes, size, size), np.float32)
    weight[range(num_classes), range(num_classes)] = bilinear_kernel(size)
    return weight
