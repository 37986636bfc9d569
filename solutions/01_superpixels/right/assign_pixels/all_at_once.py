"""All distances at once, infinite outside the window; argmin takes the first of equals."""


def assign_pixels(lab, centers, S, m):
    """Distances (K, H, W), then the smallest."""
    height, width = lab.shape[:2]
    y, x = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    c = centers.T[:, :, None, None]
    color = sum((lab[None, :, :, i] - c[i]) ** 2 for i in range(3))
    place = (x - c[3]) ** 2 + (y - c[4]) ** 2
    d = np.sqrt(color + place * (m / S) ** 2)
    d[(abs(x - c[3]) > S) | (abs(y - c[4]) > S)] = np.inf
    distance = d.min(axis=0)
    return np.where(distance < np.inf, d.argmin(axis=0), -1).astype(np.int32), distance
