"""You subtract the half pixel; the centre of pixel 0 is at +1/2."""


def encode_points(clicks, frequencies, codes, no_click, height, width):
    size = torch.tensor([width, height], dtype=clicks.dtype)
    places = 2 * (clicks[:, :2] - 0.5) / size - 1
    phi = 2 * torch.pi * places @ frequencies  # (N, C / 2)
    label = clicks[:, 2].long()
    tokens = torch.cat([phi.sin(), phi.cos()], dim=1) + codes[label.clamp(min=0)]
    return torch.where(label[:, None] == -1, no_click, tokens)
