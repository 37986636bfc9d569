// What came of a mask: a sticker on a chequerboard, or before and after behind a slider.

const EMPTY = {
  sticker: "Click an object: its sticker appears here.",
  comparison: "Click an object: here it disappears.",
};

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** An image whose address goes with its bytes. */
class Picture {
  constructor(alt, name) {
    this.node = make("img", { class: name, alt, draggable: "false" });
    this.url = null;
  }

  show(view) {
    if (view === this.view) return;
    this.view = view;
    const old = this.url;
    this.url = view?.byteLength ? URL.createObjectURL(new Blob([view])) : null;
    this.node.hidden = !this.url;
    if (this.url) this.node.src = this.url;
    else this.node.removeAttribute("src");
    if (old) setTimeout(() => URL.revokeObjectURL(old), 1000); // it may still be on its way
  }
}

function save({ type, name }, buffers) {
  if (type !== "file") return;
  const url = URL.createObjectURL(new Blob([buffers[0]], { type: "image/png" }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export default {
  render({ model, el }) {
    const kind = model.get("kind");
    el.classList.add("segedu-preview");
    const after = new Picture(kind === "sticker" ? "the sticker" : "without the object", "sp-after");
    const before = new Picture("with the object", "sp-before");
    const empty = make("div", { class: "sp-empty" }, EMPTY[kind]);
    const busy = make("div", { class: "sp-busy", role: "status", hidden: true }, make("i"), "Working…");
    const frame = make("div", { class: `sp-frame sp-${kind}` });
    if (kind === "comparison") {
      const slide = make("input", { type: "range", class: "sp-slide", min: 0, max: 100, step: 0.5, value: 50,
        "aria-label": "Between before and after", oninput: () => frame.style.setProperty("--at", `${slide.value}%`) });
      frame.style.setProperty("--at", "50%");
      frame.append(before.node, after.node, make("div", { class: "sp-line" }, make("i", {}, "‹ ›")),
        make("span", { class: "sp-tag sp-left" }, "before"), make("span", { class: "sp-tag sp-right" }, "after"), slide);
      slide.addEventListener("keydown", (event) => event.stopPropagation());
    } else frame.append(after.node);
    frame.append(empty, busy);
    const note = make("div", { class: "sp-note", role: "status" });
    el.append(frame, note);

    const update = () => {
      after.show(model.get("_after"));
      before.show(model.get("_before"));
      const some = Boolean(model.get("_after")?.byteLength);
      frame.classList.toggle("sp-none", !some);
      empty.hidden = some;
      busy.hidden = !model.get("_busy");
      note.textContent = model.get("_problem") || model.get("_note");
      note.classList.toggle("sp-problem", Boolean(model.get("_problem")));
      el.dataset.made = model.get("_made");
    };
    const message = (content, buffers) => save(content, buffers);
    const traits = ["_before", "_after", "_note", "_problem", "_busy", "_made"];
    for (const name of traits) model.on(`change:${name}`, update);
    model.on("msg:custom", message);
    update();
    return () => {
      for (const name of traits) model.off(`change:${name}`, update);
      model.off("msg:custom", message);
      for (const picture of [after, before]) if (picture.url) URL.revokeObjectURL(picture.url);
    };
  },
};
