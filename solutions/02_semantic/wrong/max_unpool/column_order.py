"""You take an index as x * H + y; it is y * W + x, row by row."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.arange(channels)[:, None]
    np.maximum.at(flat, (which, indices.reshape(channels, -1)), values.reshape(channels, -1))
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, width, height).transpose(0, 2, 1)
