"""You add values that name the same pixel; the largest of them goes there."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), 0.0)
    which = np.arange(channels)[:, None]
    np.add.at(flat, (which, indices.reshape(channels, -1)), values.reshape(channels, -1))
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
