"""Only the window around each click is looked at."""


def disk_maps(clicks, height, width, radius=5):
    """Cut the window off at the frame before drawing."""
    maps = np.zeros((2, height, width))
    for x, y, label in clicks:
        if label not in (0, 1):
            continue
        rows = np.arange(max(0, int(y - radius) - 1), min(height, int(y + radius) + 2))
        columns = np.arange(max(0, int(x - radius) - 1), min(width, int(x + radius) + 2))
        if len(rows) == 0 or len(columns) == 0:
            continue
        disk = np.add.outer((rows - y) ** 2, (columns - x) ** 2) <= radius**2
        part = maps[0 if label == 1 else 1, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part[disk] = 1
    return maps
