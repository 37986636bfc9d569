"""Your sines and cosines take turns; all sines come first, then all cosines."""


def encode_points(clicks, frequencies, codes, no_click, height, width):
    size = torch.tensor([width, height], dtype=clicks.dtype)
    places = 2 * (clicks[:, :2] + 0.5) / size - 1
    phi = 2 * torch.pi * places @ frequencies  # (N, C / 2)
    label = clicks[:, 2].long()
    tokens = torch.stack([phi.sin(), phi.cos()], dim=2).flatten(1) + codes[label.clamp(min=0)]
    return torch.where(label[:, None] == -1, no_click, tokens)
