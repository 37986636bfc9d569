"""You put each value to the corner of its window, whatever its index; the indices say where it was."""


def max_unpool(values, indices, height, width):
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.arange(channels)[:, None]
    h, w = values.shape[1:]
    step_y, step_x = max(height // h, 1), max(width // w, 1)
    y, x = np.mgrid[:h, :w]
    places = (y * step_y * width + x * step_x).ravel()[None]
    flat[which, places] = values.reshape(channels, -1)
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
