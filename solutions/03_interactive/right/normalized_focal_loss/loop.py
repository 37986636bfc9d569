"""Image by image, only the pixels that count."""


def normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255):
    """p of the truth by the sign of the logit."""
    losses = []
    for z, t in zip(logits, target, strict=True):
        z, t = z[t != ignore], t[t != ignore]
        if len(t) == 0:
            continue
        s = z * (2 * t - 1)
        w = (1 - s.sigmoid()).pow(gamma)
        with torch.no_grad():
            beta = len(t) / (w.sum() + 1e-12)
        alphas = alpha * t + (1 - alpha) * (1 - t)
        losses.append((alphas * beta * w * F.softplus(-s)).mean())
    return sum(losses) / len(losses)
