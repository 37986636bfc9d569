"""Your tent reaches 0 at the kernel's first and last weight; it does so one pixel further out (f is k / 2 rounded up)."""


def bilinear_kernel(size):
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    tent = 1 - np.abs(np.linspace(-1, 1, size)) if size > 1 else np.ones(1)
    return tent[:, None] * tent[None, :]


def deconvolution_weight(num_classes, stride):
    size = 2 * stride - stride % 2
    weight = np.zeros((num_classes, num_classes, size, size))
    for c in range(num_classes):
        weight[c, c] = bilinear_kernel(size)
    return weight
