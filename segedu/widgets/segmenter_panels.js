// What stands around the click widget's canvas: objects, steps, methods side by side, the IoU's curve.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "html") node.innerHTML = value;
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  return seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`;
}

/** Masks of answers other than the present one, fetched from Python when they are first looked at. */
class AnswerMasks {
  constructor(ask, width, arrived) {
    Object.assign(this, { ask, width, arrived, known: new Map(), asked: new Set(), queue: [] });
  }

  /** What is painted of an answer, and the prompts that it answers; null until it has come. */
  get(id, color) {
    if (id === null) return null;
    const answer = this.known.get(id);
    if (answer) answer.mask ??= paintMask(answer.bytes, this.width, color);
    else if (!this.asked.has(id)) {
      this.asked.add(id);
      if (this.queue.push(id) === 1) queueMicrotask(() => this.ask(this.queue.splice(0))); // all that are missing at once
    }
    return answer ?? null;
  }

  receive({ ids, answers }, buffers) {
    ids.forEach((id, i) => this.known.set(id, { ...answers[i], bytes: buffers[i] }));
    for (const id of this.known.keys()) { // the oldest go first
      if (this.known.size <= KEPT_MASKS) break;
      this.known.delete(id);
      this.asked.delete(id);
    }
    this.arrived();
  }
}

/** The objects: select, rename, delete. */
class ObjectList {
  constructor(send, leave) {
    Object.assign(this, { send, leave, content: "" });
    this.node = element("div", { class: "sg-objects", role: "listbox", "aria-label": "Objects" });
  }

  /** Rebuilt only where it changed, or a name that is being typed would be lost. */
  update({ objects, active }) {
    const content = JSON.stringify([objects, active]);
    if (content === this.content) return;
    this.content = content;
    this.node.replaceChildren(...objects.map((thing, i) => this.row(thing, i, thing.id === active)));
  }

  row({ id, name, color }, i, active) {
    const input = element("input", { class: "sg-name", value: name, "aria-label": `Name of ${name}`,
      onchange: (e) => this.send({ type: "rename", id, name: e.target.value }),
      onkeydown: (e) => {
        e.stopPropagation();
        if (e.key === "Escape") e.target.value = name;
        if (e.key === "Enter" || e.key === "Escape") this.leave();
      } });
    const select = () => active || this.send({ type: "select", id });
    const enter = (e) => {
      if (e.target !== e.currentTarget || (e.key !== "Enter" && e.key !== " ")) return;
      e.preventDefault();
      e.stopPropagation();
      select();
    };
    return element("div", { class: "sg-object", role: "option", "aria-selected": String(active), "aria-label": name, tabindex: 0,
      "data-object": id, onclick: select, onkeydown: enter },
      element("i", { style: `background: rgb(${color})` }), active ? input : element("span", { class: "sg-name" }, name),
      element("kbd", {}, i < 9 ? String(i + 1) : ""),
      element("button", { type: "button", class: "sg-button sg-delete", "aria-label": `Delete ${name}`, title: `Delete ${name} (Z brings it back)`, html: CROSS,
        onclick: (e) => { e.stopPropagation(); this.send({ type: "delete", id }); } }));
  }
}

/** The steps so far: pointing at one shows its mask, clicking goes back to it. */
class HistoryStrip {
  constructor(preview, go) {
    Object.assign(this, { preview, go, contents: [] });
    this.node = element("div", { class: "sg-steps", role: "listbox", "aria-orientation": "horizontal", "aria-label": "Steps" });
  }

  /** Only chips that changed are made anew. */
  update({ history, at, truth }) {
    const contents = history.map((step, i) => JSON.stringify([step, i + 1 === at, i + 1 > at, truth]));
    if (contents.length && contents.join() === this.contents.join()) return;
    const before = this.contents.length ? [...this.node.children] : [];
    const focused = before.indexOf(document.activeElement);
    const chips = history.map((step, i) => (contents[i] === this.contents[i] ? before[i] : this.chip(step, i + 1, at, truth)));
    const empty = element("span", { class: "sg-quiet" }, "Every prompt becomes a step here, with what it brought.");
    this.node.replaceChildren(...(chips.length ? chips : [empty]));
    this.contents = contents;
    if (focused >= 0) chips[Math.min(focused, chips.length - 1)]?.focus();
    const present = chips[at - 1];
    if (present) this.node.scrollLeft = present.offsetLeft - this.node.clientWidth + present.offsetWidth + 24;
  }

  chip(step, number, at, truth) {
    const kind = STEP_KINDS[step.kind];
    const sign = step.positive === null ? "" : step.positive ? " on the object" : " on the background";
    const value = truth ? step.iou : step.score;
    const [short, long] = step.problem ? ["failed", step.problem]
      : step.seconds === null ? ["–", "not answered"]
      : [value === null ? "" : value.toFixed(2), `${value === null ? "" : `${truth ? "IoU" : "score"} ${value.toFixed(3)}, `}${duration(step.seconds)}`];
    const label = `Step ${number}: ${kind.name}${sign}, ${long}`;
    const icon = step.positive === null ? kind.icon : SIGNS[step.positive ? "positive" : "negative"];
    const top = element("span", { class: "sg-step-top", html: icon });
    top.append(element("b", {}, short));
    return element("button", { type: "button", class: "sg-step", role: "option", "aria-selected": String(number === at), "aria-label": label, title: label,
      tabindex: number === Math.max(at, 1) ? 0 : -1, "data-step": number, "data-sign": step.positive === null ? null : step.positive ? "+" : "-",
      "data-undone": number > at, "data-problem": Boolean(step.problem),
      onclick: () => this.go(number), onkeydown: (e) => this.walk(e),
      onpointerenter: () => this.preview(number), onpointerleave: () => this.preview(null),
      onfocus: () => this.preview(number), onblur: () => this.preview(null) },
      top, element("span", { class: "sg-quiet" }, step.seconds === null ? `${number}` : `${number} · ${duration(step.seconds)}`));
  }

  walk(event) {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const next = way > 0 ? event.currentTarget.nextElementSibling : event.currentTarget.previousElementSibling;
    next?.focus();
  }
}

/**
 * The IoU after each step as a small curve, from nothing at the start up to the present one.
 * Dashed: where the field says "good enough". What was undone is left out.
 */
function curve(values, width, height) {
  const spoken = values.map((v) => v?.toFixed(2) ?? "none").join(", ");
  const node = element("span", { class: "sg-curve", role: "img", "aria-label": `IoU after each step: ${spoken}`,
    title: `IoU after each step: ${spoken}. The dashed line is ${GOOD_ENOUGH}.` });
  const x = (i) => 3 + (i * (width - 6)) / values.length;
  const y = (v) => 3 + (1 - v) * (height - 6);
  const points = [[x(0), y(0)], ...values.map((v, i) => [x(i + 1), v === null ? null : y(v)]).filter(([, v]) => v !== null)];
  const line = points.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join("L");
  const dots = points.slice(1).map(([px, py], i) => `<circle cx="${px}" cy="${py}" r="${i + 2 === points.length ? 3 : 1.8}"/>`);
  node.innerHTML = `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-hidden="true">
    <path class="sg-area" d="M${line}V${y(0)}H${x(0)}"/><path class="sg-guide" d="M0 ${y(GOOD_ENOUGH)}H${width}"/>
    <path class="sg-axis" d="M0 ${y(0)}H${width}"/><path d="M${line}"/>${dots.join("")}</svg>`;
  return node;
}

/** The IoU with the ground truth, and its curve. */
class TruthPanel {
  constructor(toggle) {
    this.value = element("b", { class: "sg-iou", role: "status", "aria-label": "IoU with the ground truth" });
    this.line = element("div");
    this.node = element("div", { class: "sg-truth" },
      element("div", { class: "sg-title" }, "Ground truth", toggle), this.value, this.line);
  }

  update({ truth, iou, history, at }) {
    this.node.hidden = !truth;
    if (!truth) return;
    this.value.textContent = iou === null ? "IoU –" : `IoU ${iou.toFixed(3)}`;
    const values = history.slice(0, at).map((step) => step.iou);
    this.line.replaceChildren(curve(values.length ? values : [null], 150, 48));
  }
}

/** All methods' masks for the same prompts, side by side, at the same place as the large canvas. */
class ComparePanel {
  constructor(choose, masks) {
    Object.assign(this, { choose, masks, tiles: new Map() });
    this.node = element("div", { class: "sg-compare", role: "group", "aria-label": "Methods side by side", hidden: true });
  }

  update({ compared, method, truth }) {
    this.node.hidden = !compared;
    if (!compared) return;
    if ([...this.tiles.keys()].join("\n") !== compared.map((it) => it.method).join("\n")) {
      this.tiles = new Map(compared.map((it) => [it.method, this.tile(it.method)]));
      this.node.replaceChildren(...[...this.tiles.values()].map((tile) => tile.node));
    }
    const best = Math.max(...compared.map((it) => it.iou ?? -1));
    for (const it of compared) {
      const tile = this.tiles.get(it.method);
      tile.id = it.id;
      tile.node.classList.toggle("sg-present", it.method === method);
      tile.name.setAttribute("aria-pressed", it.method === method);
      const score = truth ? it.iou : it.score;
      tile.figure.replaceChildren(...(score === null || score === undefined ? [] : [
        element("b", { class: truth && it.iou === best ? "sg-best" : "" }, `${truth ? "IoU" : "score"} ${score.toFixed(3)}`)]));
      tile.time.textContent = it.busy ? "working…" : it.seconds ? duration(it.seconds) : "";
      tile.time.title = it.encoded >= 0.001 ? `and once for the image: ${duration(it.encoded)}` : "";
      tile.problem.hidden = !it.problem;
      tile.problem.textContent = it.problem ?? "";
      tile.curve.replaceChildren(...(truth && it.curve.length ? [curve(it.curve, 64, 20)] : []));
    }
  }

  tile(method) {
    const name = element("button", { type: "button", class: "sg-button", title: `Go on with ${method}`, onclick: () => this.choose(method) }, method);
    const tile = { name, canvas: element("canvas", { role: "img", "aria-label": `Mask of ${method}` }), figure: element("span"),
      curve: element("span"), time: element("span", { class: "sg-quiet" }), problem: element("div", { class: "sg-problem", role: "alert", hidden: true }), id: null };
    tile.node = element("div", { class: "sg-tile", "data-method": method },
      element("div", { class: "sg-tile-head" }, name, tile.time),
      element("div", { class: "sg-tile-stage" }, tile.canvas, tile.problem),
      element("div", { class: "sg-tile-foot" }, tile.figure, tile.curve));
    return tile;
  }

  paint(scene, color) {
    if (this.node.hidden) return;
    for (const tile of this.tiles.values()) {
      const answer = this.masks.get(tile.id, color);
      const width = tile.canvas.parentNode.clientWidth;
      const key = [width, scene.backdrop.key, scene.opacity, scene.hidden, Boolean(scene.truth), scene.active, tile.id, Boolean(answer)].join();
      if (!width || key === tile.painted) continue;
      tile.painted = key;
      paintTile(tile.canvas, width, scene, answer);
    }
  }
}
