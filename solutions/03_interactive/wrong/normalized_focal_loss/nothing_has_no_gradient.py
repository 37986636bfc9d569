"""You divide by n = 0 first and leave the image out then: its gradient is 0 / 0, not a number."""


def normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255):
    positive, valid = target == 1, target != ignore
    signed = torch.where(positive, logits, -logits)
    log_p = F.logsigmoid(signed)
    focus = torch.sigmoid(-signed) ** gamma * valid
    n = valid.sum(dim=(1, 2))
    beta = (n / focus.sum(dim=(1, 2))).detach()
    weight = torch.where(positive, alpha, 1 - alpha) * beta[:, None, None] * focus
    losses = -(weight * log_p).sum(dim=(1, 2)) / n
    return losses[n > 0].mean()
