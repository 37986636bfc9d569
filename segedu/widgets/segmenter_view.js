// The canvas of the click widget: where the image lies on the screen, and how everything is painted.

/** Objects' tint over the image, and the width of lines in CSS pixels. */
const DEFAULT_OPACITY = 0.45;
const LINE = 2;
const ZOOM_MAX = 32;
// Positive and negative prompts differ in colour, and in sign for those who do not see the colours.
const POSITIVE = "#0072b2";
const NEGATIVE = "#d55e00";
const DERIVED = "#cc79a7"; // what a method was told in other words
const TRUTH = "#f0e442";

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

  /** Move as little as it takes to see a point of the image. */
  show(ix, iy, margin = 24) {
    const [cx, cy] = this.toCanvas(ix, iy);
    const short = (c, box) => Math.max(0, margin - c) - Math.max(0, c - (box - margin));
    this.pan(short(cx, this.boxWidth), short(cy, this.boxHeight));
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

/**
 * What is painted of a mask: its tint, as a canvas over its bounding box, and its contour.
 * @param {DataView} view uint32 positions at which the mask, read row by row, changes
 * @param {number} width of the image
 * @param {[number, number, number]} color
 * @returns {{tint: HTMLCanvasElement | null, left: number, top: number, contour: Path2D, color: string}}
 */
function paintMask(view, width, [r, g, b]) {
  const runs = new Uint32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const contour = new Path2D();
  if (!runs.length) return { tint: null, left: 0, top: 0, contour };
  const rows = splitRows(runs, width);
  const top = rows[0].y, bottom = rows[rows.length - 1].y + 1;
  const left = rows.reduce((x, { edges }) => Math.min(x, edges[0]), width);
  const right = rows.reduce((x, { edges }) => Math.max(x, edges[edges.length - 1]), 0);
  const pixels = new Uint32Array((right - left) * (bottom - top));
  const color = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // RGBA, little-endian
  for (const { y, edges } of rows) {
    const start = (y - top) * (right - left) - left;
    for (let i = 0; i < edges.length; i += 2) pixels.fill(color, start + edges[i], start + edges[i + 1]);
  }
  const tint = document.createElement("canvas");
  Object.assign(tint, { width: right - left, height: bottom - top });
  const image = new ImageData(new Uint8ClampedArray(pixels.buffer), tint.width, tint.height);
  tint.getContext("2d").putImageData(image, 0, 0);
  traceContour(rows, contour);
  return { tint, left, top, contour, color: `rgb(${r}, ${g}, ${b})` };
}

/** Runs over the whole image -> for each row that holds any, the sorted x where it changes. */
function splitRows(runs, width) {
  const rows = [];
  for (let i = 0; i + 1 < runs.length; i += 2) {
    for (let from = runs[i]; from < runs[i + 1]; ) {
      const y = Math.floor(from / width);
      const to = Math.min(runs[i + 1], (y + 1) * width);
      if (!rows.length || rows[rows.length - 1].y !== y) rows.push({ y, edges: [] });
      rows[rows.length - 1].edges.push(from - y * width, to - y * width);
      from = to;
    }
  }
  return rows;
}

/**
 * Trace the mask's border along the edges of its pixels, in straight pieces as long as they get.
 * A change of x that this row shares with the one above prolongs a vertical piece; the changes that
 * only one of both has begin or end one, and pair up to the horizontal pieces between the rows.
 */
function traceContour(rows, path) {
  const begun = new Map(); // x -> y at which a vertical piece began
  let above = [], last = rows[0].y - 1;
  const step = (y, here) => {
    const changes = [];
    for (let i = 0, j = 0; i < above.length || j < here.length; ) {
      const a = i < above.length ? above[i] : Infinity, b = j < here.length ? here[j] : Infinity;
      if (a === b) i++, j++;
      else if (a < b) {
        path.moveTo(a, begun.get(a));
        path.lineTo(a, y);
        begun.delete(a);
        changes.push(a);
        i++;
      } else {
        begun.set(b, y);
        changes.push(b);
        j++;
      }
    }
    for (let i = 0; i + 1 < changes.length; i += 2) {
      path.moveTo(changes[i], y);
      path.lineTo(changes[i + 1], y);
    }
    above = here;
  };
  for (const { y, edges } of rows) {
    if (y > last + 1) step(last + 1, []);
    step(y, edges);
    last = y;
  }
  step(last + 1, []);
}

/**
 * The image at its place on the canvas, scaled once: drawing over it then costs no scaling.
 * Reused as long as nothing moves.
 */
class Backdrop {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.key = "";
  }

  paint(context, { image, viewport: view, ratio }) {
    const { width, height } = context.canvas;
    const key = [width, height, view.x, view.y, view.scale, ratio].join();
    if (key !== this.key) {
      Object.assign(this.canvas, { width, height }); // clears it
      const own = this.canvas.getContext("2d");
      own.setTransform(ratio, 0, 0, ratio, 0, 0);
      own.imageSmoothingEnabled = view.scale * ratio < 2; // zoomed in, single pixels are to be seen
      own.imageSmoothingQuality = "high";
      own.drawImage(image, view.x, view.y, view.width * view.scale, view.height * view.scale);
      this.key = key;
    }
    context.drawImage(this.canvas, 0, 0);
  }
}

