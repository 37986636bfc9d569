"""You cut off the fraction of clicks that lie between pixels; the formula holds as it is."""


def disk_maps(clicks, height, width, radius=5):
    x, y, label = np.asarray(clicks, float).reshape(-1, 3).T[:, :, None, None]  # (N, 1, 1) each
    rows, columns = np.mgrid[:height, :width]
    near = (rows - np.trunc(y)) ** 2 + (columns - np.trunc(x)) ** 2 <= radius**2  # (N, H, W)
    return np.stack([(near & (label == side)).any(axis=0) for side in (1, 0)]).astype(float)
