// The labeller's bar: images, categories, progress; and its keys, which the canvas does not get.

const PATIENCE = 8000; // milliseconds without an answer
const KEYS = [
  ["1 … 9", "accept the object as this category"],
  ["A", "accept it as the category before"],
  ["W", "write a category's name, also a new one"],
  [". or Page Down", "all of the image is labelled: next image"],
  [", or Page Up", "image before"],
  ["Click on a label", "(list on the right) change it: more clicks, another category, ×"],
];

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

class Bar {
  constructor(model, root) {
    Object.assign(this, { model, root, event: model.get("_state").event ?? 0, file: null, before: null, timer: null, cleanup: [] });
    root.classList.add("segedu-bar");
    this.build();
    const on = (name, handler) => { model.on(name, handler); this.cleanup.push(() => model.off(name, handler)); };
    on("change:_state", () => this.update());
    on("comm_live_update", (live) => this.setDead(live?.comm_live === false)); // the kernel is shut down
    const key = (event) => this.key(event);
    window.addEventListener("keydown", key, { capture: true }); // before the canvas and JupyterLab
    this.cleanup.push(() => window.removeEventListener("keydown", key, { capture: true }));
    this.update();
  }

  build() {
    const button = (text, label, title, act) =>
      make("button", { type: "button", class: "sb-button", "aria-label": label, title, onclick: act }, text);
    this.name = make("span", { class: "sb-name" });
    this.count = make("span", { class: "sb-count" });
    this.back = button("‹", "Image before", "Image before ( , or Page Up )", () => this.send({ type: "previous" }));
    this.next = button("Next ›", "Next image", "All of this image is labelled: next image ( . or Page Down )", () => this.send({ type: "next" }));
    this.next.classList.add("sb-main");
    this.saved = make("span", { class: "sb-saved" });
    this.ticks = make("canvas", { class: "sb-ticks", height: 8, role: "img", onclick: (e) => this.jump(e) });
    this.chips = make("div", { class: "sb-chips", role: "group", "aria-label": "Accept the object as" });
    this.input = make("input", { class: "sb-input", placeholder: "other… (W)", "aria-label": "Accept as a category by its name, also a new one",
      onkeydown: (e) => this.typed(e) });
    this.options = make("datalist", { id: `sb-${Math.random().toString(36).slice(2)}` });
    this.input.setAttribute("list", this.options.id);
    this.message = make("div", { class: "sb-message", role: "status", "aria-live": "polite" });
    this.help = make("dl", { class: "sb-help", hidden: true }, ...KEYS.flatMap(([k, what]) => [make("dt", {}, k), make("dd", {}, what)]));
    this.helpButton = button("Keys", "Keys", "Keys for labelling", () => { this.help.hidden = !this.help.hidden; });
    this.root.replaceChildren(
      make("div", { class: "sb-row" }, this.back, this.next, this.name, this.count, this.saved),
      this.ticks,
      make("div", { class: "sb-row" }, make("span", { class: "sb-label" }, "Accept as"), this.chips, this.input, this.options, this.helpButton),
      this.help, this.message);
  }

  send(message) {
    this.event += 1;
    this.before = this.canvas;
    this.model.send({ ...message, event: this.event });
    clearTimeout(this.timer); // a kernel that was killed does not tell: it does not answer
    this.timer = setTimeout(() => this.setDead(true), PATIENCE);
  }

  update() {
    const state = this.model.get("_state");
    if (!state.file) return;
    if (state.event >= this.event) {
      clearTimeout(this.timer);
      this.setDead(false);
    }
    this.event = Math.max(this.event, state.event);
    this.root.dataset.event = state.event;
    this.name.textContent = state.file;
    this.name.title = state.file;
    this.count.textContent = `image ${state.at + 1} of ${state.count} · ${state.labelled} labelled · ${state.objects} object${state.objects === 1 ? "" : "s"}`;
    this.saved.textContent = state.saved ? `✓ saved ${new Date(1000 * state.saved).toLocaleTimeString()} in ${state.output}` : `goes to ${state.output}`;
    this.saved.title = state.path;
    this.back.disabled = state.at === 0;
    this.listCategories(state);
    const skipped = state.skipped.map(([name, why]) => `${name}: ${why}`);
    this.say(state.message, state.problem, skipped);
    this.paint(state);
    if (this.file !== null && this.file !== state.file) this.followImage();
    this.file = state.file;
  }

  listCategories({ categories, category }) {
    this.chips.replaceChildren(...categories.map(({ name, here }, i) =>
      make("button", { type: "button", class: "sb-chip", "data-category": name, "aria-current": name === category,
        title: i < 9 ? `Accept the object as ${name} (${i + 1})` : `Accept the object as ${name}`,
        onclick: () => this.accept(name) },
        ...(i < 9 ? [make("kbd", {}, String(i + 1))] : []), name, ...(here ? [make("b", {}, String(here))] : []))));
    this.options.replaceChildren(...categories.map(({ name }) => make("option", { value: name })));
  }

