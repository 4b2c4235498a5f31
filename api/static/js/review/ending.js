// All is looked at: what was done, what was skipped, and where to go from here.

import { el, replace } from "../dom.js";
import { count, plural } from "../format.js";

/** Fill a place with the end of a review. */
export function showEnd(place, job, { done, complete, corrected, skipped, title, again }) {
  const what = done ? "All looked at" : skipped ? "Only skipped ones are left" : "Nothing is left to look at";
  const sum = done ? `You looked at ${plural(done, "item")} and corrected ${count(corrected)}.` : skipped ? "" : `There is nothing for you under “${title}”.`;
  const more = complete ? "" : " The job is still running; what comes appears here.";
  const ways = [
    skipped ? el("button", { type: "button", class: "primary", onclick: again }, `Look at ${plural(skipped, "skipped item")} again`) : null,
    el("a", { class: "button", href: `/jobs/${job}/results?look=corrected` }, "See the corrections"),
    el("a", { class: "button", href: `/v1/reviews/export?format=zip&job_id=${job}`, download: true }, "Download as training data"),
  ];
  replace(place, el("div", { class: "card empty", tabindex: "-1" }, el("h2", {}, what), el("p", {}, sum, more), el("div", { class: "row" }, ways)));
  place.firstElementChild.focus({ preventScroll: true });
}
