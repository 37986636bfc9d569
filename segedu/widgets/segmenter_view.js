// The canvas of the click widget: where the image lies on the screen, and how everything is painted.

/** Objects' tint over the image, and the width of lines in CSS pixels. */
const DEFAULT_OPACITY = 0.45;
const LINE = 2;
const ZOOM_MAX = 32;
// Positive and negative prompts differ in colour, and in sign for those who do not see the colours.
const POSITIVE = "#0072b2";
const NEGATIVE = "#d55e00";

/** Image pixels to CSS pixels of the canvas: css = image * scale + offset. */
class Viewport {
  constructor(width, height) {
    Object.assign(this, { width, height, boxWidth: 1, boxHeight: 1, scale: 1, x: 0, y: 0, fitted: true });
  }

  /** The canvas got this size: stay fitted, or keep what is in the middle there. */
  resize(boxWidth, boxHeight) {
    const middle = this.toImage(this.boxWidth / 2, this.boxHeight / 2);
    Object.assign(this, { boxWidth, boxHeight });
    if (this.fitted) return this.fit();
    this.x = boxWidth / 2 - middle[0] * this.scale;
    this.y = boxHeight / 2 - middle[1] * this.scale;
    this.keepInside();
  }

  fit() {
    this.scale = Math.min(this.boxWidth / this.width, this.boxHeight / this.height);
    this.x = (this.boxWidth - this.width * this.scale) / 2;
    this.y = (this.boxHeight - this.height * this.scale) / 2;
    this.fitted = true;
  }

  /** Zoom by a factor so that the point (cx, cy) on the canvas stays where it is. */
  zoom(factor, cx = this.boxWidth / 2, cy = this.boxHeight / 2) {
    const smallest = Math.min(this.boxWidth / this.width, this.boxHeight / this.height);
    const scale = Math.min(Math.max(this.scale * factor, smallest), Math.max(ZOOM_MAX, smallest));
    if (scale <= smallest) return this.fit();
    this.x = cx - ((cx - this.x) * scale) / this.scale;
    this.y = cy - ((cy - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.keepInside();
  }

  pan(dx, dy) {
    if (this.fitted) return;
    this.x += dx;
    this.y += dy;
    this.keepInside();
  }

  /** No empty margin where the image could fill it. */
  keepInside() {
    for (const [offset, box, size] of [["x", this.boxWidth, this.width], ["y", this.boxHeight, this.height]]) {
      const length = size * this.scale;
      this[offset] = length <= box ? (box - length) / 2 : Math.min(0, Math.max(box - length, this[offset]));
    }
  }

  toImage(cx, cy) {
    return [(cx - this.x) / this.scale, (cy - this.y) / this.scale];
  }

  toCanvas(ix, iy) {
    return [ix * this.scale + this.x, iy * this.scale + this.y];
  }
}

/** Turn runs (a DataView of uint32 positions where the mask changes) into bytes 0 and 1. */
function decodeRuns(view, pixels) {
  const runs = new Uint32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const mask = new Uint8Array(pixels);
  for (let i = 0; i + 1 < runs.length; i += 2) mask.fill(1, runs[i], runs[i + 1]);
  return { mask, runs };
}

/** Two canvases of the image's size for a mask: its tint, and its contour. */
function paintMask(view, width, height, [r, g, b]) {
  const { mask, runs } = decodeRuns(view, width * height);
  const color = (255 << 24) | (b << 16) | (g << 8) | r; // little-endian RGBA
  const white = 0xe6ffffff;
  const tint = new Uint32Array(width * height);
  const line = new Uint32Array(width * height);
  let top = height, bottom = -1;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    tint.fill(color, runs[i], runs[i + 1]);
    top = Math.min(top, Math.floor(runs[i] / width));
    bottom = Math.max(bottom, Math.floor((runs[i + 1] - 1) / width));
  }
  // Coloured inside the border, white outside of it: visible on any background.
  for (let y = Math.max(0, top - 1); y <= Math.min(height - 1, bottom + 1); y++) {
    for (let x = 0, p = y * width; x < width; x++, p++) {
      const here = mask[p];
      if (
        (x > 0 && mask[p - 1] !== here) || (x + 1 < width && mask[p + 1] !== here) ||
        (y > 0 && mask[p - width] !== here) || (y + 1 < height && mask[p + width] !== here)
      ) line[p] = here ? color : white;
    }
  }
  return { tint: toCanvas(tint, width, height), line: toCanvas(line, width, height), any: bottom >= 0 };
}

function toCanvas(pixels, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  return canvas;
}

/** Paint the scene: image, masks, prompts, and what is being drawn. */
function paintScene(canvas, scene) {
  const { viewport: view, ratio } = scene;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.boxWidth, view.boxHeight);
  if (!scene.image) return;
  const place = [view.x, view.y, view.width * view.scale, view.height * view.scale];
  context.imageSmoothingEnabled = view.scale * ratio < 2; // single pixels are to be seen when zoomed in
  context.imageSmoothingQuality = "high";
  context.drawImage(scene.image, ...place);
  if (!scene.hidden) {
    for (const [id, painted] of scene.masks) {
      if (!painted.any) continue;
      context.globalAlpha = scene.opacity * (id === scene.active ? 1 : 0.6);
      context.drawImage(painted.tint, ...place);
      context.globalAlpha = id === scene.active ? 1 : 0.5;
      context.drawImage(painted.line, ...place);
    }
    context.globalAlpha = 1;
  }
  paintPrompts(context, view, scene.prompts);
  for (const draft of scene.drafts) paintPrompts(context, view, draft);
  if (scene.cursor) paintCursor(context, view, scene);
}