  say(text, problem, skipped) {
    const note = skipped.length && !problem ? ` ${skipped.length} file${skipped.length === 1 ? " was" : "s were"} skipped.` : "";
    const shown = text || "Click the object; when the mask is right, press its category's key.";
    this.message.textContent = shown + note;
    this.message.title = skipped.join("\n");
    this.message.classList.toggle("sb-problem", problem);
  }

  accept(category, extra = {}) {
    this.send({ type: "accept", category, ...extra });
    this.focusCanvas();
  }

  typed(event) {
    event.stopPropagation();
    if (event.key === "Escape") this.focusCanvas();
    const name = this.input.value.trim();
    if (event.key !== "Enter" || !name) return;
    this.input.value = "";
    this.accept(name, { new: true });
  }

  // Keys

  get scope() {
    return this.root.closest(".segedu-labeller");
  }

  get canvas() {
    return this.scope?.querySelector(".sg-canvas");
  }

  focusCanvas() {
    this.canvas?.focus({ preventScroll: true });
  }

  key(event) {
    const { target } = event;
    if (!this.scope?.contains(target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.tagName === "INPUT" && target.type !== "range") return;
    const { categories } = this.model.get("_state");
    const lower = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const chosen = /^[1-9]$/.test(lower) ? categories[Number(lower) - 1] : null;
    const act = chosen ? () => this.accept(chosen.name) : {
      a: () => this.accept(null),
      w: () => this.input.focus(),
      ".": () => this.send({ type: "next" }),
      PageDown: () => this.send({ type: "next" }),
      ",": () => this.send({ type: "previous" }),
      PageUp: () => this.send({ type: "previous" }),
    }[lower];
    if (!act && !/^[1-9]$/.test(lower)) return; // a digit without a category does nothing either
    event.preventDefault();
    event.stopImmediatePropagation();
    if (act && !event.repeat) act();
  }

  /** Another image has another canvas, which comes a little later: the keys go on there. */
  followImage() {
    const { before } = this;
    const inside = this.scope?.contains(document.activeElement) || document.activeElement === document.body;
    if (!inside) return;
    const until = performance.now() + 5000;
    const look = () => {
      if (this.canvas && this.canvas !== before) this.focusCanvas();
      else if (performance.now() < until) requestAnimationFrame(look);
    };
    look();
  }

  // Progress

  paint(state) {
    if (state.file) this.paintTicks(state);
  }

  paintTicks({ ticks, count, at, labelled, total }) {
    const style = getComputedStyle(this.root);
    const [done, begun, open, now, bad] = ["--sb-done", "--sb-begun", "--sb-open", "--sb-text", "--sb-bad"].map((name) => style.getPropertyValue(name).trim());
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, this.ticks.clientWidth || 800);
    Object.assign(this.ticks, { width: width * ratio, height: 10 * ratio });
    this.ticks.setAttribute("aria-label", `${labelled} of ${total} images are labelled`);
    const context = this.ticks.getContext("2d");
    context.scale(ratio, ratio);
    if (!ticks) {
      context.fillStyle = open;
      context.fillRect(0, 2, width, 6);
      context.fillStyle = done;
      context.fillRect(0, 2, (width * labelled) / Math.max(1, total), 6);
      return;
    }
    const step = width / count;
    const gap = step > 4 ? 2 : 0;
    for (let i = 0; i < count; i++) {
      context.fillStyle = { l: done, b: begun, o: open, s: bad }[ticks[i]];
      context.fillRect(i * step, 2, Math.max(0.5, step - gap), 6);
      if (i === at) {
        context.fillStyle = now;
        context.fillRect(i * step, 0, Math.max(2, step - gap), 2);
      }
    }
  }

  jump(event) {
    const { ticks, count } = this.model.get("_state");
    if (!ticks) return;
    const box = this.ticks.getBoundingClientRect();
    const at = Math.floor(((event.clientX - box.left) / box.width) * count);
    this.send({ type: "goto", at: Math.min(count - 1, Math.max(0, at)) });
  }

  /** Without a kernel nothing is saved: say so. */
  setDead(dead) {
    this.root.classList.toggle("sb-dead", dead);
    if (!dead) return;
    const { output } = this.model.get("_state");
    this.say(`The kernel does not answer. All that was accepted is in ${output}; if the kernel has stopped, run the cell again to go on.`, true, []);
  }

  dispose() {
    clearTimeout(this.timer);
    this.cleanup.forEach((undo) => undo());
  }
}

export default {
  render({ model, el }) {
    const bar = new Bar(model, el);
    const observer = new ResizeObserver(() => bar.paint(model.get("_state")));
    observer.observe(el);
    return () => { observer.disconnect(); bar.dispose(); };
  },
};
