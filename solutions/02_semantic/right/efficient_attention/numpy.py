"""In NumPy and float64."""


def efficient_attention(x, height, width, weights, heads, reduction):
    """Patches by slicing, matrices by @."""
    w = {name: value.double().numpy() for name, value in weights.items()}
    x = x.double().numpy()
    batch, count, channels = x.shape
    tokens = x
    if reduction > 1:
        grid = x.reshape(batch, height, width, channels)
        tokens = []
        for top in range(0, height - reduction + 1, reduction):
            for left in range(0, width - reduction + 1, reduction):
                patch = grid[:, top : top + reduction, left : left + reduction]
                tokens.append(np.einsum("byxc,ocyx->bo", patch, w["sr.weight"]) + w["sr.bias"])
        tokens = np.stack(tokens, axis=1)
        tokens = tokens - tokens.mean(axis=2, keepdims=True)
        tokens = tokens / np.sqrt((tokens**2).mean(axis=2, keepdims=True) + 1e-5)
        tokens = tokens * w["norm.weight"] + w["norm.bias"]

    def cut(sequence):
        return sequence.reshape(batch, -1, heads, channels // heads).swapaxes(1, 2)

    q = cut(x @ w["q.weight"].T + w["q.bias"])
    kv = tokens @ w["kv.weight"].T + w["kv.bias"]
    k, v = cut(kv[..., :channels]), cut(kv[..., channels:])
    scores = q @ k.swapaxes(2, 3) / np.sqrt(channels // heads)
    scores = np.exp(scores - scores.max(axis=3, keepdims=True))
    out = (scores / scores.sum(axis=3, keepdims=True)) @ v
    out = out.swapaxes(1, 2).reshape(batch, count, channels)
    return out @ w["proj.weight"].T + w["proj.bias"]
