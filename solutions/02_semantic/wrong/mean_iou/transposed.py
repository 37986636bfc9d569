"""Your matrix has the prediction in its rows; the truth belongs there, the prediction in the columns."""


def confusion_matrix(prediction, target, num_classes, ignore=255):
    counted = target != ignore
    pairs = prediction[counted].astype(int) * num_classes + target[counted].astype(int)
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def mean_iou(counts):
    intersection = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0) - intersection
    present = union > 0
    if not present.any():
        return float("nan")
    return float((intersection[present] / union[present]).mean())
