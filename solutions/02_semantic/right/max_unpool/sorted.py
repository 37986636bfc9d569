"""Values in rising order, so that the largest is written last."""


def max_unpool(values, indices, height, width):
    """Sort, then write in turn."""
    out = np.zeros((len(values), height * width), np.float32)
    for channel, value, index in zip(out, values, indices, strict=True):
        order = np.argsort(value, axis=None)
        for place, number in zip(index.ravel()[order], value.ravel()[order], strict=True):
            channel[place] = number
    return out.reshape(len(values), height, width)
