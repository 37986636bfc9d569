"""A centre without pixels becomes nan, a mean over nothing; it stays where it is."""


def update_centers(lab, labels, centers):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    new = np.full((len(centers), 5), np.nan)
    for k in range(len(centers)):
        if (labels == k).any():
            new[k] = pixels[labels == k].mean(axis=0)
    return new, float(np.abs(new - centers)[:, 3:].sum() / len(centers))
