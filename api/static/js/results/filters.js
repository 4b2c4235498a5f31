// The filters beside the list: states, readings, confidence, what people said. Counts stand on every choice.

import { $, el, replace } from "../dom.js";
import { count } from "../format.js";
import { words } from "../words.js";
import { KINDS } from "./grid.js";
import { Histogram } from "./histogram.js";
import { NOTHING } from "./state.js";

export class Filters {
  /** changed(part of the state) */
  constructor(root, threshold, changed) {
    Object.assign(this, { root, changed });
    this.histogram = new Histogram($("#sure", root), threshold, (sure) => changed({ sure }));
    this.look = $("#look", root);
    this.look.addEventListener("change", () => changed({ look: this.look.value }));
  }

  /** Show counts and what is chosen. */
  show(state, selection, labels) {
    this.#choices($("#show", this.root), "show", state.show, KINDS.map((kind, n) => [kind, selection.kinds[n], badgeOf(kind)]).filter(([kind, n]) => n || state.show.has(kind)));
    const values = labels.map((label, n) => [label, selection.values[n], label]).concat([[NOTHING, selection.values[labels.length], "none"]]);
    this.#choices($("#value", this.root), "value", state.value, values.filter(([value, n]) => n || state.value.has(value)));
    this.histogram.show(selection.bars, state.sure);
    this.look.value = state.look;
  }

  /** Buttons that are pressed or not; those that are there already stay, so that the focus does. */
  #choices(place, name, chosen, choices) {
    const known = new Map([...place.children].map((button) => [button.dataset.choice, button]));
    const buttons = choices.map(([choice, n, content]) => {
      const button = known.get(choice) ?? this.#button(name, choice, content);
      button.setAttribute("aria-pressed", chosen.has(choice));
      button.lastChild.textContent = count(n);
      return button;
    });
    if (buttons.length !== place.children.length || buttons.some((button, n) => place.children[n] !== button)) replace(place, buttons);
  }

  #button(name, choice, content) {
    const act = (event) => {
      const chosen = new Set([...event.currentTarget.parentElement.children].filter((one) => one.ariaPressed === "true").map((one) => one.dataset.choice));
      if (!chosen.delete(choice)) chosen.add(choice);
      this.changed({ [name]: chosen });
    };
    return el("button", { type: "button", class: "small choice-button", dataset: { choice }, onclick: act }, el("span", {}, content), " ", el("span", { class: "count" }));
  }
}

function badgeOf(kind) {
  const { shape, word, kind: colour } = words.item[kind];
  return el("span", { class: `badge ${colour}` }, el("span", { "aria-hidden": "true" }, shape), ` ${word}`);
}
