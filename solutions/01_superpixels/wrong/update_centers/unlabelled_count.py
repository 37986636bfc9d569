"""Pixels with the label -1 count for your last centre: as an index, -1 means the last one."""


def update_centers(lab, labels, centers):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    sums, count = np.zeros((len(centers), 5)), np.zeros(len(centers))
    np.add.at(sums, labels, pixels)
    np.add.at(count, labels, 1)
    new = np.array(centers, float)
    new[count > 0] = sums[count > 0] / count[count > 0, None]
    return new, float(np.abs(new - centers)[:, 3:].sum() / len(centers))