/** Paint the scene: image, masks, prompts, and what is being drawn. */
function paintScene(canvas, scene) {
  const { viewport: view, ratio } = scene;
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!scene.image) return;
  scene.backdrop.paint(context, scene);
  if (!scene.hidden) {
    for (const [id, mask] of scene.masks) if (id !== scene.active) overlay(context, scene, mask, 0.6);
    const active = scene.masks.get(scene.active);
    if (active) overlay(context, scene, active, 1);
  }
  if (scene.truth) dashedContour(context, scene, scene.truth, TRUTH, [6, 4]);
  if (scene.derived?.shape) dashedContour(context, scene, scene.derived.shape, DERIVED, [1.5, 3.5]);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (scene.derived) paintDerived(context, view, scene.derived);
  paintPrompts(context, view, scene.prompts);
  for (const draft of scene.drafts) paintPrompts(context, view, draft);
  if (scene.cursor) paintCursor(context, view, scene);
}

/** A mask's tint, and its contour: as wide at any zoom, white beside the colour to be seen anywhere. */
function overlay(context, { viewport: view, ratio, opacity }, mask, strength) {
  if (!mask.tint) return;
  const unit = ratio * view.scale;
  context.setTransform(unit, 0, 0, unit, ratio * view.x, ratio * view.y);
  context.imageSmoothingEnabled = unit < 2;
  context.globalAlpha = opacity * strength;
  context.drawImage(mask.tint, mask.left, mask.top);
  context.lineCap = "square";
  for (const [width, color, alpha] of [[LINE + 2, "#ffffff", 0.85], [LINE, mask.color, 1]]) {
    context.globalAlpha = alpha * strength;
    Object.assign(context, { lineWidth: width / view.scale, strokeStyle: color });
    context.stroke(mask.contour);
  }
  context.globalAlpha = 1;
}

/** A mask's contour as a dashed line, thinner than an answer's. */
function dashedContour(context, { viewport: view, ratio }, mask, color, dash) {
  const unit = ratio * view.scale;
  context.setTransform(unit, 0, 0, unit, ratio * view.x, ratio * view.y);
  context.lineCap = "butt";
  for (const [width, stroke, pattern] of [[LINE + 1, "rgba(0, 0, 0, 0.6)", []], [LINE - 0.25, color, dash]]) {
    context.setLineDash(pattern.map((length) => length / view.scale));
    Object.assign(context, { lineWidth: width / view.scale, strokeStyle: stroke });
    context.stroke(mask.contour);
  }
  context.setLineDash([]);
}

/** What a method was told in other words: as the prompts, but thin, hollow and dotted. */
function paintDerived(context, view, { clicks = [], box = null, strokes = [], contour = null }) {
  const dotted = (points) => {
    outline(context, view, points, LINE + 1, "rgba(0, 0, 0, 0.6)", []);
    outline(context, view, points, LINE - 0.25, DERIVED, [1.5, 3.5]);
  };
  if (box) {
    const [x0, y0, x1, y1] = box;
    dotted([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]);
  }
  if (contour) dotted([...contour, contour[0]]);
  for (const { points } of strokes) dotted(points);
  for (const [ix, iy, positive] of clicks) {
    const [x, y] = view.toCanvas(ix, iy);
    for (const [width, color] of [[4, "rgba(255, 255, 255, 0.9)"], [1.75, positive ? POSITIVE : NEGATIVE]]) {
      Object.assign(context, { lineWidth: width, strokeStyle: color });
      context.beginPath();
      context.arc(x, y, 5.5, 0, 2 * Math.PI);
      signAt(context, x, y, 2.75, positive);
      context.stroke();
    }
  }
}

function signAt(context, x, y, reach, positive) {
  context.moveTo(x - reach, y);
  context.lineTo(x + reach, y);
  if (!positive) return;
  context.moveTo(x, y - reach);
  context.lineTo(x, y + reach);
}

/** A small copy of the scene with another answer: the same part of the image, seen from farther. */
function paintTile(canvas, width, { viewport, ratio, backdrop, opacity, hidden, truth }, answer) {
  const shrink = width / viewport.boxWidth;
  const height = Math.round(viewport.boxHeight * shrink);
  canvas.style.height = `${height}px`;
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) }); // clears it
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(backdrop.canvas, 0, 0, canvas.width, canvas.height);
  const view = new Viewport(viewport.width, viewport.height);
  Object.assign(view, { boxWidth: width, boxHeight: height, scale: viewport.scale * shrink, x: viewport.x * shrink, y: viewport.y * shrink });
  const small = { viewport: view, ratio, opacity };
  if (answer?.mask && !hidden) overlay(context, small, answer.mask, 1);
  if (truth) dashedContour(context, small, truth, TRUTH, [4, 3]);
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
  signAt(context, x, y, 3.5, positive);
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
