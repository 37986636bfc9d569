"""A mask for each kind of click."""


def encode_points(clicks, frequencies, codes, no_click, height, width):
    """Fill in three kinds of rows."""
    x, y, label = clicks.unbind(dim=1)
    phi = torch.outer((x + 0.5) / width * 2 - 1, frequencies[0])
    phi = (phi + torch.outer((y + 0.5) / height * 2 - 1, frequencies[1])) * (2 * np.pi)
    tokens = torch.hstack([torch.sin(phi), torch.cos(phi)])
    tokens[label == 0] += codes[0]
    tokens[label == 1] += codes[1]
    tokens[label == -1] = no_click
    return tokens
