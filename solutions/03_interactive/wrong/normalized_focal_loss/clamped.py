"""You keep p away from 0 and 1, which changes the loss of large logits; F.logsigmoid needs no such thing."""


def normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255):
    positive, valid = target == 1, target != ignore
    signed = torch.where(positive, logits, -logits)
    log_p = torch.sigmoid(signed).clamp(1e-6, 1 - 1e-6).log()
    focus = torch.sigmoid(-signed) ** gamma * valid
    n = valid.sum(dim=(1, 2))
    beta = (n / (focus.sum(dim=(1, 2)) + 1e-12)).detach()
    weight = torch.where(positive, alpha, 1 - alpha) * beta[:, None, None] * focus
    losses = -(weight * log_p).sum(dim=(1, 2)) / n.clamp(min=1)
    return losses[n > 0].mean()
