// The click widget's controls: tools, objects, keyboard, touch. Python puts in front
// of this file: segmenter_tools.js (what tools and keys there are), segmenter_view.js (painting),
// segmenter_panels.js (objects, steps, comparison) and segmenter_page.js (the elements).

const SHIELD = "data-lm-suppress-shortcuts"; // Lumino's: JupyterLab's shortcuts stay out

/** A key that is none of ours: Ctrl or Cmd with anything but Z and Y. */
function isForeign(event) {
  return (event.ctrlKey || event.metaKey) && !["z", "y"].includes(event.key.toLowerCase());
}

function sameBytes(a, b) {
  if (a.byteLength !== b.byteLength) return false;
  for (let i = 0; i < a.byteLength; i++) if (a.getUint8(i) !== b.getUint8(i)) return false;
  return true;
}

class SegmenterView {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.state = model.get("_state");
    this.viewport = new Viewport(...this.state.size);
    this.backdrop = new Backdrop();
    const longest = Math.max(...this.state.size);
    Object.assign(this, {
      tool: (TOOLS.find((tool) => this.state.accepts.includes(tool.kind)) ?? TOOLS.at(-1)).id, positive: true,
      brush: Math.max(2, Math.round(longest / 60)), opacity: DEFAULT_OPACITY, hidden: false,
      masks: new Map(), truths: new Map(), showTruth: false, preview: null, image: null, drafts: [], pending: [], draft: null, pointers: new Map(),
      cursor: { at: this.state.size.map((v) => v / 2), keyboard: false, inside: false },
      event: this.state.event, sent: new Map(), timer: null, panels: null, frame: null, cleanup: [],
    });
    this.answers = new AnswerMasks((ids) => this.tell({ type: "fetch", ids }), this.state.size[0], () => this.draw());
    Object.assign(this, buildPage(this));
    this.loadImage();
    this.readMasks();
    this.listen();
    this.update();
    this.tell({ type: "ready" });
  }

  /** Whether a tool's prompts reach the method, as they are or in other words. */
  takes(tool) {
    return tool.kind === null || this.state.accepts.includes(tool.kind) || tool.kind in this.state.converts;
  }

  // The page

  async loadImage() {
    const bytes = this.model.get("_image");
    this.image = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    this.draw();
  }

  listen() {
    const on = (target, name, handler, options) => {
      target.addEventListener(name, handler, options);
      this.cleanup.push(() => target.removeEventListener(name, handler, options));
    };
    on(this.canvas, "pointerdown", (e) => this.down(e));
    on(this.canvas, "pointermove", (e) => this.move(e));
    on(this.canvas, "pointerup", (e) => this.up(e));
    on(this.canvas, "pointercancel", (e) => { this.pointers.delete(e.pointerId); this.drop(); });
    on(this.canvas, "pointerleave", () => { this.cursor.inside = false; this.draw(); });
    on(this.canvas, "contextmenu", (e) => { e.preventDefault(); e.stopPropagation(); });
    on(this.canvas, "wheel", (e) => this.wheel(e), { passive: false });
    on(this.canvas, "blur", () => { this.cursor.keyboard = false; this.draw(); });
    on(this.root, "keydown", (e) => this.key(e));
    on(window, "keydown", (e) => this.shield(e), { capture: true });
    const changed = () => this.receive();
    const message = (content, buffers) => {
      if (content.type === "file") this.save(content, buffers);
      else if (content.type === "masks") this.answers.receive(content, buffers);
    };
    this.model.on("change:_state", changed);
    this.model.on("msg:custom", message);
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.stage);
    this.watchDensity();
    this.cleanup.push(() => observer.disconnect(), () => this.model.off("change:_state", changed),
      () => this.model.off("msg:custom", message), () => clearTimeout(this.timer), () => clearTimeout(this.panels), () => this.forgetDensity(), () => cancelAnimationFrame(this.frame));
  }

  resize() {
    const width = this.stage.clientWidth;
    if (!width) return;
    const [w, h] = this.state.size;
    const height = Math.round(Math.min((width * h) / w, Math.max(360, 0.7 * window.innerHeight)));
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.style.height = `${height}px`;
    Object.assign(this.canvas, { width: Math.round(width * this.ratio), height: Math.round(height * this.ratio) });
    this.viewport.resize(width, height);
    this.paint();
  }

  /** On a screen of another pixel density the page keeps its size. A query knows one density: ask anew each time. */
  watchDensity() {
    const query = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    const changed = () => { this.watchDensity(); this.resize(); };
    query.addEventListener("change", changed, { once: true });
    this.forgetDensity = () => query.removeEventListener("change", changed);
  }

  // What Python says

  receive() {
    this.state = this.model.get("_state");
    this.event = Math.max(this.event, this.state.event); // another view of the same widget counts too
    this.preview = null;
    this.readMasks();
    this.pending = this.pending.filter(({ event }) => event > this.state.event);
    this.update();
    this.paint(); // now, not in the next frame: an answer is waited for; the panels can wait
  }

  readMasks() {
    const bytes = this.model.get("_masks");
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    const before = this.masks;
    this.masks = new Map();
    for (const { id, color } of this.state.objects) {
      if (!bytes[id]) continue;
      const known = before.get(id);
      const kept = known && sameBytes(known.bytes, bytes[id]);
      this.masks.set(id, kept ? known : { ...paintMask(bytes[id], this.state.size[0], color), bytes: bytes[id] });
    }
    this.derivedShape = bytes.derived ? paintMask(bytes.derived, this.state.size[0], [0, 0, 0]) : null;
  }

  /** The ground truth of the active object, drawn when it is first asked for. */
  truthShape() {
    const bytes = this.showTruth && this.model.get("_truths")[this.state.active];
    if (!bytes) return null;
    if (!this.truths.has(bytes)) this.truths = new Map([[bytes, paintMask(bytes, this.state.size[0], [0, 0, 0])]]);
    return this.truths.get(bytes);
  }

  save({ name }, buffers) {
    const url = URL.createObjectURL(new Blob([buffers[0]]));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  /** Bring the controls in line with the state, and soon the panels, then paint. */
  update() {
    const { state } = this;
    clearTimeout(this.panels);
    this.panels = setTimeout(() => this.updatePanels());
    for (const tool of TOOLS) {
      const node = this.buttons.get(tool.id);
      this.enable(tool.id, this.takes(tool));
      node.title = this.explain(tool);
      node.toggleAttribute("data-converted", tool.kind in state.converts);
      node.setAttribute("aria-pressed", tool.id === this.tool);
    }
    this.buttons.get("positive").setAttribute("aria-pressed", this.positive);
    this.buttons.get("negative").setAttribute("aria-pressed", !this.positive);
    this.buttons.get("hide").setAttribute("aria-pressed", this.hidden);
    this.buttons.get("hide").innerHTML = this.hidden ? EYE_SHUT : EYE;
    this.enable("undo", state.undo);
    this.enable("redo", state.redo);
    this.enable("clear", !this.isEmpty());
    this.enable("export-coco", state.any);
    this.enable("export-mask", state.any);
    this.enable("export-cutout", state.pixels > 0);
    this.brushGroup.hidden = this.tool !== "stroke";
    this.hint.textContent = TOOLS.find((tool) => tool.id === this.tool).hint;
    this.canvas.dataset.tool = this.tool;
    this.buttons.get("truth").setAttribute("aria-pressed", this.showTruth);
    this.describe();
    this.waitOrNot();
    this.draw();
  }

  /** What stands around the canvas. */
  updatePanels() {
    this.list.update(this.state);
    this.steps.update(this.state);
    this.truth.update(this.state);
    this.listMethods();
    this.comparison.update(this.state);
    if (this.state.compared) this.draw();
  }

  /** Greyed buttons keep their place in the tab order and their tooltip: it says why. */
  enable(id, able) {
    this.buttons.get(id).setAttribute("aria-disabled", !able);
  }

  takenKinds() {
    return this.state.accepts.map((kind) => KIND_NAMES[kind]).join(", ");
  }

  explain(tool) {
    const { state } = this, name = `${tool.label} (${tool.key.toUpperCase()}): ${tool.hint}`;
    const refusal = `${state.method} does not take ${KIND_NAMES[tool.kind]}`;
    if (tool.kind === null || state.accepts.includes(tool.kind)) return name;
    if (tool.kind in state.converts) return `${name}\n${refusal}: it is given ${state.converts[tool.kind]}.`;
    return `${tool.label}: ${refusal}. It takes ${this.takenKinds()}.`;
  }

  listMethods() {
    const { methods, method, compared } = this.state;
    this.methods.hidden = methods.length < 2;
    if (this.picker.children.length !== methods.length) {
      this.picker.replaceChildren(...methods.map((name) => element("option", { value: name }, name)));
    }
    this.picker.value = method;
    this.buttons.get("compare").setAttribute("aria-pressed", Boolean(compared));
  }

  isEmpty() {
    const { clicks, box, strokes, contour } = this.state.prompts;
    return !clicks.length && !box && !strokes.length && !contour;
  }

  /** The status line; an error stands over the image too, until the next event. */
  describe() {
    const { state } = this;
    this.alert.hidden = !state.error;
    this.alert.textContent = state.error;
    const [width, height] = state.size;
    const parts = [state.method];
    if (state.pixels) {
      parts.push(`${state.pixels.toLocaleString("en")} pixels (${((100 * state.pixels) / (width * height)).toFixed(1)} %)`);
      if (state.iou !== null) parts.push(`IoU ${state.iou.toFixed(3)}`);
      if (state.score !== null) parts.push(`score ${state.score.toFixed(2)}`);
      if (state.seconds) parts.push(duration(state.seconds));
    } else parts.push(`${width} × ${height} pixels`);
    this.status.textContent = parts.join(" · ");
    this.explainDerived(state.derived);
  }

  /** What the thin dotted marks on the image are. */
  explainDerived(derived) {
    this.legend.hidden = !derived || this.hidden;
    if (!derived) return;
    const { kinds, clicks, box, strokes, contour, mask } = derived;
    const said = [box && "box", contour && "contour", clicks.length && (clicks.length === 1 ? "1 click" : `${clicks.length} clicks`),
      strokes.length && `${strokes.length} strokes`, mask && "mask"].filter(Boolean).join(", ") || "nothing";
    const tools = TOOLS.filter((tool) => tool.kind in kinds).map((tool) => tool.label).join(", ");
    this.legend.textContent = `${tools} → ${said} for ${this.state.method}`;
    this.legend.title = Object.entries(kinds).map(([kind, words]) => `${this.state.method} does not take ${KIND_NAMES[kind]}: it was given ${words}.`).join("\n");
  }

  waitOrNot() {
    const [name, share] = this.state.encoding ?? [];
    const far = typeof share === "number" ? ` ${Math.round(100 * share)} %` : "";
    this.spinnerText.textContent = name ? `${name} encodes the image, once…${far}` : "Segmenting…";
    const waiting = this.state.event < this.event || this.state.busy;
    if (!waiting) {
      clearTimeout(this.timer);
      this.timer = null;
      this.spinner.hidden = true;
    } else if (this.timer === null) {
      this.timer = setTimeout(() => { this.spinner.hidden = false; }, SLOW);
    }
  }

  // What the user does

  /** Send an event; a prompt is painted at once, before Python has seen it. */
  send(message, draft = null) {
    this.event += 1;
    this.sent.set(this.event, performance.now());
    if (draft) this.pending.push({ event: this.event, draft });
    this.model.send({ ...message, event: this.event });
    this.update();
  }

  /** Say something that is no event: it changes nothing and waits for nothing. */
  tell(message) {
    try { this.model.send(message); } catch { /* no kernel: the picture stays as it is */ }
  }

  compare() {
    this.send({ type: "compare", on: !this.state.compared });
  }

  nextMethod(way) {
    const { methods, method } = this.state;
    const name = methods[(methods.indexOf(method) + way + methods.length) % methods.length];
    if (name !== method) this.send({ type: "method", name });
  }

  /** Show a step's mask in place of the present one; null: the present one again. */
  look(step) {
    this.preview = step === this.state.at ? null : step;
    this.draw();
  }

  choose(id) {
    this.drop();
    this.tool = id;
    this.update();
  }

  sign(positive) {
    this.positive = positive;
    this.update();
  }

  zoom(factor, x, y) {
    this.viewport.zoom(factor, x, y);
    this.draw();
  }

  /** Keys zoom around the cursor where there is one, else around the middle. */
  focalPoint() {
    return this.cursor.keyboard || this.cursor.inside ? this.viewport.toCanvas(...this.cursor.at) : [];
  }

  fit() {
    this.viewport.fit();
    this.draw();
  }

  toggleMasks() {
    this.hidden = !this.hidden;
    this.update();
  }

  toggleTruth() {
    this.showTruth = this.state.truth && !this.showTruth;
    this.update();
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
  }

  /** Position of a pointer in CSS pixels of the canvas, right also where the page is scaled. */
  where(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * this.viewport.boxWidth) / box.width, ((event.clientY - box.top) * this.viewport.boxHeight) / box.height];
  }

  clamp([x, y]) {
    const [width, height] = this.state.size;
    return [Math.min(Math.max(x, 0), width - 1e-3), Math.min(Math.max(y, 0), height - 1e-3)];
  }

  isOnImage([x, y]) {
    return x >= 0 && y >= 0 && x < this.state.size[0] && y < this.state.size[1];
  }

  down(event) {
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    try { this.canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
    this.pointers.set(event.pointerId, this.where(event));
    this.cursor.keyboard = false;
    if (this.pointers.size > 1) return this.drop(); // two fingers move and zoom
    const at = this.viewport.toImage(...this.where(event));
    const positive = this.positive !== (event.button === 2 || event.altKey);
    if (this.tool === "pan" || event.button === 1) this.draft = { type: "pan" };
    else if (this.tool === "click" && event.pointerType === "touch") this.draft = { type: "tap", at, positive, from: this.where(event) };
    else if (this.tool === "click") { if (this.isOnImage(at)) this.click(at, positive); }
    else this.begin(this.tool, this.clamp(at), positive);
    this.draw();
  }

  move(event) {
    const here = this.where(event);
    const before = this.pointers.get(event.pointerId);
    this.cursor.at = this.clamp(this.viewport.toImage(...here));
    this.cursor.inside = event.pointerType !== "touch";
    if (before) {
      if (this.pointers.size > 1) this.pinch(event.pointerId, here);
      else if (this.draft?.type === "tap") {
        const { from } = this.draft;
        if (Math.hypot(here[0] - from[0], here[1] - from[1]) > TAP_SLACK) this.draft = { type: "pan" };
      } else if (this.draft?.type === "pan") this.viewport.pan(here[0] - before[0], here[1] - before[1]);
      else if (this.draft) {
        const events = event.getCoalescedEvents?.() ?? [];
        for (const e of events.length ? events : [event]) this.extend(this.clamp(this.viewport.toImage(...this.where(e))));
      }
      this.pointers.set(event.pointerId, here);
    }
    this.draw();
  }

  up(event) {
    const fingers = this.pointers.size;
    this.pointers.delete(event.pointerId);
    if (fingers === 1 && this.draft) this.finish();
  }

  pinch(id, here) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, point]) => point);
    const before = this.pointers.get(id);
    const gap = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    this.viewport.zoom(gap(here) / gap(before), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
    this.viewport.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 300), ...this.where(event));
  }

  click([x, y], positive) {
    this.send({ type: "click", x, y, positive }, { clicks: [[x, y, positive]] });
  }

  begin(type, at, positive) {
    this.draft = { type, positive, points: [at] };
  }

  extend(at) {
    const { type, points } = this.draft;
    if (type === "box") points[1] = at;
    else {
      const last = points[points.length - 1];
      const step = Math.hypot(at[0] - last[0], at[1] - last[1]) * this.viewport.scale;
      if (step >= 2) points.push(at);
    }
  }

  /** The draft as Python would describe it. */
  asPrompts(draft) {
    if (draft.type === "stroke") return { strokes: [{ points: draft.points, radius: this.brush, positive: draft.positive }] };
    if (draft.type === "contour") return { contour: draft.points };
    if (draft.type === "box" && draft.points.length === 2) {
      const [[xa, ya], [xb, yb]] = draft.points;
      return { box: [Math.min(xa, xb), Math.min(ya, yb), Math.max(xa, xb), Math.max(ya, yb)] };
    }
    return {};
  }

  finish() {
    const { draft } = this;
    this.draft = null;
    if (draft.type === "tap" && this.isOnImage(draft.at)) this.click(draft.at, draft.positive);
    const prompts = this.asPrompts(draft);
    if (prompts.box && prompts.box[2] - prompts.box[0] >= 2 && prompts.box[3] - prompts.box[1] >= 2) this.send({ type: "box", box: prompts.box }, prompts);
    if (prompts.strokes) this.send({ type: "stroke", ...prompts.strokes[0] }, prompts);
    if (prompts.contour && draft.points.length > 2) this.send({ type: "contour", points: draft.points }, prompts);
    this.draw();
  }

  drop() {
    this.draft = null;
    this.draw();
  }

  /** Keep JupyterLab's keys out (X would cut the cell), but for those with Ctrl or Cmd: save, run. */
  shield(event) {
    if (!this.root.contains(event.target)) return;
    if (isForeign(event)) this.root.removeAttribute(SHIELD);
    else this.root.setAttribute(SHIELD, "true");
  }

  key(event) {
    if (isForeign(event)) return;
    if (event.target.tagName === "SELECT" || (event.target.tagName === "INPUT" && event.target.type !== "range")) return;
    const handled = this.press(event);
    if (handled) event.preventDefault();
    event.stopPropagation();
  }

  press(event) {
    const { key } = event;
    const command = event.ctrlKey || event.metaKey;
    const lower = key.length === 1 ? key.toLowerCase() : key;
    const tool = !command && TOOLS.find((t) => t.key === lower);
    if (tool) return this.takes(tool) && (this.choose(tool.id), true);
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.target === this.canvas && arrows[key]) return this.steer(arrows[key], event.shiftKey);
    if (event.target === this.canvas && (key === "Enter" || key === " ")) return this.place();
    if (/^[1-9]$/.test(key)) {
      const thing = this.state.objects[Number(key) - 1];
      return Boolean(thing) && (this.send({ type: "select", id: thing.id }), true);
    }
    const act = {
      x: () => this.sign(!this.positive),
      // Not by way of the buttons: they are greyed until Python has seen the key before.
      z: () => this.send({ type: event.shiftKey ? "redo" : "undo" }),
      y: () => this.send({ type: "redo" }),
      n: () => this.send({ type: "add" }),
      m: () => this.toggleMasks(),
      t: () => this.toggleTruth(),
      v: () => this.nextMethod(event.shiftKey ? -1 : 1),
      k: () => this.state.methods.length > 1 && this.compare(),
      Delete: () => this.send({ type: "clear" }),
      Backspace: () => this.send({ type: "clear" }),
      "[": () => this.resizeBrush(1 / 1.25),
      "]": () => this.resizeBrush(1.25),
      "+": () => this.zoom(1.5, ...this.focalPoint()),
      "=": () => this.zoom(1.5, ...this.focalPoint()),
      "-": () => this.zoom(1 / 1.5, ...this.focalPoint()),
      0: () => this.fit(),
      "?": () => this.toggleHelp(),
      Escape: () => { this.drop(); this.help.hidden = true; },
    }[lower];
    if (!act) return false;
    act();
    return true;
  }

  resizeBrush(factor) {
    const changed = factor > 1 ? Math.ceil(this.brush * factor) : Math.floor(this.brush * factor);
    this.brush = Math.min(60, Math.max(1, changed));
    this.brushSlider.value = this.brush;
    this.draw();
  }

  /** Move the keyboard's cursor; a draft that the keyboard began follows. */
  steer([dx, dy], far) {
    const step = (far ? 40 : 8) / this.viewport.scale;
    this.cursor.at = this.clamp([this.cursor.at[0] + dx * step, this.cursor.at[1] + dy * step]);
    this.cursor.keyboard = true;
    this.viewport.show(...this.cursor.at);
    if (this.draft && ["box", "stroke"].includes(this.draft.type)) this.extend(this.cursor.at);
    this.draw();
    return true;
  }

  /** Enter: what a press of the mouse would do at the keyboard's cursor. */
  place() {
    this.cursor.keyboard = true;
    const at = this.cursor.at;
    if (this.tool === "click") this.click(at, this.positive);
    else if (this.tool === "contour" && this.draft) {
      const [first] = this.draft.points;
      const closed = Math.hypot(at[0] - first[0], at[1] - first[1]) * this.viewport.scale < 12;
      if (closed) this.finish();
      else this.draft.points.push(at);
    } else if (this.draft) this.finish();
    else if (this.tool !== "pan") this.begin(this.tool, at, this.positive);
    this.draw();
    return true;
  }

  // Painting

  draw() {
    if (this.frame === null) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    this.hint.hidden = !this.isEmpty() || this.pending.length > 0 || this.draft !== null || this.tool === "pan";
    this.scaleNote.textContent = `${Math.round(100 * this.viewport.scale)} %`;
    const { cursor } = this;
    const showBrush = this.tool === "stroke" && (cursor.inside || cursor.keyboard);
    const scene = {
      viewport: this.viewport, ratio: this.ratio, backdrop: this.backdrop, image: this.image, masks: this.masks, opacity: this.opacity, hidden: this.hidden,
      active: this.state.active, prompts: this.state.prompts, truth: this.truthShape(),
      derived: this.state.derived && !this.hidden ? { ...this.state.derived, shape: this.derivedShape } : null,
      drafts: [...this.pending.map(({ draft }) => draft), ...(this.draft ? [this.asPrompts(this.draft)] : [])],
      brush: showBrush ? this.brush : 0,
      cursor: showBrush || cursor.keyboard ? { ...cursor, positive: this.positive } : null,
    };
    paintScene(this.canvas, this.preview === null ? scene : { ...scene, ...this.previewed() });
    this.comparison.paint(scene, this.activeColor());
    this.announce();
  }

  activeColor() {
    return this.state.objects.find(({ id }) => id === this.state.active).color;
  }

  /** What differs in the scene while a step of the history is looked at. */
  previewed() {
    const step = this.state.history[this.preview - 1];
    const answer = step ? this.answers.get(step.id, this.activeColor()) : null;
    const masks = new Map(this.masks);
    masks.delete(this.state.active);
    if (answer) masks.set(this.state.active, answer.mask);
    return { masks, prompts: answer?.prompts ?? {}, derived: answer?.derived ?? null, drafts: [] };
  }

  /** Tell (tests and the benchmark) which event's answer is now on the canvas. */
  announce() {
    const { event, seconds, busy } = this.state;
    this.root.dataset.painted = busy ? "" : event;
    const start = this.sent.get(event);
    if (start === undefined || busy) return;
    this.sent.clear();
    const detail = { event, roundTrip: performance.now() - start, method: 1000 * seconds };
    this.root.dispatchEvent(new CustomEvent("segedu-painted", { detail, bubbles: true }));
  }

  dispose() {
    this.cleanup.forEach((undo) => undo());
  }
}

export default {
  render({ model, el }) {
    const view = new SegmenterView(model, el);
    return () => view.dispose();
  },
};
