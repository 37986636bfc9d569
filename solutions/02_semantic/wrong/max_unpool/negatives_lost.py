"""You compare values with the 0 of the background, so negative ones are lost; a value is one also below 0."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), 0.0)
    which = np.arange(channels)[:, None]
    np.maximum.at(flat, (which, indices.reshape(channels, -1)), values.reshape(channels, -1))
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
