"""You overwrite `centers`, so the residual compares the new ones with themselves and is 0; work on a copy."""


def update_centers(lab, labels, centers):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    new = centers
    for k in range(len(centers)):
        if (labels == k).any():
            new[k] = pixels[labels == k].mean(axis=0)
    return new, float(np.abs(new - centers)[:, 3:].sum() / len(centers))
