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
    const live = model.get("clickable");
    root.classList.toggle("segedu-stage-live", live);
    if (live) root.tabIndex = 0;
    else root.removeAttribute("tabindex");
  };
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
