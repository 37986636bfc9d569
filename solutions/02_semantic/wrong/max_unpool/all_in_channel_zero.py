"""The values of all channels end in channel 0; indices start again at 0 in each channel."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.zeros((channels, 1), int)
    np.maximum.at(flat, (which, indices.reshape(channels, -1)), values.reshape(channels, -1))
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
