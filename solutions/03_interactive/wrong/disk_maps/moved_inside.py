"""You move clicks that lie outside into the image; draw what their disks show inside."""


def disk_maps(clicks, height, width, radius=5):
    x, y, label = np.asarray(clicks, float).reshape(-1, 3).T[:, :, None, None]  # (N, 1, 1) each
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    rows, columns = np.mgrid[:height, :width]
    near = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2  # (N, H, W)
    return np.stack([(near & (label == side)).any(axis=0) for side in (1, 0)]).astype(float)
