"""You overwrite ignored pixels in the arrays you were given; work on a copy."""


def confusion_matrix(prediction, target, num_classes, ignore=255):
    counted = target != ignore
    target[~counted] = 0
    prediction[~counted] = 0
    pairs = target[counted].astype(int) * num_classes + prediction[counted].astype(int)
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def mean_iou(counts):
    intersection = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0) - intersection
    present = union > 0
    if not present.any():
        return float("nan")
    return float((intersection[present] / union[present]).mean())
