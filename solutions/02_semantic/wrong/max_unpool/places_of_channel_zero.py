"""You put all channels where the maxima of channel 0 were; every channel has its own indices."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.arange(channels)[:, None]
    np.maximum.at(flat, (which, np.repeat(indices[:1], channels, axis=0).reshape(channels, -1)), values.reshape(channels, -1))
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
