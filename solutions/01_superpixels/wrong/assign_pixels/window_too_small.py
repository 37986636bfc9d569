"""Your window is S x S; it reaches S to each side, so it is 2S x 2S."""


def assign_pixels(lab, centers, S, m):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    labels = np.full((height, width), -1)
    distance = np.full((height, width), np.inf)
    for k, (x_k, y_k) in enumerate(centers[:, 3:]):
        seen = (abs(x - x_k) <= S / 2) & (abs(y - y_k) <= S / 2)
        d = np.where(seen, slic_distance(pixels, centers[k], S, m), np.inf)
        closer = d < distance
        distance[closer] = d[closer]
        labels[closer] = k
    return labels, distance
