// Masks that light up under the pointer. Python puts segmenter_view.js (painting of masks) in front.

class HoverView {
  constructor(model, root) {
    Object.assign(this, { model, root, hovered: null, keyboard: false, frame: null, painted: new Map(), cleanup: [] });
    [this.width, this.height] = model.get("_size");
    root.classList.add("segedu-hover");
    const make = (tag, name) => Object.assign(document.createElement(tag), { className: name });
    this.canvas = make("canvas", "sh-canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", "Masks of everything. Arrows walk from mask to mask, Enter pins, Escape lets go.");
    this.bar = make("div", "sh-bar");
    this.fill = make("i", "");
    this.bar.append(this.fill);
    this.note = make("div", "sh-note");
    this.note.setAttribute("role", "status");
    root.append(this.canvas, this.bar, this.note);
    this.listen();
    this.load();
    this.update();
  }

  async load() {
    this.image = await createImageBitmap(new Blob([this.model.get("_image")], { type: "image/png" }));
    this.draw();
  }

  listen() {
    const on = (target, name, handler, options) => {
      target.addEventListener(name, handler, options);
      this.cleanup.push(() => target.removeEventListener(name, handler, options));
    };
    on(this.canvas, "pointermove", (e) => this.hover(this.at(e), false));
    on(this.canvas, "pointerleave", () => this.hover(null, false));
    on(this.canvas, "click", (e) => { this.hover(this.at(e), false); this.pin(this.hovered); });
    on(this.canvas, "keydown", (e) => this.key(e));
    // JupyterLab's own keys stay out, but for those with Ctrl or Cmd.
    on(window, "keydown", (e) => {
      if (!this.root.contains(e.target)) return;
      if (e.ctrlKey || e.metaKey) this.root.removeAttribute("data-lm-suppress-shortcuts");
      else this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    }, { capture: true });
    const update = () => this.update();
    for (const name of ["_masks", "_shown", "_asked", "_share", "pinned"]) {
      this.model.on(`change:${name}`, update);
      this.cleanup.push(() => this.model.off(`change:${name}`, update));
    }
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.root);
    this.cleanup.push(() => observer.disconnect(), () => cancelAnimationFrame(this.frame));
  }

  /** Paint what has come; a new grid begins with no masks at all. */
  update() {
    const masks = this.model.get("_masks");
    for (const id of this.painted.keys()) if (!(id in masks)) this.painted.delete(id);
    for (const [id, mask] of Object.entries(masks)) {
      if (this.painted.has(id)) continue;
      const { runs } = mask;
      const bytes = runs.buffer.slice(runs.byteOffset, runs.byteOffset + runs.byteLength);
      this.painted.set(id, { ...mask, ...paintMask(runs, this.width, mask.color), edges: new Uint32Array(bytes) });
    }
    const known = this.model.get("_shown").map(String).filter((id) => this.painted.has(id));
    this.shown = known.sort((a, b) => this.painted.get(a).area - this.painted.get(b).area); // small ones first
    if (this.hovered && !this.shown.includes(this.hovered)) this.hovered = null;
    const share = this.model.get("_share");
    this.fill.style.width = `${100 * share}%`;
    this.bar.classList.toggle("sh-done", share >= 1);
    this.root.dataset.masks = this.shown.length;
    this.root.dataset.done = share >= 1;
    this.describe();
    this.draw();
  }

  resize() {
    const width = this.root.clientWidth;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    this.scale = (width * ratio) / this.width;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(this.height * this.scale) });
    this.paint();
  }

  /** The pixel of the image under a pointer. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.height);
    return x >= 0 && y >= 0 && x < this.width && y < this.height ? y * this.width + x : null;
  }

  /** The smallest mask there: an odd number of changes lies before a pixel inside. */
  find(pixel) {
    const inside = ({ edges }) => {
      let low = 0, high = edges.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (edges[middle] <= pixel) low = middle + 1;
        else high = middle;
      }
      return low % 2 === 1;
    };
    return pixel === null ? null : this.shown.find((id) => inside(this.painted.get(id))) ?? null;
  }

  hover(pixel, keyboard) {
    if (pixel === null && this.keyboard) return;
    this.keyboard = keyboard;
    this.choose(this.find(pixel));
  }

  choose(id) {
    if (id === this.hovered) return;
    this.hovered = id;
    this.root.dataset.hovered = id ?? "";
    this.describe();
    this.draw();
  }

  pin(id) {
    const before = this.model.get("pinned");
    const number = Number(id);
    const after = id === null ? [] : before.includes(number) ? before.filter((n) => n !== number) : [...before, number];
    this.model.set("pinned", after);
    this.model.save_changes();
    this.update();
  }

  key(event) {
    const walk = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const count = this.shown.length;
    if (walk && count) {
      const place = this.shown.indexOf(this.hovered);
      this.keyboard = true;
      this.choose(this.shown[place < 0 ? (walk > 0 ? 0 : count - 1) : (place + walk + count) % count]);
    } else if (event.key === "Enter" || event.key === " ") { if (this.hovered) this.pin(this.hovered); }
    else if (event.key === "Escape") { this.keyboard = false; this.choose(null); this.pin(null); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  describe() {
    const share = this.model.get("_share");
    const mask = this.hovered && this.painted.get(this.hovered);
    if (mask) {
      const part = (100 * mask.area) / (this.width * this.height);
      this.note.textContent = `predicted IoU ${mask.iou.toFixed(2)} · stability ${mask.stability.toFixed(2)} · ` +
        `${mask.area.toLocaleString("en")} pixels (${part.toFixed(1)} %) · from the click at (${mask.point.map(Math.round).join(", ")})`;
    } else if (share < 1) {
      this.note.textContent = share < 0.5 ? "Looking at the image…" : `Asking points… ${this.model.get("_asked").length} so far, ${this.shown.length} masks`;
    } else this.note.textContent = this.shown.length ? "Point at something." : "No mask passes: lower the thresholds.";
  }

  // Painting

  draw() {
    if (this.frame === null) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    if (!this.image || !this.scale) return;
    const context = this.canvas.getContext("2d");
    context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    context.globalAlpha = 1;
    context.drawImage(this.image, 0, 0, this.width, this.height);
    const lit = [...new Set([...this.model.get("pinned").map(String), this.hovered])].filter((id) => id && this.painted.has(id));
    if (lit.length) {
      context.fillStyle = "rgb(0 0 0 / 60%)";
      context.fillRect(0, 0, this.width, this.height);
      for (const id of lit) this.light(context, this.painted.get(id));
    } else for (const id of [...this.shown].reverse()) this.tint(context, this.painted.get(id), 0.4, 1);
    if (this.model.get("_share") < 1) this.dots(context);
  }

  tint(context, mask, alpha, line) {
    if (!mask.tint) return;
    context.globalAlpha = alpha;
    context.imageSmoothingEnabled = false;
    context.drawImage(mask.tint, mask.left, mask.top);
    context.imageSmoothingEnabled = true;
    context.globalAlpha = 1;
    this.outline(context, mask, line);
  }

  outline(context, mask, line) {
    const pixel = (window.devicePixelRatio || 1) / this.scale;
    context.strokeStyle = "rgb(255 255 255 / 80%)";
    context.lineWidth = (line + 1) * pixel;
    context.stroke(mask.contour);
    context.strokeStyle = mask.color;
    context.lineWidth = line * pixel;
    context.stroke(mask.contour);
  }

  /** The photograph itself within the mask, on what was darkened, and the click that found it. */
  light(context, mask) {
    if (!mask.tint) return;
    const part = document.createElement("canvas");
    Object.assign(part, { width: mask.tint.width, height: mask.tint.height });
    const inner = part.getContext("2d");
    inner.drawImage(mask.tint, 0, 0);
    inner.globalCompositeOperation = "source-in";
    inner.drawImage(this.image, -mask.left, -mask.top, this.width, this.height);
    context.drawImage(part, mask.left, mask.top);
    this.tint(context, mask, 0.18, 2);
    this.dot(context, mask.point, "#ffffff", 4);
    this.dot(context, mask.point, mask.color, 2.5);
  }

  dot(context, [x, y], color, radius) {
    context.fillStyle = color;
    context.beginPath();
    context.arc(x, y, (radius * (window.devicePixelRatio || 1)) / this.scale, 0, 2 * Math.PI);
    context.fill();
  }

  dots(context) {
    for (const [x, y, count] of this.model.get("_asked")) this.dot(context, [x, y], count ? "#ffffff" : "rgb(0 0 0 / 55%)", 1.6);
  }

  dispose() {
    this.cleanup.forEach((undo) => undo());
  }
}

export default {
  render({ model, el }) {
    const view = new HoverView(model, el);
    return () => view.dispose();
  },
};
