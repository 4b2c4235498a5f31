// One key a decision. Keys are dead while something is entered or a dialog is open, and can be switched off for good.

const NAMED = {
  Enter: "enter", a: "accept", " ": "skip", s: "skip", x: "not_a_digit", b: "blank", u: "undo", Backspace: "undo",
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", j: "right", k: "left", v: "view", z: "zoom",
  "?": "help", Escape: "leave", Home: "first", End: "last",
};
const MOVES = new Set(["left", "right", "up", "down", "first", "last"]);
const ENTERS = "input, select, textarea, [contenteditable], summary";

/** Listen for keys: act(name, event) with a name of above, or {value} for a label. Returns {on, set(on)}. */
export function listenToKeys(labels, act) {
  const known = new Set(labels);
  const state = { on: stored(), set };

  function set(on) {
    state.on = on;
    try {
      localStorage.setItem("shortcuts", on ? "on" : "off");
    } catch {
      // lasts for this page
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const name = nameOf(event, known);
    if (!name || isTaken(event, name)) return;
    if (!state.on && !(MOVES.has(name) && event.target.closest('[role="listbox"]'))) return;
    if (event.repeat && !MOVES.has(name)) return event.preventDefault();
    if (act(name, event) !== false) event.preventDefault();
  });
  return state;
}

function nameOf(event, known) {
  if (event.altKey || event.metaKey) return event.metaKey && event.key === "z" ? "undo" : null;
  if (event.ctrlKey) return event.key === "z" ? "undo" : null;
  if (known.has(event.key)) return { value: event.key };
  return NAMED[event.key] ?? NAMED[event.key.toLowerCase()] ?? null;
}

/** Whether the element with the focus has its own use for the key. */
function isTaken({ key, target }, name) {
  if (target.closest(ENTERS)) return true;
  return (key === "Enter" || key === " ") && Boolean(target.closest("button, a[href]")) && name !== null;
}

function stored() {
  try {
    return localStorage.getItem("shortcuts") !== "off";
  } catch {
    return true;
  }
}
