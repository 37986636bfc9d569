"""In PyTorch throughout, padded rather than pasted."""


def zoom_box(mask, clicks, expansion=1.4, min_size=200):
    """The positive clicks drawn into a copy of the mask."""
    marked = torch.as_tensor(mask).clone()
    if not marked.any():
        return None
    for x, y, label in torch.as_tensor(clicks).tolist():
        if label == 1:
            marked[int(y), int(x)] = True
    places = marked.nonzero()
    first, last = places.amin(0).tolist(), places.amax(0).tolist()
    ends = []
    for a, b, size in zip(first, last, marked.shape, strict=True):
        length = max(expansion * (b - a + 1), min_size)
        ends += [max(round((a + b - length) / 2), 0), min(round((a + b + length) / 2), size - 1)]
    return ends


def paste_back(answer, box, height, width):
    """Zeros around what was resized."""
    top, bottom, left, right = box
    answer = torch.as_tensor(answer).float()[None, None]
    size = (bottom + 1 - top, right + 1 - left)
    part = F.interpolate(answer, size=size, mode="bilinear", align_corners=True)
    return F.pad(part, (left, width - 1 - right, top, height - 1 - bottom))[0, 0]
