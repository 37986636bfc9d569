// The click widget's page: its elements, and what each of them sets off.

/** Fill the view's root; returns the elements that change later, by name. */
function buildPage(view) {
  const page = {};
  view.root.classList.add("segedu-segmenter");
  page.buttons = new Map();
  const button = (id, label, html, key, act) => {
    const node = element("button", { type: "button", class: "sg-button", "data-id": id, "aria-label": label,
      title: key ? `${label} (${key.toUpperCase()})` : label, html,
      onclick: () => node.getAttribute("aria-disabled") !== "true" && act() });
    page.buttons.set(id, node);
    return node;
  };
  const group = (label, ...nodes) => element("div", { class: "sg-group", role: "group", "aria-label": label }, ...nodes);
  const tools = TOOLS.map((tool) => button(tool.id, tool.label, `${tool.icon}<span>${tool.label}</span>`, tool.key, () => view.choose(tool.id)));
  const signs = [
    button("positive", "Mark the object", `${SIGNS.positive}<span>Object</span>`, "x", () => view.sign(true)),
    button("negative", "Mark the background", `${SIGNS.negative}<span>Background</span>`, "x", () => view.sign(false)),
  ];
  const actions = ACTIONS.map((action) => button(action.id, action.label, action.icon, action.key, () => view.send({ type: action.id })));
  const zooms = [
    button("out", "Zoom out", ZOOMS.out, "-", () => view.zoom(1 / 1.5)),
    button("fit", "Fit the image", ZOOMS.fit, "0", () => view.fit()),
    button("in", "Zoom in", ZOOMS.in, "+", () => view.zoom(1.5)),
  ];
  page.brushSlider = element("input", { type: "range", min: 1, max: 60, value: view.brush, "aria-label": "Brush radius in pixels",
    oninput: (e) => { view.brush = Number(e.target.value); view.draw(); } });
  page.opacitySlider = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: view.opacity, "aria-label": "Mask opacity",
    oninput: (e) => { view.opacity = Number(e.target.value); view.draw(); } });
  page.brushGroup = element("label", { class: "sg-slider", title: "Size of the brush ([ and ])" }, "Size", page.brushSlider);
  const look = [
    element("label", { class: "sg-slider", title: "Opacity of the masks" }, page.opacitySlider),
    button("hide", "Hide or show the masks", EYE, "m", () => view.toggleMasks()),
    button("help", "Keyboard shortcuts", "?", "?", () => view.toggleHelp()),
  ];
  page.canvas = element("canvas", { class: "sg-canvas", tabindex: 0, role: "application",
    "aria-label": "Image. Arrows move the cursor, Enter places a prompt, question mark lists the keys." });
  page.help = element("div", { class: "sg-help", role: "dialog", "aria-label": "Keyboard shortcuts", hidden: true },
    element("h4", {}, "Keys, while the image has the focus"),
    element("dl", {}, ...SHORTCUTS.flatMap(([keys, what]) => [element("dt", {}, keys), element("dd", {}, what)])));
  page.spinnerText = element("span");
  page.spinner = element("div", { class: "sg-busy", role: "status", hidden: true }, element("i"), page.spinnerText);
  page.legend = element("div", { class: "sg-legend", hidden: true });
  page.hint = element("div", { class: "sg-hint" });
  page.alert = element("div", { class: "sg-alert", role: "alert", hidden: true });
  page.stage = element("div", { class: "sg-stage" }, page.canvas, page.hint, page.legend, page.spinner, page.alert, page.help);
  page.list = new ObjectList((message) => view.send(message), () => page.canvas.focus({ preventScroll: true }));
  page.steps = new HistoryStrip((step) => view.look(step), (step) => view.send({ type: "goto", step }));
  page.truth = new TruthPanel(button("truth", "Outline of the ground truth", OUTLINE, "t", () => view.toggleTruth()));
  page.picker = element("select", { class: "sg-select", "aria-label": "Method", title: "Method (V: the next one)",
    onchange: (e) => view.send({ type: "method", name: e.target.value }) });
  page.comparison = new ComparePanel((name) => view.send({ type: "method", name }), view.answers);
  page.methods = element("div", { class: "sg-methods" }, element("div", { class: "sg-title" }, "Method"), page.picker,
    button("compare", "All methods side by side", `${COMPARE}<span>Compare</span>`, "k", () => view.compare()));
  const files = element("div", { class: "sg-files" },
    ...[["coco", "COCO JSON"], ["mask", "Mask PNG"], ["cutout", "Cut-out PNG"]].map(([what, label]) =>
      button(`export-${what}`, `Save as ${label}`, `${SAVE}<span>${label}</span>`, "", () => view.send({ type: "export", what }))));
  page.side = element("div", { class: "sg-side" }, page.methods,
    element("div", { class: "sg-title" }, "Objects", button("add", "New object", ADD, "n", () => view.send({ type: "add" }))),
    page.list.node, page.truth.node, element("div", { class: "sg-title" }, "Save"), files);
  page.status = element("span", { role: "status", "aria-live": "polite" });
  page.scaleNote = element("span", { class: "sg-scale" });
  view.root.replaceChildren(
    element("div", { class: "sg-toolbar", role: "toolbar", "aria-label": "Segmentation tools" },
      group("Tool", ...tools), group("Sign", ...signs), page.brushGroup, group("History", ...actions),
      group("Zoom", ...zooms), element("div", { class: "sg-group sg-look" }, ...look)),
    element("div", { class: "sg-body" }, element("div", { class: "sg-main" }, page.stage, page.steps.node), page.side),
    page.comparison.node,
    element("div", { class: "sg-status" }, page.status, page.scaleNote));
  return page;
}
