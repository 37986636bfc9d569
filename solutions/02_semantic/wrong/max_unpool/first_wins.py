"""Where several values name a pixel, your first one wins; the largest goes there."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.arange(channels)[:, None]
    pairs = zip(indices.reshape(channels, -1).T[::-1], values.reshape(channels, -1).T[::-1])
    for places, column in pairs:
        flat[which[:, 0], places] = column
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
