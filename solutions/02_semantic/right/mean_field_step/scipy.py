"""SciPy's distances and softmax; a matrix of the Potts model."""

from scipy.spatial.distance import cdist
from scipy.special import softmax


def mean_field_step(image, unary, Q, w1, w2, theta_alpha, theta_beta, theta_gamma):
    """The normalisation before and after the filter, as fast code does it."""
    labels = len(unary)
    place = np.argwhere(np.ones(unary.shape[1:])).astype(float)
    color = image.reshape(-1, 3).astype(float)
    far, unlike = cdist(place, place, "sqeuclidean"), cdist(color, color, "sqeuclidean")
    potts = 1 - np.eye(labels)
    cost = unary.reshape(labels, -1).astype(float)
    beliefs = Q.reshape(labels, -1)
    for weight, exponent in (
        (w1, far / theta_alpha**2 + unlike / theta_beta**2),
        (w2, far / theta_gamma**2),
    ):
        kernel = np.exp(-exponent / 2)
        scale = 1 / np.sqrt(kernel.sum(axis=0))
        cost = cost + weight * potts @ (scale * ((scale * beliefs) @ kernel))
    return softmax(-cost, axis=0).reshape(unary.shape)
