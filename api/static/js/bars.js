// The stacked bar of a job: accepted, to be looked at, failed, left out. The same as `stacked` in parts.html.

import { $, setText } from "./dom.js";
import { count } from "./format.js";
import { statusBadge } from "./words.js";

/** How many of each kind the bar shows. */
export const shares = (counts) => ({
  accepted: counts.accepted,
  review: counts.review,
  failed: counts.failed,
  skipped: counts.skipped + counts.canceled + counts.expired,
});

/** Move the rectangles of a bar that is there. */
export function fillBar(bar, counts) {
  let at = 0;
  for (const [kind, number] of Object.entries(shares(counts))) {
    const width = (1000 * number) / (counts.total || 1);
    const rect = $(`.${kind}`, bar);
    rect.setAttribute("x", at.toFixed(2));
    rect.setAttribute("width", width.toFixed(2));
    at += width;
  }
}

/** Write a job into its row; untouched where nothing changed, so that nothing is painted in vain. */
export function fillRow(row, job) {
  row.dataset.job = job.id;
  const link = $(".name a", row);
  link.setAttribute("href", job.links.page);
  setText(link, job.name || job.inputs[0]?.name || "Without a name");
  if (row.dataset.status !== job.status) {
    $(".state", row).replaceChildren(statusBadge(job.status));
    row.dataset.status = job.status;
  }
  setText($(".told", row), `${count(job.counts.total - job.counts.pending)} of ${count(job.counts.total)}`);
  setText($(".look", row), count(job.counts.review));
  fillBar($(".stacked", row), job.counts);
  $("time", row).dateTime = job.created_at;
}
