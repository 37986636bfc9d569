"""Pixel by pixel; a message as a plain sum."""


def mean_field_step(image, unary, Q, w1, w2, theta_alpha, theta_beta, theta_gamma):
    """Loops over pixels, then over labels."""
    labels, height, width = unary.shape
    pixels = list(np.ndindex(height, width))
    beliefs = np.array([Q[(slice(None), *p)] for p in pixels], float)  # (N, L)
    kernels = []
    for place_reach, color_reach in ((theta_alpha, theta_beta), (theta_gamma, None)):
        kernel = np.zeros((len(pixels), len(pixels)))
        for i, p in enumerate(pixels):
            for j, q in enumerate(pixels):
                cost = ((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2) / (2 * place_reach**2)
                if color_reach:
                    apart = image[p].astype(float) - image[q].astype(float)
                    cost += (apart @ apart) / (2 * color_reach**2)
                kernel[i, j] = np.exp(-cost)
        root = np.sqrt(kernel.sum(axis=1))
        kernels.append(kernel / root[:, None] / root)
    new = np.zeros(unary.shape)
    for i, p in enumerate(pixels):
        message = w1 * kernels[0][i] @ beliefs + w2 * kernels[1][i] @ beliefs
        cost = np.array([unary[(k, *p)] + message.sum() - message[k] for k in range(labels)])
        share = np.exp(cost.min() - cost)
        new[(slice(None), *p)] = share / share.sum()
    return new
