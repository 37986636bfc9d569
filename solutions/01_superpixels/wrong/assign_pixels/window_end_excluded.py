"""You leave out the last row and column of the window; |x - x_k| <= S holds there, too."""


def assign_pixels(lab, centers, S, m):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    labels = np.full((height, width), -1)
    distance = np.full((height, width), np.inf)
    for k, (x_k, y_k) in enumerate(centers[:, 3:]):
        seen = (x >= x_k - S) & (x < x_k + S) & (y >= y_k - S) & (y < y_k + S)
        d = np.where(seen, slic_distance(pixels, centers[k], S, m), np.inf)
        closer = d < distance
        distance[closer] = d[closer]
        labels[closer] = k
    return labels, distance
