"""Your window starts at a negative index near the border, and NumPy counts those from the other end."""


def assign_pixels(lab, centers, S, m):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    labels = np.full((height, width), -1)
    distance = np.full((height, width), np.inf)
    for k, (x_k, y_k) in enumerate(centers[:, 3:]):
        rows = slice(int(np.ceil(y_k - S)), int(np.floor(y_k + S)) + 1)
        cols = slice(int(np.ceil(x_k - S)), int(np.floor(x_k + S)) + 1)
        d = slic_distance(pixels[rows, cols], centers[k], S, m)
        closer = d < distance[rows, cols]
        distance[rows, cols][closer] = d[closer]
        labels[rows, cols][closer] = k
    return labels, distance
