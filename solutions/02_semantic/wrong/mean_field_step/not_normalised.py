"""You do not normalise the kernels: divide k by the root of D_i D_j (eq. 2)."""


def mean_field_step(image, unary, Q, w1, w2, theta_alpha, theta_beta, theta_gamma):
    labels, height, width = unary.shape
    y, x = np.mgrid[:height, :width]
    place = np.stack([x, y], axis=-1).reshape(-1, 2).astype(float)
    color = np.asarray(image, float).reshape(-1, 3)

    def squares(points):
        return ((points[:, None] - points[None]) ** 2).sum(axis=-1)

    def normalised(kernel):
        return kernel

    far, unlike = squares(place), squares(color)
    k1 = np.exp(-far / (2 * theta_alpha**2) - unlike / (2 * theta_beta**2))
    k2 = np.exp(-far / (2 * theta_gamma**2))
    kernel = w1 * normalised(k1) + w2 * normalised(k2)
    message = np.asarray(Q, float).reshape(labels, -1) @ kernel
    cost = unary.reshape(labels, -1) + message.sum(axis=0) - message
    new = np.exp(cost.min(axis=0) - cost)
    return (new / new.sum(axis=0)).reshape(labels, height, width)
