"""Click by click, frequency by frequency."""

import math


def encode_points(clicks, frequencies, codes, no_click, height, width):
    """Rows of numbers, made a tensor at the end."""
    half = frequencies.shape[1]
    tokens = torch.zeros(len(clicks), 2 * half)
    for row, (x, y, label) in enumerate(clicks.tolist()):
        if label == -1:
            tokens[row] = no_click
            continue
        u, v = (2 * x + 1) / width - 1, (2 * y + 1) / height - 1
        for k in range(half):
            angle = 2 * math.pi * (u * float(frequencies[0, k]) + v * float(frequencies[1, k]))
            tokens[row, k] = math.sin(angle)
            tokens[row, half + k] = math.cos(angle)
        tokens[row] += codes[int(label)]
    return tokens