/** Paint prompts in the form in which Python describes them. */
function paintPrompts(context, view, { clicks = [], box = null, strokes = [], contour = null }) {
  for (const { points, radius, positive } of strokes) {
    context.globalAlpha = 0.55;
    outline(context, view, points, 2 * radius * view.scale, positive ? POSITIVE : NEGATIVE, []);
    context.globalAlpha = 1;
  }
  if (box) {
    const [x0, y0, x1, y1] = box;
    haloed(context, view, [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]);
  }
  if (contour) haloed(context, view, [...contour, contour[0]]);
  for (const [x, y, positive] of clicks) paintClick(context, ...view.toCanvas(x, y), positive);
}

/** A dashed line that is seen on light and dark images. */
function haloed(context, view, points) {
  outline(context, view, points, LINE + 2, "rgba(0, 0, 0, 0.55)", []);
  outline(context, view, points, LINE, "#ffffff", [7, 5]);
}

function outline(context, view, points, width, color, dash) {
  context.beginPath();
  points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](...view.toCanvas(x, y)));
  if (points.length === 1) context.lineTo(...view.toCanvas(points[0][0] + 1e-3, points[0][1]));
  Object.assign(context, { lineWidth: width, strokeStyle: color, lineCap: "round", lineJoin: "round" });
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

function paintClick(context, x, y, positive) {
  context.beginPath();
  context.arc(x, y, 7.5, 0, 2 * Math.PI);
  context.fillStyle = positive ? POSITIVE : NEGATIVE;
  context.fill();
  Object.assign(context, { lineWidth: 2, strokeStyle: "#ffffff" });
  context.stroke();
  context.beginPath();
  context.moveTo(x - 3.5, y);
  context.lineTo(x + 3.5, y);
  if (positive) {
    context.moveTo(x, y - 3.5);
    context.lineTo(x, y + 3.5);
  }
  context.stroke();
}

/** Where the keyboard points, and how large the brush is. */
function paintCursor(context, view, { cursor, brush }) {
  const [x, y] = view.toCanvas(...cursor.at);
  const positive = cursor.positive ? POSITIVE : NEGATIVE;
  for (const [width, color] of [[4, "rgba(255, 255, 255, 0.9)"], [2, positive]]) {
    Object.assign(context, { lineWidth: width, strokeStyle: color });
    context.beginPath();
    if (brush) context.arc(x, y, Math.max(brush * view.scale, 2), 0, 2 * Math.PI);
    if (cursor.keyboard) {
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx, y + 4 * dy);
        context.lineTo(x + 14 * dx, y + 14 * dy);
      }
    }
    context.stroke();
  }
}
