"""Your places run from 0 to 1; bring them to -1 ... 1."""


def encode_points(clicks, frequencies, codes, no_click, height, width):
    size = torch.tensor([width, height], dtype=clicks.dtype)
    places = (clicks[:, :2] + 0.5) / size
    phi = 2 * torch.pi * places @ frequencies  # (N, C / 2)
    label = clicks[:, 2].long()
    tokens = torch.cat([phi.sin(), phi.cos()], dim=1) + codes[label.clamp(min=0)]
    return torch.where(label[:, None] == -1, no_click, tokens)
