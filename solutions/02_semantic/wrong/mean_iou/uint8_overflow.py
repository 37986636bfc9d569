"""You compute with uint8 labels: 18 * 19 is 86 there; make larger integers first."""


def confusion_matrix(prediction, target, num_classes, ignore=255):
    counted = target != ignore
    pairs = target[counted] * np.asarray(num_classes, target.dtype) + prediction[counted]
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def mean_iou(counts):
    intersection = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0) - intersection
    present = union > 0
    if not present.any():
        return float("nan")
    return float((intersection[present] / union[present]).mean())
