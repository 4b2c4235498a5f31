// Links that take the table home: as narrowed as the page, where the service can narrow so.

const FEW = 500;
const ENDS = new Set(["failed", "skipped", "canceled", "expired"]);

/**
 * The query that narrows an export as the page is narrowed: {query, exact}. Up to 500 items are named one by one,
 * so everything can be had; of more, only what the service can choose by itself.
 */
export function exportQuery(state, selection) {
  if (!state.show.size && !state.value.size && !state.sure && !state.look) return { query: new URLSearchParams(), exact: true };
  if (selection.order.length && selection.order.length <= FEW) {
    return { query: new URLSearchParams({ seqs: [...selection.order].sort((a, b) => a - b).join(",") }), exact: true };
  }
  const query = new URLSearchParams();
  const parts = [byKind(state.show, query), byValue(state.value, query), bySure(state.sure, query), byLook(state.look, query)];
  return { query, exact: parts.every(Boolean) };
}

function byKind(show, query) {
  if (!show.size) return true;
  const read = ["accepted", "review"].filter((kind) => show.has(kind));
  const ends = [...show].filter((kind) => ENDS.has(kind));
  if (read.length === 1 && !ends.length) {
    query.set("decision", read[0] === "accepted" ? "accept" : "review");
    return true;
  }
  if (read.length) query.append("status", "succeeded");
  for (const end of ends) query.append("status", end);
  return read.length !== 1;
}

function byValue(value, query) {
  if (!value.size) return true;
  const [only] = value;
  if (value.size > 1 || only === "none") return false;
  query.set("prediction", only);
  return true;
}

function bySure(sure, query) {
  if (!sure) return true;
  if (sure[0] > 0) query.set("min_confidence", sure[0]);
  if (sure[1] < 1 || sure[0] === 0) query.set("max_confidence", sure[1]);
  return true;
}

function byLook(look, query) {
  if (look === "reviewed" || look === "unreviewed") query.set("reviewed", look === "reviewed");
  if (look === "disagreed") query.set("disagreed", "true");
  return look !== "corrected";
}
