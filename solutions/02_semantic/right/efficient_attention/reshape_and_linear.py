"""The reduction as the paper writes it: patches reshaped to rows, then a linear layer."""


def efficient_attention(x, height, width, weights, heads, reduction):
    """Einsum throughout, scores scaled before the product."""
    batch, _, channels = x.shape
    w, r = weights, reduction
    tokens = x
    if r > 1:
        rows, columns = height // r, width // r
        grid = x.reshape(batch, height, width, channels)[:, : rows * r, : columns * r]
        patches = grid.reshape(batch, rows, r, columns, r, channels)
        patches = patches.permute(0, 1, 3, 5, 2, 4).reshape(batch, rows * columns, -1)
        tokens = F.linear(patches, w["sr.weight"].flatten(1), w["sr.bias"])
        tokens = F.layer_norm(tokens, (channels,), w["norm.weight"], w["norm.bias"], 1e-5)
    q = F.linear(x, w["q.weight"], w["q.bias"]).unflatten(2, (heads, -1))
    kv = F.linear(tokens, w["kv.weight"], w["kv.bias"]).unflatten(2, (2, heads, -1))
    k, v = kv.unbind(2)
    scores = torch.einsum("bnhd,bmhd->bhnm", q / q.shape[-1] ** 0.5, k)
    out = torch.einsum("bhnm,bmhd->bnhd", scores.softmax(-1), v).flatten(2)
    return out @ w["proj.weight"].T + w["proj.bias"]
