"""You never look whether the new centre is nearer: the last one whose window holds a pixel gets it."""


def assign_pixels(lab, centers, S, m):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    labels = np.full((height, width), -1)
    distance = np.full((height, width), np.inf)
    for k, (x_k, y_k) in enumerate(centers[:, 3:]):
        seen = (abs(x - x_k) <= S) & (abs(y - y_k) <= S)
        distance[seen] = slic_distance(pixels, centers[k], S, m)[seen]
        labels[seen] = k
    return labels, distance
