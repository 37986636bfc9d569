// A picture that Python paints and that tells where it was clicked. Keys: arrows walk the choice.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "segedu-stage";
  const image = document.createElement("img");
  image.draggable = false;
  root.append(image);
  el.append(root);
  let url = null;
  let painted = 0;
  image.addEventListener("load", () => {
    painted += 1;
    root.dataset.painted = String(painted);
  });
  const paint = () => {
    const next = URL.createObjectURL(new Blob([model.get("_picture")], { type: "image/png" }));
    image.src = next;
    if (url) URL.revokeObjectURL(url);
    url = next;
  };
  const describe = () => {
    image.alt = model.get("description");
    const live = model.get("clickable") || model.get("draggable");
    image.style.touchAction = model.get("draggable") ? "none" : "";
    root.classList.toggle("segedu-stage-live", live);
    if (live) root.tabIndex = 0;
    else root.removeAttribute("tabindex");
  };
  // Where a click can be dragged, each press, move and release is told, one move a frame.
  let pressed = false;
  let waiting = null;
  const tell = (type, event) => {
    const box = image.getBoundingClientRect();
    model.send({
      type,
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
      button: event.button === 2 || event.altKey ? 2 : 0,
    });
  };
  image.addEventListener("contextmenu", (event) => {
    if (model.get("draggable")) event.preventDefault();
  });
  image.addEventListener("pointerdown", (event) => {
    if (!model.get("draggable")) return;
    pressed = true;
    image.setPointerCapture(event.pointerId);
    tell("press", event);
  });
  image.addEventListener("pointermove", (event) => {
    if (!pressed) return;
    if (!waiting) {
      requestAnimationFrame(() => {
        if (pressed && waiting) tell("drag", waiting);
        waiting = null;
      });
    }
    waiting = event;
  });
  const release = (event) => {
    if (!pressed) return;
    pressed = false;
    tell("release", event);
  };
  image.addEventListener("pointerup", release);
  image.addEventListener("pointercancel", release);
  image.addEventListener("click", (event) => {
    if (!model.get("clickable")) return;
    const box = image.getBoundingClientRect();
    model.send({
      type: "click",
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
    });
  });
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !model.get("clickable")) return;
    event.preventDefault();
    event.stopPropagation();
    model.send({ type: "step", by: step });
  });
  model.on("change:_picture", paint);
  model.on("change:description", describe);
  model.on("change:clickable", describe);
  paint();
  describe();
  return () => url && URL.revokeObjectURL(url);
}
export default { render };
