// The click widget's tools, actions, icons and keys.

const icon = (path) =>
  `<svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.5"
    stroke-linecap="round" stroke-linejoin="round">${path}</svg>`;

/** kind: the prompt that a tool makes. Where a method does not take it, the tool is marked if the prompt
 *  can be converted, else greyed. */
const TOOLS = [
  { id: "click", kind: "click", key: "c", label: "Click", icon: icon('<path d="M4 2l8.5 6-3.8.7L6.6 13z"/>'),
    hint: "Click the object. Right-click, Alt-click or X, then a click, marks background." },
  { id: "box", kind: "box", key: "b", label: "Box", icon: icon('<path d="M2.5 3.5h11v9h-11z" stroke-dasharray="2.4 2"/>'),
    hint: "Drag a box around the object." },
  { id: "stroke", kind: "stroke", key: "s", label: "Brush", icon: icon('<path d="M13.5 2.5L7 9M6.5 8.5c-2 0-3 1-3 2.5s-1 2-2 2c2.5 1.5 6 1 6.5-2z"/>'),
    hint: "Brush over the object; with the right button, Alt or X over the background." },
  { id: "contour", kind: "contour", key: "l", label: "Lasso", icon: icon('<path d="M8 3c3.3 0 5.5 1.5 5.5 3.5S11.3 10 8 10 2.5 8.5 2.5 6.5 4.7 3 8 3zM5 9.6c-1 1-1 2 0 2.4s1 1.5 0 2"/>'),
    hint: "Draw a line all around the object." },
  { id: "pan", kind: null, key: "h", label: "Move", icon: icon('<path d="M8 1.5v13M1.5 8h13M6 3.5l2-2 2 2M6 12.5l2 2 2-2M3.5 6l-2 2 2 2M12.5 6l2 2-2 2"/>'),
    hint: "Drag to move the image. Ctrl + wheel or two fingers zoom." },
];
const ACTIONS = [
  { id: "undo", label: "Undo", key: "z", icon: icon('<path d="M3 6.5h7a3.3 3.3 0 010 6.5H6M6 3.5l-3 3 3 3"/>') },
  { id: "redo", label: "Redo", key: "y", icon: icon('<path d="M13 6.5H6a3.3 3.3 0 000 6.5h4M10 3.5l3 3-3 3"/>') },
  { id: "clear", label: "Clear", key: "Delete", icon: icon('<path d="M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9M6.7 7v4M9.3 7v4"/>') },
];
const SIGNS = {
  positive: icon('<circle cx="8" cy="8" r="6"/><path d="M8 5.2v5.6M5.2 8h5.6"/>'),
  negative: icon('<circle cx="8" cy="8" r="6"/><path d="M5.2 8h5.6"/>'),
};
const ZOOMS = {
  in: icon('<circle cx="7" cy="7" r="4.8"/><path d="M10.6 10.6L14 14M7 5v4M5 7h4"/>'),
  out: icon('<circle cx="7" cy="7" r="4.8"/><path d="M10.6 10.6L14 14M5 7h4"/>'),
  fit: icon('<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>'),
};
const EYE = icon('<path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="2"/>');
const EYE_SHUT = icon('<path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z"/><path d="M2.5 13.5l11-11"/>');
const ADD = icon('<path d="M8 3v10M3 8h10"/>');
const CROSS = icon('<path d="M4.5 4.5l7 7M11.5 4.5l-7 7"/>');
const SAVE = icon('<path d="M8 2.5v7.5M5 7.2L8 10l3-2.8M2.5 13.5h11"/>');
const COMPARE = icon('<path d="M2 3.5h5v9H2zM9 3.5h5v9H9z"/>');
const OUTLINE = icon('<circle cx="8" cy="8" r="5.5" stroke-dasharray="2.6 1.8"/>');
/** What a step of the history added. */
const STEP_KINDS = {
  ...Object.fromEntries(TOOLS.filter((tool) => tool.kind).map((tool) => [tool.kind, { name: tool.label, icon: tool.icon }])),
  several: { name: "Several prompts", icon: icon('<path d="M4 8h.01M8 8h.01M12 8h.01" stroke-width="2.6"/>') },
  clear: { name: "Cleared", icon: ACTIONS[2].icon },
};
const SHORTCUTS = [
  ["C  B  S  L  H", "click, box, brush, lasso, move"],
  ["X", "object / background"],
  ["Right button   Alt", "the other one of both, this once"],
  ["[  ]", "smaller, larger brush"],
  ["Z   Y", "undo (a deleted object too), redo; Shift+Z redoes as well"],
  ["Delete", "clear the object's prompts"],
  ["N   1 … 9", "new object, switch object"],
  ["+  −  0", "zoom in, out, fit"],
  ["Ctrl + wheel", "zoom around the pointer"],
  ["Middle button", "drag to move the image, with any tool"],
  ["M", "hide or show masks"],
  ["T", "hide or show the ground truth's outline"],
  ["V   K", "next method, all methods side by side"],
  ["Tab   ←  →", "on to the steps: show a step's mask, Enter goes back to it"],
  ["Arrows", "move the keyboard's cursor (Shift: further)"],
  ["Enter", "click there; set a corner; start or end a stroke; a lasso's corner"],
  ["Esc", "drop what is being drawn; close this help"],
  ["?", "this help"],
  ["Fingers", "tap to click; two of them move and zoom"],
  ["A dot", "on a tool: the method does not take it, and what it is given instead is drawn thin and dotted"],
];
const TAP_SLACK = 10; // CSS pixels that a finger may slip while it taps
const KIND_NAMES = { click: "clicks", box: "boxes", stroke: "brush strokes", contour: "contours" };
const SLOW = 200; // milliseconds after which a running method is shown
const GOOD_ENOUGH = 0.85; // IoU; papers count the clicks until it is reached
const KEPT_MASKS = 100;
