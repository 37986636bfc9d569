"""Value by value, with a note of which pixels are taken."""


def max_unpool(values, indices, height, width):
    """Three loops."""
    out = np.zeros((len(values), height, width), values.dtype)
    taken = np.zeros(out.shape, bool)
    for c, y, x in np.ndindex(values.shape):
        row, column = divmod(int(indices[c, y, x]), width)
        if not taken[c, row, column] or values[c, y, x] > out[c, row, column]:
            out[c, row, column] = values[c, y, x]
        taken[c, row, column] = True
    return out
