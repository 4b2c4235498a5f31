// What a person said of an item, in words.

const REASONS = { blank: "blank", not_a_digit: "not a digit", crossed_out: "crossed out" };

/** {value, reason} → "7", "blank" */
export const saidText = ({ value, reason }) => value ?? REASONS[reason] ?? reason;

/** The reading of an item as a decision. */
export const asRead = (item) => (item.prediction === null ? { value: null, reason: item.reasons.includes("not_a_digit") ? "not_a_digit" : item.reasons.includes("crossed_out") ? "crossed_out" : "blank" } : { value: item.prediction, reason: null });

/** Whether a decision is another than the machine's reading. */
export const isCorrection = (item, { value }) => value !== item.prediction;
