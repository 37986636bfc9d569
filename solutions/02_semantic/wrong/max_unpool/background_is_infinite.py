"""Pixels that no index names are left at minus infinity; they are 0."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.arange(channels)[:, None]
    np.maximum.at(flat, (which, indices.reshape(channels, -1)), values.reshape(channels, -1))
    return flat.reshape(channels, height, width)
